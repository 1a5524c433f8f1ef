/**
 * The bytes of an image, the whole state of a store at one applied index. The same state has the same bytes on every node
 * (rule S7). Sections follow one another in rising order of their tags, each exactly once; one that is not known is refused,
 * because a state without it would be another state.
 *
 *     image        header, sections, end
 *     header       u32 magic, u32 format, u53 appliedIndex, u53 revision, u53 compactedRevision,
 *                  u53 floor of the sessions, u53 number of all answers ever saved, u53 number of all grants and renewals of leases
 *     section      u8 tag, u53 number of items, items
 *     1 settings   u8 number, u53 value, in the order of their numbers
 *     2 keys       the keys that exist, in the order of their bytes: stamp, key, value
 *     3 changes    since the compacted revision, from the newest to the oldest, each with the version that it replaced:
 *                  u8 flags (1: a delete, 2: it replaced nothing), u53 revision, stamp of the replaced version, key, its value
 *     4 answers    to requests with an id, in the order in which they were saved:
 *                  u8 sessionLength, u32 answerLength, u53 born, u53 seq, u53 forgotten, session, answer
 *     5 leases     in the order of their grants: u53 id, u53 ttlMs, u53 remainingMs, u53 renewal, u53 granted, u8 bound (0 or 1);
 *                  their keys are those of section 2 that name them
 *     stamp        u16 keyLength, u32 valueLength, u53 createRevision, u53 modRevision, u53 version, u53 lease
 *     end          u8 255, u53 number of items in all sections, u64 state hash, u32 CRC-32 of everything before it
 */
import type { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import { keyBytesMax, type KeyState, type StoredState } from "../wire/mod.ts";
import type { KeyPlace } from "./key_table.ts";
import type { LeaseState } from "./leases.ts";
import type { SessionItem } from "./sessions.ts";

export interface ImageHeader {
  readonly appliedIndex: number;
  readonly revision: number;
  readonly compactedRevision: number;
  readonly sessionFloor: number;
  readonly savedCount: number;
  readonly leaseCount: number;
}

/** An answer to a request with an id without the bytes of session and answer, which follow it. */
export interface AnswerHead extends Omit<SessionItem, "session" | "answer"> {
  readonly sessionLength: number;
  readonly answerLength: number;
}

/** A version of a key without the bytes of key and value, which follow it. */
export interface Stamp extends Omit<KeyState, "value"> {
  readonly keyLength: number;
  readonly valueLength: number;
}

/** What stands before the stamp of a change. */
export interface ChangeHead {
  readonly isDelete: boolean;
  readonly replacedNothing: boolean;
  readonly revision: number;
}

/** What an image says about itself at its end. */
export interface ImageEnd {
  readonly itemCount: number;
  readonly stateHash: string;
}

export const settingsSection = 1;
export const keysSection = 2;
export const changesSection = 3;
export const answersSection = 4;
export const leasesSection = 5;
/** In the order in which they come. */
export const sections = [settingsSection, keysSection, changesSection, answersSection, leasesSection] as const;
export const endSection = 255;

export const imageHeaderBytes = 4 + 4 + 6 * 8;
export const sectionHeadBytes = 1 + 8;
export const settingBytes = 1 + 8;
export const stampBytes = 2 + 4 + 4 * 8;
export const changeHeadBytes = 1 + 8;
export const answerHeadBytes = 1 + 4 + 3 * 8;
export const leaseBytes = 5 * 8 + 1;
/** Behind the tag and before the checksum. */
export const imageEndBytes = 8 + 8;

/** "prim": so that a file of something else is called that, and not an image of an unknown format. */
const magic = 0x7072696d;
/** A greater number means that a newer program made the image. */
const format = 2;

const flagDelete = 1;
const flagReplacedNothing = 2;

export function writeImageHeader(writer: ByteWriter, header: ImageHeader): void {
  writer.u32(magic);
  writer.u32(format);
  writer.u53(header.appliedIndex);
  writer.u53(header.revision);
  writer.u53(header.compactedRevision);
  writer.u53(header.sessionFloor);
  writer.u53(header.savedCount);
  writer.u53(header.leaseCount);
}

/** Throws {@link CorruptError}. */
export function readImageHeader(reader: ByteReader): ImageHeader {
  if (reader.u32() !== magic) throw new CorruptError("not an image of a store");
  const found = reader.u32();
  if (found !== format) throw new CorruptError(`an image of format ${found}, and this proa knows only ${format}`);
  return {
    appliedIndex: reader.u53(),
    revision: reader.u53(),
    compactedRevision: reader.u53(),
    sessionFloor: reader.u53(),
    savedCount: reader.u53(),
    leaseCount: reader.u53(),
  };
}

/** Appends a version: its stamp, key and value. */
export function writeVersion(writer: ByteWriter, key: KeyPlace, state: StoredState): void {
  const { slab, offset, length } = state;
  writer.u16(key.end - key.start);
  writer.u32(length);
  writer.u53(state.createRevision);
  writer.u53(state.modRevision);
  writer.u53(state.version);
  writer.u53(state.lease);
  writer.copy(key.bytes, key.start, key.end);
  writer.copy(slab.bytes, offset, offset + length);
}

/** A stamp that is filled in again for each version. */
export type StampDraft = { -readonly [Name in keyof Stamp]: Stamp[Name] };

export function emptyStamp(): StampDraft {
  return { keyLength: 0, valueLength: 0, createRevision: 0, modRevision: 0, version: 0, lease: 0 };
}

/** Fills in `stamp`, and returns how many bytes of key and value follow. Throws {@link CorruptError} when no store can hold such a key. */
export function readStamp(reader: ByteReader, stamp: StampDraft): number {
  stamp.keyLength = reader.u16();
  if (stamp.keyLength === 0 || stamp.keyLength > keyBytesMax)
    throw new CorruptError(`a key of ${stamp.keyLength} bytes`);
  stamp.valueLength = reader.u32();
  stamp.createRevision = reader.u53();
  stamp.modRevision = reader.u53();
  stamp.version = reader.u53();
  stamp.lease = reader.u53();
  return stamp.keyLength + stamp.valueLength;
}

const noStamp = { createRevision: 0, modRevision: 0, version: 0, lease: 0 };
const nothing: StoredState = { ...noStamp, slab: { bytes: new Uint8Array(0) }, offset: 0, length: 0 };

/** Appends a change with what it replaced. */
export function writeChange(
  writer: ByteWriter,
  key: KeyPlace,
  change: { readonly revision: number; readonly isDelete: boolean; readonly replaced: StoredState | null },
): void {
  writer.u8((change.isDelete ? flagDelete : 0) | (change.replaced === null ? flagReplacedNothing : 0));
  writer.u53(change.revision);
  writeVersion(writer, key, change.replaced ?? nothing);
}

/** Throws {@link CorruptError}. */
export function readChangeHead(reader: ByteReader): ChangeHead {
  const flags = reader.u8();
  if (flags > (flagDelete | flagReplacedNothing)) throw new CorruptError(`flags ${flags} of a change`);
  return {
    isDelete: (flags & flagDelete) !== 0,
    replacedNothing: (flags & flagReplacedNothing) !== 0,
    revision: reader.u53(),
  };
}

/** Appends an answer to a request with an id. */
export function writeAnswer(writer: ByteWriter, { session, answer, born, seq, forgotten }: SessionItem): void {
  writer.u8(session.length);
  writer.u32(answer.length);
  writer.u53(born);
  writer.u53(seq);
  writer.u53(forgotten);
  writer.latin1(session);
  writer.bytes(answer);
}

export function readAnswerHead(reader: ByteReader): AnswerHead {
  return {
    sessionLength: reader.u8(),
    answerLength: reader.u32(),
    born: reader.u53(),
    seq: reader.u53(),
    forgotten: reader.u53(),
  };
}

export function writeLeaseState(writer: ByteWriter, lease: LeaseState): void {
  writer.u53(lease.id);
  writer.u53(lease.ttlMs);
  writer.u53(lease.remainingMs);
  writer.u53(lease.renewal);
  writer.u53(lease.granted);
  writer.u8(lease.bound ? 1 : 0);
}

/** Throws {@link CorruptError}. */
export function readLeaseState(reader: ByteReader): LeaseState {
  const numbers = { id: reader.u53(), ttlMs: reader.u53(), remainingMs: reader.u53() };
  const counts = { renewal: reader.u53(), granted: reader.u53() };
  const bound = reader.u8();
  if (bound > 1) throw new CorruptError("a flag that is neither 0 nor 1");
  return { ...numbers, ...counts, bound: bound === 1 };
}

export function writeImageEnd(writer: ByteWriter, { itemCount, stateHash }: ImageEnd): void {
  writer.u53(itemCount);
  writer.u32(parseInt(stateHash.slice(0, 8), 16));
  writer.u32(parseInt(stateHash.slice(8), 16));
}

export function readImageEnd(reader: ByteReader): ImageEnd {
  return { itemCount: reader.u53(), stateHash: hex(reader.u32()) + hex(reader.u32()) };
}

function hex(word: number): string {
  return word.toString(16).padStart(8, "0");
}
