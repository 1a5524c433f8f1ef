/**
 * The bytes of queries. How a query is answered is not known here; answer_codec has the bytes of that.
 *
 *     query             u8 kind, u32 bodyLength, body
 *     get               key
 *     get at a revision u53 revision, key
 *     range             u8 flags, [u53 revision] u32 limit, u16 startLength, start, u16 endLength, end
 *     history           u53 below, u32 limit, key
 *     settings          nothing
 *     lease, leases     as lease_query_codec says
 *     changes           as changes_codec says
 */
import { assert } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import { changesProblem, decodeChangesBody, writeChangesBody } from "./changes_codec.ts";
import type { ChangesQuery } from "./changes_codec.ts";
import type { KeyRange } from "./command_codec.ts";
import { decodeLeaseBody, decodeLeasesBody, writeLeaseBody, writeLeasesBody } from "./lease_query_codec.ts";
import type { LeaseQuery, LeasesQuery } from "./lease_query_codec.ts";
import type { Refused } from "./limits.ts";
import { boundProblem, keyProblem, refuse } from "./limits.ts";

export type Query = GetQuery | RangeQuery | HistoryQuery | SettingsQuery | LeaseQuery | LeasesQuery | ChangesQuery;

export interface GetQuery {
  readonly kind: "get";
  readonly key: Uint8Array;
  /** The key as it was at this revision; null: as it is. */
  readonly revision: number | null;
}

export interface RangeQuery extends KeyRange {
  readonly kind: "range";
  /** The keys as they were at this revision; null: as they are. */
  readonly revision: number | null;
  /** The most items in the answer; null: as many as fit. */
  readonly limit: number | null;
  /** Leaves the values out: they come back empty. */
  readonly keysOnly: boolean;
}

/** All versions of a key that can be read, the newest first. */
export interface HistoryQuery {
  readonly kind: "history";
  readonly key: Uint8Array;
  /** Only versions of revisions below this one; null: all. */
  readonly below: number | null;
  /** The most versions in the answer; null: as many as fit. */
  readonly limit: number | null;
}

/** The settings of the cluster. */
export interface SettingsQuery {
  readonly kind: "settings";
}

const kindGet = 1;
const kindRange = 2;
const kindGetAt = 3;
const kindHistory = 4;
const kindSettings = 5;
const kindLease = 6;
const kindLeases = 7;
const kindChanges = 16;
const flagKeysOnly = 1;
const flagRevision = 2;
/** Before the body. */
export const queryHeaderBytes = 5;
const u32Max = 0xffff_ffff;

/** Throws a {@link ProaError} when the key is empty or too long. */
export function writeGet(writer: ByteWriter, key: Uint8Array): void {
  refuse(keyProblem("get", key.length));
  writer.u8(kindGet);
  writer.u32(key.length);
  writer.bytes(key);
}

/** As {@link writeGet}, for the key as it was at `revision`; null: as it is. */
export function writeGetAt(writer: ByteWriter, query: Omit<GetQuery, "kind">): void {
  const { key, revision } = query;
  if (revision === null) return writeGet(writer, key);
  refuse(keyProblem("get", key.length));
  writer.u8(kindGetAt);
  writer.u32(8 + key.length);
  writer.u53(revision);
  writer.bytes(key);
}

/** A range to ask for; without a revision: as it is. */
export type RangeRequest = Omit<RangeQuery, "kind" | "revision"> & { readonly revision?: number | null };

/** Throws a {@link ProaError} when a bound is too long. */
export function writeRange(writer: ByteWriter, query: RangeRequest): void {
  const { start, end, limit, keysOnly, revision = null } = query;
  assert(limit === null || limit > 0, "the limit of a range is positive or null");
  const endLength = end?.length ?? 0;
  refuse(boundProblem("list", "start", start.length));
  refuse(boundProblem("list", "end", endLength));
  writer.u8(kindRange);
  writer.u32(1 + (revision === null ? 0 : 8) + 4 + 2 + start.length + 2 + endLength);
  writer.u8((keysOnly ? flagKeysOnly : 0) | (revision === null ? 0 : flagRevision));
  if (revision !== null) writer.u53(revision);
  writer.u32(Math.min(limit ?? 0, u32Max));
  writer.u16(start.length);
  writer.bytes(start);
  writer.u16(endLength);
  if (end !== null) writer.bytes(end);
}

/** Throws a {@link ProaError} when the key is empty or too long. */
export function writeHistory(writer: ByteWriter, query: Omit<HistoryQuery, "kind">): void {
  const { key, below, limit } = query;
  assert(limit === null || limit > 0, "the limit of a history is positive or null");
  refuse(keyProblem("read the history", key.length));
  writer.u8(kindHistory);
  writer.u32(8 + 4 + key.length);
  writer.u53(below ?? 0);
  writer.u32(Math.min(limit ?? 0, u32Max));
  writer.bytes(key);
}

export function writeSettingsQuery(writer: ByteWriter): void {
  writer.u8(kindSettings);
  writer.u32(0);
}

/** Throws a {@link ProaError} when the bound is too long. */
export function writeLeaseQuery(writer: ByteWriter, query: Omit<LeaseQuery, "kind">): void {
  writer.u8(kindLease);
  writer.u32(8 + 4 + query.start.length);
  writeLeaseBody(writer, query);
}

export function writeLeasesQuery(writer: ByteWriter, query: Omit<LeasesQuery, "kind">): void {
  writer.u8(kindLeases);
  writer.u32(8 + 4);
  writeLeasesBody(writer, query);
}

/** Whether the query that begins at `start` asks for a key as it is. */
export function isPlainGet(queries: Uint8Array, start: number): boolean {
  return queries[start] === kindGet;
}

/** Whether the query that begins at `start` asks what only a leader knows: how much time is left. */
export function asksForTime(queries: Uint8Array, start: number): boolean {
  return queries[start] === kindLease || queries[start] === kindLeases;
}

/** Throws a {@link ProaError} when a bound is too long. */
export function writeChanges(writer: ByteWriter, query: Omit<ChangesQuery, "kind">): void {
  writer.u8(kindChanges);
  const start = writer.length;
  writer.u32(0); // patched when the length is known
  writeChangesBody(writer, query);
  writer.patchU32(start, writer.length - start - 4);
}

/** The lowest bound above all keys that start with `prefix`; null: none, so that the range has no upper end. */
export function prefixEnd(prefix: Uint8Array): Uint8Array | null {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return null;
  const end = new Uint8Array(prefix.subarray(0, length));
  end[length - 1] = (end[length - 1] ?? 0) + 1;
  return end;
}

/** Reads exactly one query; its bytes are views. Throws {@link CorruptError}. Limits are not checked. */
export function decodeQuery(query: Uint8Array): Query {
  if (queryEnd(query, 0) !== query.length) throw new CorruptError("bytes behind the end");
  const body = query.subarray(queryHeaderBytes);
  const kind = query[0];
  if (kind === kindGet) return { kind: "get", key: body, revision: null };
  const reader = new ByteReader(body);
  switch (kind) {
    case kindRange:
      return decodeRange(reader);
    case kindGetAt:
      return { kind: "get", revision: reader.u53(), key: reader.bytes(reader.remaining) };
    case kindHistory:
      return {
        kind: "history",
        below: reader.u53() || null,
        limit: reader.u32() || null,
        key: reader.bytes(reader.remaining),
      };
    case kindSettings:
      if (body.length > 0) throw new CorruptError("a question for settings that says more");
      return { kind: "settings" };
    case kindLease:
      return decodeLeaseBody(reader);
    case kindLeases:
      return decodeLeasesBody(reader);
    case kindChanges:
      return decodeChangesBody(reader);
    default:
      throw new CorruptError(`kind ${kind}, which is not known`);
  }
}

function decodeRange(reader: ByteReader): RangeQuery {
  const flags = reader.u8();
  if (flags > (flagKeysOnly | flagRevision)) throw new CorruptError(`flags ${flags}, which a range does not know`);
  const revision = (flags & flagRevision) === 0 ? null : reader.u53();
  const limit = reader.u32();
  const start = reader.bytes(reader.u16());
  const end = reader.bytes(reader.u16());
  if (reader.remaining > 0) throw new CorruptError("bytes behind the end");
  return {
    kind: "range",
    revision,
    keysOnly: (flags & flagKeysOnly) !== 0,
    limit: limit || null,
    start,
    end: end.length === 0 ? null : end,
  };
}

/** Where the query ends that begins at `start`. By hand, because a reader for each query would cost as much as a get. Throws {@link CorruptError}. */
export function queryEnd(queries: Uint8Array, start: number): number {
  const high = (queries[start + 1] ?? 0) * 0x100_0000 + (queries[start + 2] ?? 0) * 0x1_0000;
  const bodyLength = high + (queries[start + 3] ?? 0) * 0x100 + (queries[start + 4] ?? 0);
  const end = start + queryHeaderBytes + bodyLength;
  if (end > queries.length) throw new CorruptError("truncated");
  return end;
}

/** What is wrong with a query; null if nothing. */
export function queryProblem(query: Query): Refused | null {
  switch (query.kind) {
    case "get":
      return keyProblem("get", query.key.length);
    case "range":
      return boundProblem("list", "start", query.start.length) ?? boundProblem("list", "end", query.end?.length ?? 0);
    case "history":
      return keyProblem("read the history", query.key.length);
    case "lease":
      return boundProblem("list the keys of a lease", "start", query.start.length);
    case "settings":
    case "leases":
      return null;
    case "changes":
      return changesProblem(query);
  }
}
