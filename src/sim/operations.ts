/** What clients ask for of single keys and ranges, as values and as the bytes that a node takes. */
import { unreachable } from "../lib/assert.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import {
  type CommandCursor,
  keyBytes,
  writeDelete,
  writeDeleteRange,
  writeGet,
  writePut,
  writeRange,
} from "../wire/mod.ts";
import { namedValue, type NamedValue, valueBytes } from "./versions.ts";

/** The lease that a put hangs its key on, or for how long one is granted for it alone; 0: none. */
export interface Hanging {
  readonly lease: number;
  readonly ttlMs: number;
}

export const notHanging: Hanging = { lease: 0, ttlMs: 0 };

export type SimpleCommand =
  | ({ readonly kind: "put"; readonly key: string; readonly ifRevision: number | null } & NamedValue & Hanging)
  | { readonly kind: "delete"; readonly key: string; readonly ifRevision: number | null }
  /** All keys with `start` ≤ key < `end`. */
  | { readonly kind: "deleteRange"; readonly start: string; readonly end: string };

export type Query =
  | { readonly kind: "get"; readonly key: string }
  | { readonly kind: "range"; readonly start: string; readonly end: string };

/** What a transaction is made of. */
export type Operation = SimpleCommand | Query;

export function isQuery(operation: Operation): operation is Query {
  return operation.kind === "get" || operation.kind === "range";
}

export function writeSimple(writer: ByteWriter, command: SimpleCommand): void {
  switch (command.kind) {
    case "put":
      writePut(writer, { ...command, key: keyBytes(command.key), value: valueBytes(command) });
      return;
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

/** Used again and again: runs make millions of requests. */
const writer = new ByteWriter(256);

export function encodeQuery(query: Query): Uint8Array {
  if (query.kind === "get") writeGet(writer, keyBytes(query.key));
  else writeRange(writer, { start: keyBytes(query.start), end: keyBytes(query.end), limit: null, keysOnly: false });
  return writer.take();
}

/** The command that `cursor` shows; null if it is none of these. */
export function simpleCommandAt(cursor: CommandCursor): SimpleCommand | null {
  switch (cursor.kind) {
    case "put": {
      const { ifRevision, lease, ttlMs } = cursor;
      return { kind: "put", key: cursor.keyText(), ...namedValue(cursor.valueView()), ifRevision, lease, ttlMs };
    }
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

export function describeSimple(command: SimpleCommand): string {
  const condition = command.kind !== "deleteRange" && command.ifRevision !== null ? ` if ${command.ifRevision}` : "";
  switch (command.kind) {
    case "put":
      return `put ${command.key}=${command.value}${condition}${describeHanging(command)}`;
    case "delete":
      return `del ${command.key}${condition}`;
    case "deleteRange":
      return `del ${command.start}..${command.end}`;
    default:
      return unreachable(command);
  }
}

function describeHanging({ lease, ttlMs }: Hanging): string {
  return lease > 0 ? ` on ${lease}` : ttlMs > 0 ? ` for ${ttlMs} ms` : "";
}

export function describeQuery(query: Query): string {
  return `${query.kind} ${query.kind === "get" ? query.key : `${query.start}..${query.end}`}`;
}
