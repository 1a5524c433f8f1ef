/** Feeds a store with commands and queries, the way a node does, and reads what it says. */
import { expect } from "bun:test";
import { ByteReader } from "../../src/lib/byte_reader.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { Store } from "../../src/kv/mod.ts";
import type { Entry, EntryKind } from "../../src/raft/mod.ts";
import {
  type CommandResult,
  type Comparison,
  type GetAnswer,
  type HistoryAnswer,
  type KeyState,
  type LeaseAnswer,
  type LeaseCommand,
  type LeasesAnswer,
  type RangeAnswer,
  type RequestId,
  type Settings,
  type StoredState,
  keyText,
  payloadVersion,
  readGetAnswer,
  readHistoryAnswer,
  readLeaseAnswer,
  readLeasesAnswer,
  readRangeAnswer,
  readResult,
  readTxnResult,
  writeCompact,
  writeDelete,
  writeDeleteRange,
  writeGet,
  writeGetAt,
  writeHistory,
  writeLease,
  writeLeaseQuery,
  writeLeasesQuery,
  writeOnce,
  writePut,
  writeRange,
  writeSet,
  writeTxn,
  writeTxnQuery,
} from "../../src/wire/mod.ts";

export type Bytes = Uint8Array | string;

export type TestCommand =
  | TestPut
  | { readonly kind: "delete"; readonly key: Bytes; readonly ifRevision?: number }
  | { readonly kind: "deleteRange"; readonly start: Bytes; readonly end: Bytes | null }
  | { readonly kind: "compact"; readonly revision: number }
  | { readonly kind: "set"; readonly settings: Partial<Settings> }
  | { readonly kind: "lease"; readonly command: LeaseCommand }
  | TestTxn
  | TestOnce;

export interface TestPut {
  readonly kind: "put";
  readonly key: Bytes;
  readonly value: Bytes;
  readonly ifRevision?: number;
  readonly lease?: number;
  readonly ttlMs?: number;
}

/** Commands under the id of a request. */
export interface TestOnce {
  readonly kind: "once";
  readonly id: RequestId;
  readonly commands: readonly TestCommand[];
}

export interface TestTxn {
  readonly kind: "txn";
  readonly compare: readonly Comparison[];
  readonly then: readonly TestOperation[];
  readonly else: readonly TestOperation[];
}

/** What a transaction may hold. */
export type TestOperation =
  | Extract<TestCommand, { kind: "put" | "delete" | "deleteRange" }>
  | { readonly kind: "get"; readonly key: Bytes }
  | { readonly kind: "range"; readonly start: Bytes; readonly end: Bytes | null; readonly limit: number };

export function bytes(value: Bytes): Uint8Array {
  return typeof value === "string" ? new TextEncoder().encode(value) : value;
}

export function put(key: Bytes, value: Bytes, ifRevision?: number): TestPut {
  return { kind: "put", key, value, ...(ifRevision !== undefined && { ifRevision }) };
}

export function lease(command: LeaseCommand): TestCommand {
  return { kind: "lease", command };
}

export function del(key: Bytes, ifRevision?: number): TestCommand {
  return { kind: "delete", key, ...(ifRevision !== undefined && { ifRevision }) };
}

export function delRange(start: Bytes, end: Bytes | null): TestCommand {
  return { kind: "deleteRange", start, end };
}

export function compact(revision: number): TestCommand {
  return { kind: "compact", revision };
}

export function writeCommand(writer: ByteWriter, command: TestCommand): void {
  switch (command.kind) {
    case "put": {
      writePut(writer, {
        key: bytes(command.key),
        value: bytes(command.value),
        ifRevision: command.ifRevision ?? null,
        ...(command.lease !== undefined && { lease: command.lease }),
        ...(command.ttlMs !== undefined && { ttlMs: command.ttlMs }),
      });
      return;
    }
    case "delete": {
      writeDelete(writer, { key: bytes(command.key), ifRevision: command.ifRevision ?? null });
      return;
    }
    case "deleteRange": {
      writeDeleteRange(writer, { start: bytes(command.start), end: command.end === null ? null : bytes(command.end) });
      return;
    }
    case "compact":
      writeCompact(writer, command.revision);
      return;
    case "set":
      writeSet(writer, command.settings);
      return;
    case "lease":
      writeLease(writer, command.command);
      return;
    case "once":
      writeOnce(writer, { ...command.id, commands: encodeCommands(command.commands) });
      return;
    case "txn":
      writeTxn(writer, { compare: command.compare, then: branchOf(command.then), else: branchOf(command.else) });
      return;
  }
}

function branchOf(operations: readonly TestOperation[]): Uint8Array {
  const branch = new ByteWriter();
  for (const operation of operations) {
    const query = new ByteWriter();
    if (operation.kind === "get") writeGet(query, bytes(operation.key));
    else if (operation.kind === "range") {
      const { start, end, limit } = operation;
      writeRange(query, { start: bytes(start), end: end === null ? null : bytes(end), limit, keysOnly: false });
    } else {
      writeCommand(branch, operation);
      continue;
    }
    writeTxnQuery(branch, query.peek());
  }
  return branch.take();
}

/** What one operation of a transaction answered. */
export type OperationAnswer = GetAnswer | RangeAnswer | { readonly changed: number } | "omitted";

/** What `result` says of the transaction `txn`. */
export function txnAnswer(
  txn: TestTxn,
  { body }: CommandResult,
): { readonly succeeded: boolean; readonly answers: readonly OperationAnswer[] } {
  if (body === undefined) throw new Error("a transaction without a body in its result");
  const { succeeded, operations } = readTxnResult(body);
  const branch = succeeded ? txn.then : txn.else;
  if (branch.length !== operations.length) throw new Error("a result for each operation");
  const answers = operations.map((result, at): OperationAnswer => {
    if (result.kind === "put") return { changed: 1 };
    if (result.kind === "delete") return { changed: result.deleted };
    if (result.kind === "omitted") return "omitted";
    const reader = new ByteReader(result.answer);
    return branch[at]?.kind === "get" ? readGetAnswer(reader) : readRangeAnswer(reader);
  });
  return { succeeded, answers };
}

/** What the commands of a request with an id answered. */
export function onceResults({ body }: CommandResult): readonly CommandResult[] {
  const reader = new ByteReader(body ?? new Uint8Array(0));
  const results: CommandResult[] = [];
  while (reader.remaining > 0) results.push(readResult(reader));
  return results;
}

/** The commands as they stand in a request. */
export function encodeCommands(commands: readonly TestCommand[]): Uint8Array {
  const writer = new ByteWriter();
  for (const command of commands) writeCommand(writer, command);
  return writer.take();
}

export function payloadOf(commands: readonly TestCommand[]): Uint8Array {
  const encoded = encodeCommands(commands);
  const payload = new Uint8Array(1 + encoded.length);
  payload[0] = payloadVersion;
  payload.set(encoded, 1);
  return payload;
}

/** The entry that `store` takes next. */
export function nextEntry(store: Store, payload: Uint8Array, kind: EntryKind = "commands"): Entry {
  return { index: store.appliedIndex + 1, term: 1, kind, payload, checksum: 0 };
}

/** Applies `commands` as one entry. */
export function apply(store: Store, ...commands: TestCommand[]): CommandResult[] {
  const writer = new ByteWriter();
  const payload = payloadOf(commands);
  store.apply(nextEntry(store, payload), writer);
  payload.fill(0xee); // the store keeps nothing of it
  const reader = new ByteReader(writer.peek());
  const results: CommandResult[] = [];
  while (reader.remaining > 0) results.push(readResult(reader));
  return results;
}

/** Applies one command as an entry of its own. */
export function applyOne(store: Store, command: TestCommand): CommandResult {
  const [result] = apply(store, command);
  if (result === undefined) throw new Error("a command without a result");
  return result;
}

export function get(store: Store, key: Bytes, revision: number | null = null): GetAnswer {
  const query = new ByteWriter();
  if (revision === null) writeGet(query, bytes(key));
  else writeGetAt(query, { key: bytes(key), revision });
  return readGetAnswer(read(store, query.take()));
}

export interface TestRange {
  readonly start?: Bytes;
  readonly end?: Bytes;
  readonly limit?: number;
  readonly keysOnly?: boolean;
  readonly revision?: number;
}

export function range(store: Store, options: TestRange = {}): RangeAnswer {
  const { start = "", end = null, limit = null, keysOnly = false, revision = null } = options;
  const query = new ByteWriter();
  writeRange(query, { start: bytes(start), end: end === null ? null : bytes(end), limit, keysOnly, revision });
  return readRangeAnswer(read(store, query.take()));
}

export function history(
  store: Store,
  key: Bytes,
  { below = null, limit = null }: { readonly below?: number | null; readonly limit?: number | null } = {},
): HistoryAnswer {
  const query = new ByteWriter();
  writeHistory(query, { key: bytes(key), below, limit });
  return readHistoryAnswer(read(store, query.take()));
}

export function leaseOf(
  store: Store,
  id: number,
  { limit = 10_000, start = "" }: { readonly limit?: number; readonly start?: Bytes } = {},
): LeaseAnswer {
  const query = new ByteWriter();
  writeLeaseQuery(query, { id, limit, start: bytes(start) });
  return readLeaseAnswer(read(store, query.take()));
}

export function leasesOf(store: Store, { after = 0, limit = 10_000 } = {}): LeasesAnswer {
  const query = new ByteWriter();
  writeLeasesQuery(query, { after, limit });
  return readLeasesAnswer(read(store, query.take()));
}

/** The keys of `answer`, each as one character for each byte. */
export function keysOf(answer: RangeAnswer): string[] {
  return answer.items.map((item) => keyText(item.key));
}

/** The answers to `queries`, one behind the other. */
export function read(store: Store, queries: Uint8Array): ByteReader {
  const answers = new ByteWriter();
  expect(store.read(queries, answers, { clock: { remainingMs: () => null }, answersBytesMax: Infinity })).toBe(
    "answered",
  );
  return new ByteReader(answers.take());
}

/** A state as a store keeps it. */
export function stored({ value, ...stamps }: KeyState): StoredState {
  return { ...stamps, slab: { bytes: value }, offset: 0, length: value.length };
}

/** A new store from the image of `store`, of the same state. */
export function reopened(store: Store): Store {
  const image = store.image();
  const copy = new Store();
  const sink = copy.restore(store.appliedIndex);
  for (let slice = image.next(50); slice !== null; slice = image.next(50)) sink.push(slice);
  sink.finish();
  expect(copy.stateHash()).toBe(store.stateHash());
  return copy;
}

/** What `run` throws, or null. */
export function thrown(run: () => void): unknown {
  try {
    run();
    return null;
  } catch (error) {
    return error;
  }
}
