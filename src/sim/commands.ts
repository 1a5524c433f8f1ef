/** What clients ask for, as values and as the bytes that a node takes. Every put has a value of its own, by which it is known again. */
import { ByteWriter } from "../lib/byte_writer.ts";
import { type CommandCursor, decodeSettings, type RequestId, type Settings, writeOnce, writeSet } from "../wire/mod.ts";
import { describeLeaseWish, leaseWishOf, type LeaseWishCommand, writeLeaseWish } from "./lease_commands.ts";
import { describeSimple, isQuery, simpleCommandAt, type SimpleCommand, writeSimple } from "./operations.ts";
import { describeTransaction, type Transaction, transactionOf, writeTransaction } from "./transactions.ts";
import type { ValueId } from "./versions.ts";

/** Changes settings of the cluster. */
export interface SetCommand {
  readonly kind: "set";
  readonly settings: Partial<Settings>;
}

export type Command = SimpleCommand | Transaction | SetCommand | LeaseWishCommand;

/** Used again and again: runs make millions of requests. */
const writer = new ByteWriter(4096);

export function encodeCommands(commands: readonly Command[]): Uint8Array {
  for (const command of commands) {
    if (command.kind === "txn") writeTransaction(writer, command);
    else if (command.kind === "set") writeSet(writer, command.settings);
    else if (command.kind === "lease") writeLeaseWish(writer, command);
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

/** The command that `cursor` shows; null if clients know none like it. */
export function commandAt(cursor: CommandCursor): Command | null {
  if (cursor.kind === "txn") return transactionOf(cursor.body());
  if (cursor.kind === "set") return { kind: "set", settings: decodeSettings(cursor.body()) };
  return cursor.kind === "lease" ? leaseWishOf(cursor.body()) : simpleCommandAt(cursor);
}

/** The values that a command may write: no other command ever has one of them. */
export function valuesOf(command: Command): readonly ValueId[] {
  if (command.kind === "put") return [command.value];
  if (command.kind !== "txn") return [];
  return [...command.then, ...command.else].flatMap((operation) => (isQuery(operation) ? [] : valuesOf(operation)));
}

export function describeCommand(command: Command): string {
  if (command.kind === "txn") return describeTransaction(command);
  if (command.kind === "lease") return describeLeaseWish(command);
  return command.kind === "set" ? `set ${JSON.stringify(command.settings)}` : describeSimple(command);
}

/** Whether two commands are the same. */
export function sameCommand(a: Command, b: Command): boolean {
  return describeCommand(a) === describeCommand(b);
}
