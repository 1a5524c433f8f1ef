/**
 * The bytes of the query that watches are made of, and of its answer: the changes of a range from a revision on, in
 * portions. Whoever asks keeps the place; the node that answers keeps nothing.
 *
 *     changes            u8 flags, u53 revision, u32 skip, u16 startLength, start, u16 endLength, end
 *     answer             as in answer_codec; body: u53 next revision, u32 next skip, u32 count, changes
 *     change             u8 hasPrevious, u16 keyLength, key, version, [version before]
 *     version            u53 createRevision, u53 modRevision, u53 version, u53 lease, u32 valueLength, value
 */
import { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError, ProaError } from "../lib/errors.ts";
import type { KeyState } from "./answer_codec.ts";
import type { KeyRange } from "./command_codec.ts";
import { boundProblem, refuse } from "./limits.ts";
import type { Refused } from "./limits.ts";

/** Where somebody who reads changes is: all before it was read. */
export interface ChangesPlace {
  readonly revision: number;
  /** How many changes of `revision` were read already; a revision is cut where it is too large for one answer. */
  readonly skip: number;
}

export interface ChangesQuery extends KeyRange {
  readonly kind: "changes";
  readonly from: ChangesPlace;
  /** Only puts, or only deletes; null: both. */
  readonly only: "put" | "delete" | null;
  /** Whether each change comes with the version that it replaced. */
  readonly previous: boolean;
}

/** One key that was put or deleted. */
export interface Change {
  readonly key: Uint8Array;
  /** What it became; a version of 0 means that it was deleted at the mod revision. */
  readonly state: KeyState;
  /** What it was before; null where it did not exist, where that is compacted, or where nobody asked. */
  readonly previous: KeyState | null;
}

export interface ChangesAnswer {
  /** Of the store that answered. */
  readonly revision: number;
  /** Where to go on. Behind `revision`: nothing is missing. */
  readonly next: ChangesPlace;
  /** In the order of their revisions. */
  readonly changes: readonly Change[];
}

/** An answer ends once it holds so much, be it in the middle of a revision. Bytes. */
export const changesAnswerBytesMax = 1024 * 1024;
/** How many changes are looked at for one answer: what a query may cost that finds little. */
export const changesScanMax = 10_000;

const flagPrevious = 1;
const flagPuts = 2;
const flagDeletes = 4;
const statusOk = 0;
const statusCompacted = 2;

/** Appends the body of the query. Throws a {@link ProaError} when a bound is too long. */
export function writeChangesBody(writer: ByteWriter, query: Omit<ChangesQuery, "kind">): void {
  const { from, only, previous, start, end } = query;
  refuse(changesProblem(query));
  writer.u8((previous ? flagPrevious : 0) | (only === "put" ? flagPuts : only === "delete" ? flagDeletes : 0));
  writer.u53(from.revision);
  writer.u32(from.skip);
  writer.u16(start.length);
  writer.bytes(start);
  writer.u16(end?.length ?? 0);
  if (end !== null) writer.bytes(end);
}

/** Reads the body of the query; bounds are views. Throws {@link CorruptError}. */
export function decodeChangesBody(reader: ByteReader): ChangesQuery {
  const flags = reader.u8();
  if (flags >> 1 > 2) throw new CorruptError(`flags ${flags}, which changes do not know`);
  const from = { revision: reader.u53(), skip: reader.u32() };
  const start = reader.bytes(reader.u16());
  const end = reader.bytes(reader.u16());
  if (reader.remaining > 0) throw new CorruptError("bytes behind the end");
  const previous = (flags & flagPrevious) !== 0;
  return { kind: "changes", from, only: onlyOf(flags), previous, start, end: end.length === 0 ? null : end };
}

function onlyOf(flags: number): ChangesQuery["only"] {
  return (flags & flagPuts) !== 0 ? "put" : (flags & flagDeletes) !== 0 ? "delete" : null;
}

export function changesProblem({ start, end }: KeyRange): Refused | null {
  return boundProblem("watch", "start", start.length) ?? boundProblem("watch", "end", end?.length ?? 0);
}

/** About what a change takes in an answer. Bytes. */
export function changeBytes({ key, state, previous }: Change): number {
  return 40 + key.length + state.value.length + (previous === null ? 0 : 36 + previous.value.length);
}

export function writeChangesAnswer(writer: ByteWriter, answer: ChangesAnswer): void {
  const start = writer.length;
  writer.u32(0); // patched when the length is known
  writer.u8(statusOk);
  writer.u53(answer.revision);
  writer.u53(answer.next.revision);
  writer.u32(answer.next.skip);
  writer.u32(answer.changes.length);
  for (const { key, state, previous } of answer.changes) {
    writer.u8(previous === null ? 0 : 1);
    writer.u16(key.length);
    writer.bytes(key);
    writeVersion(writer, state);
    if (previous !== null) writeVersion(writer, previous);
  }
  writer.patchU32(start, writer.length - start - 4);
}

function writeVersion(writer: ByteWriter, { createRevision, modRevision, version, lease, value }: KeyState): void {
  writer.u53(createRevision);
  writer.u53(modRevision);
  writer.u53(version);
  writer.u53(lease);
  writer.u32(value.length);
  writer.bytes(value);
}

/** What an answer says before its changes. */
export interface ChangesSummary {
  readonly revision: number;
  readonly next: ChangesPlace;
  readonly count: number;
}

/** Reads the beginning of an answer. Throws {@link CorruptError}, and COMPACTED where changes are missing. */
export function readChangesSummary(answer: Uint8Array): ChangesSummary {
  return summaryOf(answerBody(answer));
}

/** Reads an answer; keys and values are views. Throws as {@link readChangesSummary}. */
export function readChangesAnswer(answer: Uint8Array): ChangesAnswer {
  const body = answerBody(answer);
  const { revision, next, count } = summaryOf(body);
  const changes: Change[] = [];
  for (let i = 0; i < count; i++) {
    const hasPrevious = body.u8();
    if (hasPrevious > 1) throw new CorruptError("a flag that is neither 0 nor 1");
    const key = body.bytes(body.u16());
    const state = readVersion(body);
    changes.push({ key, state, previous: hasPrevious === 1 ? readVersion(body) : null });
  }
  if (body.remaining > 0) throw new CorruptError("bytes behind the end");
  return { revision, next, changes };
}

function answerBody(answer: Uint8Array): ByteReader {
  const reader = new ByteReader(answer);
  if (reader.u32() !== reader.remaining) throw new CorruptError("an answer that does not fill its length");
  return reader;
}

function summaryOf(body: ByteReader): ChangesSummary {
  const status = body.u8();
  const revision = body.u53();
  if (status === statusCompacted) throw compacted({ asked: body.u53(), compactedRevision: body.u53() });
  if (status !== statusOk) throw new CorruptError(`answer status ${status}, which changes do not know`);
  return { revision, next: { revision: body.u53(), skip: body.u32() }, count: body.u32() };
}

function readVersion(body: ByteReader): KeyState {
  const createRevision = body.u53();
  const modRevision = body.u53();
  const version = body.u53();
  const lease = body.u53();
  return { createRevision, modRevision, version, lease, value: body.bytes(body.u32()) };
}

function compacted({ asked, compactedRevision }: { asked: number; compactedRevision: number }): ProaError {
  const reason = `the changes up to revision ${compactedRevision} are compacted`;
  return new ProaError("COMPACTED", `Cannot watch from revision ${asked}: ${reason}`, {
    hint: `read the keys as they are now, then watch from the revision behind that; ${compactedRevision + 1} is the oldest`,
    revision: compactedRevision,
  });
}
