/**
 * The bytes of questions about leases, which only the leader answers, for only it knows how much time is left; and of
 * their answers.
 *
 *     lease                u53 id, u32 limit of keys, first key: to the end
 *     leases               u53 after grant, u32 limit
 *     answer               as in answer_codec; body for a lease: lease, u8 more, u32 count, keys: u16 length, key;
 *                          nothing if it was not found; body for leases: u53 all, u8 more, u32 count, leases
 *     lease in an answer   u53 id, u53 ttlMs, u53 remainingMs, u53 granted, u8 bound, u53 number of its keys
 */
import { assert } from "../lib/assert.ts";
import type { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import { boundProblem, refuse } from "./limits.ts";

export interface LeaseQuery {
  readonly kind: "lease";
  readonly id: number;
  /** The most keys in the answer. */
  readonly limit: number;
  /** Only keys from here on. */
  readonly start: Uint8Array;
}

export interface LeasesQuery {
  readonly kind: "leases";
  /** Only leases that were granted after this one; 0: from the first. */
  readonly after: number;
  /** The most leases in the answer. */
  readonly limit: number;
}

export interface LeaseView {
  readonly id: number;
  /** As granted. */
  readonly ttlMs: number;
  /** What is left of it by the clock of the leader; 0: it is about to end. */
  readonly remainingMs: number;
  /** The number of its grant, for the next page. */
  readonly granted: number;
  /** Whether it was granted with a put, and ends with its last key. */
  readonly bound: boolean;
  /** How many keys hang on it. */
  readonly keyCount: number;
}

export interface LeaseAnswer {
  /** Of the store. */
  readonly revision: number;
  /** Null: there is none. */
  readonly lease: LeaseView | null;
  /** In the order of their bytes. */
  readonly keys: readonly Uint8Array[];
  readonly more: boolean;
}

export interface LeasesAnswer {
  readonly revision: number;
  /** How many there are. */
  readonly count: number;
  /** In the order of their grants. */
  readonly leases: readonly LeaseView[];
  readonly more: boolean;
}

/** The most leases, or keys of one, in an answer. */
export const leasesPageMax = 10_000;

const statusOk = 0;
const statusNotFound = 1;

/** Appends the body of the query. Throws a {@link ProaError} when the bound is too long. */
export function writeLeaseBody(writer: ByteWriter, { id, limit, start }: Omit<LeaseQuery, "kind">): void {
  refuse(boundProblem("list the keys of a lease", "start", start.length));
  writer.u53(id);
  writer.u32(limit);
  writer.bytes(start);
}

export function writeLeasesBody(writer: ByteWriter, { after, limit }: Omit<LeasesQuery, "kind">): void {
  writer.u53(after);
  writer.u32(limit);
}

/** Reads the body of a query; bytes are views. Throws {@link CorruptError}. */
export function decodeLeaseBody(reader: ByteReader): LeaseQuery {
  return { kind: "lease", id: reader.u53(), limit: readLimit(reader), start: reader.bytes(reader.remaining) };
}

export function decodeLeasesBody(reader: ByteReader): LeasesQuery {
  const query = { kind: "leases", after: reader.u53(), limit: readLimit(reader) } as const;
  if (reader.remaining > 0) throw new CorruptError("bytes behind the end");
  return query;
}

function readLimit(reader: ByteReader): number {
  return Math.min(reader.u32(), leasesPageMax);
}

export function writeLeaseAnswer(writer: ByteWriter, answer: LeaseAnswer): void {
  const { lease, keys } = answer;
  const start = writer.length;
  writer.u32(0); // patched when the length is known
  writer.u8(lease === null ? statusNotFound : statusOk);
  writer.u53(answer.revision);
  if (lease !== null) {
    writeView(writer, lease);
    writer.u8(answer.more ? 1 : 0);
    writer.u32(keys.length);
    for (const key of keys) {
      writer.u16(key.length);
      writer.bytes(key);
    }
  } else assert(keys.length === 0, "no lease has no keys");
  writer.patchU32(start, writer.length - start - 4);
}

export function writeLeasesAnswer(writer: ByteWriter, answer: LeasesAnswer): void {
  const start = writer.length;
  writer.u32(0); // patched when the length is known
  writer.u8(statusOk);
  writer.u53(answer.revision);
  writer.u53(answer.count);
  writer.u8(answer.more ? 1 : 0);
  writer.u32(answer.leases.length);
  for (const lease of answer.leases) writeView(writer, lease);
  writer.patchU32(start, writer.length - start - 4);
}

function writeView(writer: ByteWriter, lease: LeaseView): void {
  writer.u53(lease.id);
  writer.u53(lease.ttlMs);
  writer.u53(lease.remainingMs);
  writer.u53(lease.granted);
  writer.u8(lease.bound ? 1 : 0);
  writer.u53(lease.keyCount);
}

/** Keys are views. Throws {@link CorruptError}. */
export function readLeaseAnswer(reader: ByteReader): LeaseAnswer {
  const end = endOf(reader);
  const status = reader.u8();
  const revision = reader.u53();
  if (status === statusNotFound) return ended({ revision, lease: null, keys: [], more: false }, reader, end);
  if (status !== statusOk) throw new CorruptError(`answer status ${status}, which a lease does not know`);
  const lease = readView(reader);
  const more = readFlag(reader);
  const count = reader.u32();
  const keys: Uint8Array[] = [];
  for (let i = 0; i < count; i++) keys.push(reader.bytes(reader.u16()));
  return ended({ revision, lease, keys, more }, reader, end);
}

/** Throws {@link CorruptError}. */
export function readLeasesAnswer(reader: ByteReader): LeasesAnswer {
  const end = endOf(reader);
  const status = reader.u8();
  if (status !== statusOk) throw new CorruptError(`answer status ${status}, which leases do not know`);
  const head = { revision: reader.u53(), count: reader.u53(), more: readFlag(reader) };
  const length = reader.u32();
  const leases: LeaseView[] = [];
  for (let i = 0; i < length; i++) leases.push(readView(reader));
  return ended({ ...head, leases }, reader, end);
}

function readView(reader: ByteReader): LeaseView {
  return {
    id: reader.u53(),
    ttlMs: reader.u53(),
    remainingMs: reader.u53(),
    granted: reader.u53(),
    bound: readFlag(reader),
    keyCount: reader.u53(),
  };
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw new CorruptError("a flag that is neither 0 nor 1");
  return flag === 1;
}

function endOf(reader: ByteReader): number {
  const length = reader.u32();
  return reader.position + length;
}

function ended<Answer>(answer: Answer, reader: ByteReader, end: number): Answer {
  if (reader.position !== end) throw new CorruptError("an answer that does not fill its length");
  return answer;
}
