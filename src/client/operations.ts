/** The commands and queries of the client library: what each sends, and what its answer holds. */
import type { ByteReader } from "../lib/byte_reader.ts";
import {
  boundProblem,
  defaultCommandLimits,
  keyProblem,
  readGetAnswer,
  readHistoryAnswer,
  readRangeAnswer,
  readResult,
  ttlProblem,
  valueProblem,
  writeDelete,
  writeDeleteRange,
  writeGetAt,
  writeHistory,
  writePut,
  writeRange,
} from "../wire/mod.ts";
import type {
  CommandResult,
  DeleteCommand,
  HistoryQuery,
  KeyRange,
  PutCommand,
  RangeRequest,
  Refused,
} from "../wire/mod.ts";
import type { Operation } from "./frame.ts";
import { shownKey } from "./key_text.ts";
import { KeyValue } from "./key_value.ts";
import { NotAppliedError } from "./outcomes.ts";

/**
 * `linearizable`: as new as every write acknowledged before. `lease`: the same as long as no clock runs wild, in less time.
 * `stale`: what the node that is asked has applied.
 */
export type Consistency = "linearizable" | "lease" | "stale";

/** Bytes of a command or query besides keys and values, roughly. */
const overheadBytes = 32;
/** What a query counts for: its answer, more than itself, is what takes room. */
const getBytes = 256;
const rangeBytes = 64 * 1024;

export function putOperation(command: PutCommand): Operation<CommandResult> {
  const { key, value } = command;
  const doing = `put ${shownKey(key)}`;
  check(keyProblem("put", key.length) ?? valueProblem("put", value.length, defaultCommandLimits));
  if (command.ttlMs !== undefined) check(ttlProblem("put", command.ttlMs));
  return write(doing, key.length + value.length, (writer) => {
    writePut(writer, command);
  });
}

export function deleteOperation(command: DeleteCommand): Operation<CommandResult> {
  const { key } = command;
  check(keyProblem("delete", key.length));
  return write(`delete ${shownKey(key)}`, key.length, (writer) => {
    writeDelete(writer, command);
  });
}

export function deleteRangeOperation(range: KeyRange): Operation<CommandResult> {
  checkRange("delete", range);
  return write("delete a range of keys", range.start.length + (range.end?.length ?? 0), (writer) => {
    writeDeleteRange(writer, range);
  });
}

/** `revision` null: the key as it is. */
export function getOperation(
  key: Uint8Array,
  { consistency, revision }: { readonly consistency: Consistency; readonly revision: number | null },
): Operation<KeyValue | null> {
  check(keyProblem("get", key.length));
  return {
    kind: "read",
    consistency,
    doing: `get ${shownKey(key)}`,
    bytes: getBytes + key.length,
    encode: (writer) => {
      writeGetAt(writer, { key, revision });
    },
    decode: (reader) => {
      const { state } = readGetAnswer(reader);
      return state === null ? null : new KeyValue(key, state.value.slice(), state);
    },
  };
}

/** One page of a range, in the order of the keys. */
export interface RangePage {
  /** The revision of the store at which it was read. */
  readonly revision: number;
  readonly items: readonly KeyValue[];
  /** The start of the page that follows; null on the last one. */
  readonly next: Uint8Array | null;
}

export function rangeOperation(query: RangeRequest, consistency: Consistency): Operation<RangePage> {
  checkRange("list", query);
  return {
    kind: "read",
    consistency,
    doing: "list keys",
    bytes: rangeBytes,
    encode: (writer) => {
      writeRange(writer, query);
    },
    decode: readPage,
  };
}

function readPage(reader: ByteReader): RangePage {
  const { revision, more, items } = readRangeAnswer(reader);
  const copies = items.map(({ key, state }) => new KeyValue(key.slice(), state.value.slice(), state));
  const last = copies.at(-1);
  return { revision, items: copies, next: more && last !== undefined ? successor(last.key) : null };
}

/** A key as it was from one revision on. */
export interface KeyVersion {
  /** The revision that made it so. */
  readonly revision: number;
  /** Null: it was deleted. */
  readonly item: KeyValue | null;
}

/** One page of the versions of a key. */
export interface HistoryPage {
  /** The revision of the store at which it was read. */
  readonly revision: number;
  /** What was before this revision is compacted. */
  readonly compactedRevision: number;
  /** The newest first. */
  readonly versions: readonly KeyVersion[];
  /** What the page that follows must be below; null on the last one. */
  readonly below: number | null;
}

/** `query` with its limits checked. */
export function historyOperation(query: Omit<HistoryQuery, "kind">, consistency: Consistency): Operation<HistoryPage> {
  const { key } = query;
  check(keyProblem("read the history", key.length));
  return {
    kind: "read",
    consistency,
    doing: `read the history of ${shownKey(key)}`,
    bytes: rangeBytes,
    encode: (writer) => {
      writeHistory(writer, query);
    },
    decode: (reader) => {
      const { revision, compactedRevision, more, versions: states } = readHistoryAnswer(reader);
      const versions = states.map((state) => ({
        revision: state.modRevision,
        item: state.version === 0 ? null : new KeyValue(key, state.value.slice(), state),
      }));
      return { revision, compactedRevision, versions, below: more ? (versions.at(-1)?.revision ?? null) : null };
    },
  };
}

/** The lowest key above `key`. */
function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

function write(doing: string, bytes: number, encode: Operation<unknown>["encode"]): Operation<CommandResult> {
  return {
    kind: "write",
    consistency: "linearizable",
    doing,
    bytes: overheadBytes + bytes,
    encode,
    decode: readResult,
  };
}

function checkRange(action: string, { start, end }: KeyRange): void {
  check(boundProblem(action, "start", start.length) ?? boundProblem(action, "end", end?.length ?? 0));
}

/** What no node would take is refused before it travels. */
function check(problem: Refused | null): void {
  if (problem !== null) throw new NotAppliedError(problem.code, problem.message);
}
