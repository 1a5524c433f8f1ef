/** What clients ask for, as values and as the bytes that a node takes. Every put has a value of its own, by which it is known again. */
import { assert, unreachable } from "../lib/assert.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import {
  type CommandCursor,
  type RequestId,
  keyBytes,
  writeDelete,
  writeDeleteRange,
  writeGet,
  writeOnce,
  writePut,
  writeRange,
} from "../wire/mod.ts";

/** Names a value; 0 stands for a key that does not exist. */
export type ValueId = number;

export type Command =
  | { readonly kind: "put"; readonly key: string; readonly value: ValueId; readonly ifRevision: number | null }
  | { readonly kind: "delete"; readonly key: string; readonly ifRevision: number | null }
  /** All keys with `start` ≤ key < `end`. */
  | { readonly kind: "deleteRange"; readonly start: string; readonly end: string };

export type Query =
  | { readonly kind: "get"; readonly key: string }
  | { readonly kind: "range"; readonly start: string; readonly end: string };

const valueIdBytes = 4;
/** Used again and again: runs make millions of requests. */
const writer = new ByteWriter(4096);

/** The commands as bytes; values are as long as `valueBytes` tells, but no shorter than their names. */
export function encodeCommands(commands: readonly Command[], valueBytes: () => number): Uint8Array {
  for (const command of commands) writeCommand(command, valueBytes());
  return writer.take();
}

function writeCommand(command: Command, valueBytes: number): void {
  switch (command.kind) {
    case "put": {
      const value = new Uint8Array(Math.max(valueIdBytes, valueBytes));
      for (let i = 0; i < valueIdBytes; i++) value[i] = command.value >>> (24 - 8 * i);
      writePut(writer, { key: keyBytes(command.key), value, ifRevision: command.ifRevision });
      return;
    }
    case "delete":
      writeDelete(writer, { key: keyBytes(command.key), ifRevision: command.ifRevision });
      return;
    case "deleteRange":
      writeDeleteRange(writer, { start: keyBytes(command.start), end: keyBytes(command.end) });
      return;
    default:
      unreachable(command);
  }
}

/** A request with an id. */
export function encodeOnce(id: RequestId, commands: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writeOnce(writer, { ...id, commands });
  return writer.take();
}

export function encodeQuery(query: Query): Uint8Array {
  if (query.kind === "get") writeGet(writer, keyBytes(query.key));
  else writeRange(writer, { start: keyBytes(query.start), end: keyBytes(query.end), limit: null, keysOnly: false });
  return writer.take();
}

/** The command that `cursor` shows; null if it changes no key. */
export function commandAt(cursor: CommandCursor): Command | null {
  switch (cursor.kind) {
    case "put":
      return {
        kind: "put",
        key: cursor.keyText(),
        value: valueIdOf(cursor.valueView()),
        ifRevision: cursor.ifRevision,
      };
    case "delete":
      return { kind: "delete", key: cursor.keyText(), ifRevision: cursor.ifRevision };
    case "deleteRange":
      return { kind: "deleteRange", start: cursor.keyText(), end: cursor.endText() ?? "\uffff" };
    case "compact":
    case "set":
    case "txn":
    case "query":
    case "once":
    case "lease":
      return null;
    default:
      return unreachable(cursor.kind);
  }
}

/** The name of the value that a put wrote. */
export function valueIdOf(value: Uint8Array): ValueId {
  assert(value.length >= valueIdBytes, "no put of the simulator writes so short a value");
  let id = 0;
  for (let i = 0; i < valueIdBytes; i++) id = id * 256 + (value[i] ?? 0);
  return id;
}

export function describeCommand(command: Command): string {
  const condition = command.kind !== "deleteRange" && command.ifRevision !== null ? ` if ${command.ifRevision}` : "";
  switch (command.kind) {
    case "put":
      return `put ${command.key}=${command.value}${condition}`;
    case "delete":
      return `del ${command.key}${condition}`;
    case "deleteRange":
      return `del ${command.start}..${command.end}`;
    default:
      return unreachable(command);
  }
}

/** Whether two commands are the same. */
export function sameCommand(a: Command, b: Command): boolean {
  return describeCommand(a) === describeCommand(b);
}
