/**
 * The bytes of queries and of their answers. How a query is answered is not known here.
 *
 *     query             u8 kind, u32 bodyLength, body
 *     get               key
 *     range             u8 flags, u32 limit, u16 startLength, start, u16 endLength, end
 *     answer            u32 length of what follows, u8 status, u53 revision of the store, body
 *     body for a get    key state, value; nothing if the key was not found
 *     body for a range  u8 more, u32 count, items: u16 keyLength, key, key state, u32 valueLength, value
 *     key state         u53 createRevision, u53 modRevision, u53 version, u53 lease
 */
import { assert } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import type { KeyRange } from "./command_codec.ts";
import type { BatchCheck, Refused } from "./limits.ts";
import { boundProblem, keyProblem, refuse, refused } from "./limits.ts";

export type Query = GetQuery | RangeQuery;

export interface GetQuery {
  readonly kind: "get";
  readonly key: Uint8Array;
}

export interface RangeQuery extends KeyRange {
  readonly kind: "range";
  /** The most items in the answer; null: as many as fit. */
  readonly limit: number | null;
  /** Leaves the values out: they come back empty. */
  readonly keysOnly: boolean;
}

/** One key as the store has it. */
export interface KeyState {
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  /** How many puts made it what it is, since it was created. */
  readonly version: number;
  /** The lease it hangs on; 0: none. */
  readonly lease: number;
}

export interface GetAnswer {
  /** Of the store. */
  readonly revision: number;
  /** Null: there is no such key. */
  readonly state: KeyState | null;
}

export interface RangeAnswer {
  /** Of the store. */
  readonly revision: number;
  /** Whether the limit of the query or {@link rangeAnswerBytesMax} cut the answer short: the next page starts behind the last key. */
  readonly more: boolean;
  /** In the order of their keys. */
  readonly items: readonly RangeItem[];
}

export interface RangeItem {
  readonly key: Uint8Array;
  readonly state: KeyState;
}

/** A range is answered in pages of at most this size, or of one item that alone is larger. */
export const rangeAnswerBytesMax = 8 * 1024 * 1024;

/** Bytes of an item of a range besides its key and value. */
const itemOverheadBytes = 2 + 32 + 4;

const kindGet = 1;
const kindRange = 2;
const flagKeysOnly = 1;
const queryHeaderBytes = 5;
const u32Max = 0xffff_ffff;

/** Throws a {@link ProaError} when the key is empty or too long. */
export function writeGet(writer: ByteWriter, key: Uint8Array): void {
  refuse(keyProblem("get", key.length));
  writer.u8(kindGet);
  writer.u32(key.length);
  writer.bytes(key);
}

/** Throws a {@link ProaError} when a bound is too long. */
export function writeRange(writer: ByteWriter, query: Omit<RangeQuery, "kind">): void {
  const { start, end, limit, keysOnly } = query;
  assert(limit === null || limit > 0, "the limit of a range is positive or null");
  const endLength = end?.length ?? 0;
  refuse(boundProblem("list", "start", start.length));
  refuse(boundProblem("list", "end", endLength));
  writer.u8(kindRange);
  writer.u32(1 + 4 + 2 + start.length + 2 + endLength);
  writer.u8(keysOnly ? flagKeysOnly : 0);
  writer.u32(Math.min(limit ?? 0, u32Max));
  writer.u16(start.length);
  writer.bytes(start);
  writer.u16(endLength);
  if (end !== null) writer.bytes(end);
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
  if (queryEnd(query) !== query.length) throw new CorruptError("bytes behind the end");
  const body = query.subarray(queryHeaderBytes);
  if (query[0] === kindGet) return { kind: "get", key: body };
  if (query[0] !== kindRange) throw new CorruptError(`kind ${query[0]}, which is not known`);
  const reader = new ByteReader(body);
  const flags = reader.u8();
  if (flags > flagKeysOnly) throw new CorruptError(`flags ${flags}, which a range does not know`);
  const limit = reader.u32();
  const start = reader.bytes(reader.u16());
  const end = reader.bytes(reader.u16());
  expectEnd(reader);
  return {
    kind: "range",
    keysOnly: flags === flagKeysOnly,
    limit: limit || null,
    start,
    end: end.length === 0 ? null : end,
  };
}

/** The first of `queries`, which lie back to back, as a view. Throws {@link CorruptError} when it is not whole. */
export function firstQuery(queries: Uint8Array): Uint8Array {
  return queries.subarray(0, queryEnd(queries));
}

/** Where the first of `queries` ends. By hand, because a reader for each query would cost as much as a get. */
function queryEnd(queries: Uint8Array): number {
  const byte = (offset: number): number => queries[offset] ?? 0;
  const bodyLength = byte(1) * 0x100_0000 + byte(2) * 0x1_0000 + byte(3) * 0x100 + byte(4);
  const end = queryHeaderBytes + bodyLength;
  if (end > queries.length) throw new CorruptError("truncated");
  return end;
}

/** Checks queries where they enter: format, limits, and that there is one. */
export function validateQueries(queries: Uint8Array): BatchCheck {
  let count = 0;
  try {
    for (let rest = queries; rest.length > 0; count++) {
      const query = firstQuery(rest);
      const problem = queryProblem(decodeQuery(query));
      if (problem !== null) return problem;
      rest = rest.subarray(query.length);
    }
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    return refused("INVALID_REQUEST", `Cannot read query ${count + 1} of the request: ${error.message}`);
  }
  if (count === 0) return refused("INVALID_REQUEST", "Cannot read: the request holds no query");
  return { ok: true, count };
}

function queryProblem(query: Query): Refused | null {
  switch (query.kind) {
    case "get":
      return keyProblem("get", query.key.length);
    case "range":
      return boundProblem("list", "start", query.start.length) ?? boundProblem("list", "end", query.end?.length ?? 0);
  }
}

/** Appends the answer to a get. */
export function writeGetAnswer(writer: ByteWriter, answer: GetAnswer): void {
  const { state } = answer;
  writer.u32(9 + (state === null ? 0 : 32 + state.value.length));
  writer.u8(state === null ? 1 : 0);
  writer.u53(answer.revision);
  if (state === null) return;
  writeKeyState(writer, state);
  writer.bytes(state.value);
}

/** The bytes that an item takes in the answer to a range. */
export function rangeItemBytes(item: { readonly keyLength: number; readonly valueLength: number }): number {
  return itemOverheadBytes + item.keyLength + item.valueLength;
}

/** Appends the answer to a range; values are left out if `keysOnly`. */
export function writeRangeAnswer(
  writer: ByteWriter,
  answer: RangeAnswer,
  options: { readonly keysOnly: boolean },
): void {
  const start = writer.length;
  writer.u32(0); // patched when the length is known
  writer.u8(0);
  writer.u53(answer.revision);
  writer.u8(answer.more ? 1 : 0);
  writer.u32(answer.items.length);
  for (const { key, state } of answer.items) {
    writer.u16(key.length);
    writer.bytes(key);
    writeKeyState(writer, state);
    writer.u32(options.keysOnly ? 0 : state.value.length);
    if (!options.keysOnly) writer.bytes(state.value);
  }
  writer.patchU32(start, writer.length - start - 4);
}

function writeKeyState(writer: ByteWriter, state: KeyState): void {
  writer.u53(state.createRevision);
  writer.u53(state.modRevision);
  writer.u53(state.version);
  writer.u53(state.lease);
}

/** Reads the answer to a get; the value is a view. Throws {@link CorruptError}. */
export function readGetAnswer(reader: ByteReader): GetAnswer {
  const body = answerBody(reader);
  const status = body.u8();
  if (status > 1) throw new CorruptError(`answer status ${status}, which is not known`);
  const revision = body.u53();
  const state = status === 1 ? null : { ...readStamps(body), value: body.bytes(body.remaining) };
  expectEnd(body);
  return { revision, state };
}

/** Reads the answer to a range; keys and values are views. Throws {@link CorruptError}. */
export function readRangeAnswer(reader: ByteReader): RangeAnswer {
  const body = answerBody(reader);
  const status = body.u8();
  if (status !== 0) throw new CorruptError(`answer status ${status}, which a range does not know`);
  const revision = body.u53();
  const more = body.u8();
  if (more > 1) throw new CorruptError("a flag that is neither 0 nor 1");
  const count = body.u32();
  const items: RangeItem[] = [];
  for (let i = 0; i < count; i++) {
    const key = body.bytes(body.u16());
    items.push({ key, state: { ...readStamps(body), value: body.bytes(body.u32()) } });
  }
  expectEnd(body);
  return { revision, more: more === 1, items };
}

function answerBody(reader: ByteReader): ByteReader {
  return new ByteReader(reader.bytes(reader.u32()));
}

function readStamps(reader: ByteReader): Omit<KeyState, "value"> {
  return { createRevision: reader.u53(), modRevision: reader.u53(), version: reader.u53(), lease: reader.u53() };
}

function expectEnd(reader: ByteReader): void {
  if (reader.remaining > 0) throw new CorruptError("bytes behind the end");
}
