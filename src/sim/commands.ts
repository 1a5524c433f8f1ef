/** What clients ask for, as values and as the bytes that a node takes. Every put has a value of its own, by which it is known again. */
import { ByteWriter } from "../lib/byte_writer.ts";
import { type CommandCursor, type RequestId, writeOnce } from "../wire/mod.ts";
import { describeSimple, isQuery, simpleCommandAt, type SimpleCommand, writeSimple } from "./operations.ts";
import { describeTransaction, type Transaction, transactionOf, writeTransaction } from "./transactions.ts";
import type { ValueId } from "./versions.ts";

export type Command = SimpleCommand | Transaction;

/** Used again and again: runs make millions of requests. */
const writer = new ByteWriter(4096);

export function encodeCommands(commands: readonly Command[]): Uint8Array {
  for (const command of commands) {
    if (command.kind === "txn") writeTransaction(writer, command);
    else writeSimple(writer, command);
  }
  return writer.take();
}

/** A request with an id. */
export function encodeOnce(id: RequestId, commands: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writeOnce(writer, { ...id, commands });
  return writer.take();
}

/** The command that `cursor` shows; null if it changes no key. */
export function commandAt(cursor: CommandCursor): Command | null {
  return cursor.kind === "txn" ? transactionOf(cursor.body()) : simpleCommandAt(cursor);
}

/** The values that a command may write: no other command ever has one of them. */
export function valuesOf(command: Command): readonly ValueId[] {
  if (command.kind === "put") return [command.value];
  if (command.kind !== "txn") return [];
  return [...command.then, ...command.else].flatMap((operation) => (isQuery(operation) ? [] : valuesOf(operation)));
}

export function describeCommand(command: Command): string {
  return command.kind === "txn" ? describeTransaction(command) : describeSimple(command);
}

/** Whether two commands are the same. */
export function sameCommand(a: Command, b: Command): boolean {
  return describeCommand(a) === describeCommand(b);
}
