/**
 * The bytes of an image, the whole state of a store at one applied index. The same state has the same bytes on every node
 * (rule S7). Sections follow one another in rising order of their tags, each at most once; one that is not known is refused,
 * because a state without it would be another state.
 *
 *     image     header, sections, end
 *     header    u32 magic, u32 format, u53 appliedIndex, u53 revision, u53 keyCount
 *     section   u8 tag, content; tag 1 are the keys: as many records as the header says, in the order of their bytes
 *     record    u16 keyLength, u32 valueLength, u53 createRevision, u53 modRevision, u53 version, u53 lease, key, value
 *     end       u8 255, u53 number of records in all sections, u64 state hash, u32 CRC-32 of everything before it
 */
import type { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import { type KeyState, keyBytes, keyBytesMax } from "../wire/mod.ts";
import type { ViewedState } from "./key_view.ts";

export interface ImageHeader extends Omit<ViewedState, "stateHash"> {
  readonly appliedIndex: number;
}

/** A record without the bytes of its key and value, which follow it. */
export interface RecordHead extends Omit<KeyState, "value"> {
  readonly keyLength: number;
  readonly valueLength: number;
}

/** What an image says about itself at its end. */
export interface ImageEnd {
  readonly recordCount: number;
  readonly stateHash: string;
}

export const keysSection = 1;
export const endSection = 255;

export const imageHeaderBytes = 4 + 4 + 3 * 8;
export const recordHeadBytes = 2 + 4 + 4 * 8;
/** Behind the tag and before the checksum. */
export const imageEndBytes = 8 + 8;

/** "prim": so that a file of something else is called that, and not an image of an unknown format. */
const magic = 0x7072696d;
/** A greater number means that a newer program made the image. */
const format = 1;

export function writeImageHeader(writer: ByteWriter, { appliedIndex, revision, keyCount }: ImageHeader): void {
  writer.u32(magic);
  writer.u32(format);
  writer.u53(appliedIndex);
  writer.u53(revision);
  writer.u53(keyCount);
}

/** Throws {@link CorruptError}. */
export function readImageHeader(reader: ByteReader): ImageHeader {
  if (reader.u32() !== magic) throw new CorruptError("not an image of a store");
  const found = reader.u32();
  if (found !== format) throw new CorruptError(`an image of format ${found}, and this proa knows only ${format}`);
  return { appliedIndex: reader.u53(), revision: reader.u53(), keyCount: reader.u53() };
}

export function writeRecord(writer: ByteWriter, key: string, state: KeyState): void {
  writer.u16(key.length);
  writer.u32(state.value.length);
  writer.u53(state.createRevision);
  writer.u53(state.modRevision);
  writer.u53(state.version);
  writer.u53(state.lease);
  writer.bytes(keyBytes(key));
  writer.bytes(state.value);
}

/** Throws {@link CorruptError} when no store can hold such a key. */
export function readRecordHead(reader: ByteReader): RecordHead {
  const keyLength = reader.u16();
  if (keyLength === 0 || keyLength > keyBytesMax) throw new CorruptError(`a key of ${keyLength} bytes`);
  return {
    keyLength,
    valueLength: reader.u32(),
    createRevision: reader.u53(),
    modRevision: reader.u53(),
    version: reader.u53(),
    lease: reader.u53(),
  };
}

export function writeImageEnd(writer: ByteWriter, { recordCount, stateHash }: ImageEnd): void {
  writer.u53(recordCount);
  writer.u32(parseInt(stateHash.slice(0, 8), 16));
  writer.u32(parseInt(stateHash.slice(8), 16));
}

export function readImageEnd(reader: ByteReader): ImageEnd {
  return { recordCount: reader.u53(), stateHash: hex(reader.u32()) + hex(reader.u32()) };
}

function hex(word: number): string {
  return word.toString(16).padStart(8, "0");
}
