/**
 * The bytes of answers to queries.
 *
 *     answer                 u32 length of what follows, u8 status, u53 revision of the store, body
 *     body for a get         key state, value; nothing if the key was not found
 *     body for a range       u8 more, u32 count, items: u16 keyLength, key, key state, u32 valueLength, value
 *     body for a history     u53 compactedRevision, u8 more, u32 count, versions: key state, u32 valueLength, value
 *     body for the settings  settings (settings_codec)
 *     body, if the revision asked for cannot be read   u53 asked, u53 compactedRevision
 *     key state              u53 createRevision, u53 modRevision, u53 version, u53 lease
 */
import { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError, ProaError } from "../lib/errors.ts";
import { type Settings, decodeSettings, defaultSettings, writeSettings } from "./settings_codec.ts";

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

/** A key as a store keeps it: its value lies among others. */
export interface StoredState extends Omit<KeyState, "value"> {
  /** Where the value is: so many bytes from the offset on. */
  readonly slab: { readonly bytes: Uint8Array };
  readonly offset: number;
  readonly length: number;
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

/** One version of a key; version 0: it was deleted at the mod revision. */
export interface HistoryAnswer {
  /** Of the store. */
  readonly revision: number;
  /** Below it nothing can be read. */
  readonly compactedRevision: number;
  /** Whether older versions were left out. */
  readonly more: boolean;
  /** The newest first. */
  readonly versions: readonly KeyState[];
}

/** A revision that was asked for and cannot be read. */
export interface UnreadableRevision {
  /** Of the store. */
  readonly revision: number;
  readonly asked: number;
  readonly compactedRevision: number;
}

/** A range is answered in pages of at most this size, or of one item that alone is larger. */
export const rangeAnswerBytesMax = 8 * 1024 * 1024;

/** Bytes of an item of a range besides its key and value. */
const itemOverheadBytes = 2 + 32 + 4;

const statusOk = 0;
const statusNotFound = 1;
const statusCompacted = 2;
const statusFuture = 3;

/** Appends the answer to a get, at `revision` of the store. `state` is null if there is no such key. */
export function writeGetAnswer(writer: ByteWriter, revision: number, state: StoredState | null): void {
  writer.u32(9 + (state === null ? 0 : 32 + state.length));
  writer.u8(state === null ? statusNotFound : statusOk);
  writer.u53(revision);
  if (state === null) return;
  writeKeyState(writer, state);
  writer.copy(state.slab.bytes, state.offset, state.offset + state.length);
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
  writer.u8(statusOk);
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

/** The bytes that a version takes in the answer to a history. */
export function historyItemBytes(valueLength: number): number {
  return 32 + 4 + valueLength;
}

export function writeHistoryAnswer(writer: ByteWriter, answer: HistoryAnswer): void {
  const start = writer.length;
  writer.u32(0); // patched when the length is known
  writer.u8(statusOk);
  writer.u53(answer.revision);
  writer.u53(answer.compactedRevision);
  writer.u8(answer.more ? 1 : 0);
  writer.u32(answer.versions.length);
  for (const state of answer.versions) {
    writeKeyState(writer, state);
    writer.u32(state.value.length);
    writer.bytes(state.value);
  }
  writer.patchU32(start, writer.length - start - 4);
}

export function writeSettingsAnswer(writer: ByteWriter, answer: { revision: number; settings: Settings }): void {
  const start = writer.length;
  writer.u32(0); // patched when the length is known
  writer.u8(statusOk);
  writer.u53(answer.revision);
  writeSettings(writer, answer.settings);
  writer.patchU32(start, writer.length - start - 4);
}

/** Appends the answer to any query about a revision that cannot be read. */
export function writeUnreadable(writer: ByteWriter, { revision, asked, compactedRevision }: UnreadableRevision): void {
  writer.u32(1 + 3 * 8);
  writer.u8(asked > revision ? statusFuture : statusCompacted);
  writer.u53(revision);
  writer.u53(asked);
  writer.u53(compactedRevision);
}

function writeKeyState(writer: ByteWriter, state: Omit<KeyState, "value">): void {
  writer.u53(state.createRevision);
  writer.u53(state.modRevision);
  writer.u53(state.version);
  writer.u53(state.lease);
}

/** Reads the answer to a get; the value is a view. Throws {@link CorruptError}, COMPACTED or FUTURE_REVISION. */
export function readGetAnswer(reader: ByteReader): GetAnswer {
  const { status, revision, body } = answerBody(reader);
  const state = status === statusNotFound ? null : { ...readStamps(body), value: body.bytes(body.remaining) };
  expectEnd(body);
  return { revision, state };
}

/** Reads the answer to a range; keys and values are views. Throws as {@link readGetAnswer}. */
export function readRangeAnswer(reader: ByteReader): RangeAnswer {
  const { status, revision, body } = answerBody(reader);
  if (status !== statusOk) throw new CorruptError(`answer status ${status}, which a range does not know`);
  const more = readFlag(body);
  const count = body.u32();
  const items: RangeItem[] = [];
  for (let i = 0; i < count; i++) {
    const key = body.bytes(body.u16());
    items.push({ key, state: { ...readStamps(body), value: body.bytes(body.u32()) } });
  }
  expectEnd(body);
  return { revision, more, items };
}

/** Reads the answer to a history; values are views. Throws {@link CorruptError}. */
export function readHistoryAnswer(reader: ByteReader): HistoryAnswer {
  const { status, revision, body } = answerBody(reader);
  if (status !== statusOk) throw new CorruptError(`answer status ${status}, which a history does not know`);
  const compactedRevision = body.u53();
  const more = readFlag(body);
  const count = body.u32();
  const versions: KeyState[] = [];
  for (let i = 0; i < count; i++) versions.push({ ...readStamps(body), value: body.bytes(body.u32()) });
  expectEnd(body);
  return { revision, compactedRevision, more, versions };
}

/** Reads the answer to a question for the settings. Throws {@link CorruptError}. */
export function readSettingsAnswer(reader: ByteReader): Settings {
  const { body } = answerBody(reader);
  return { ...defaultSettings, ...decodeSettings(body.bytes(body.remaining)) };
}

function answerBody(reader: ByteReader): { status: number; revision: number; body: ByteReader } {
  const body = new ByteReader(reader.bytes(reader.u32()));
  const status = body.u8();
  const revision = body.u53();
  if (status === statusCompacted || status === statusFuture)
    throw unreadable({ revision, asked: body.u53(), compactedRevision: body.u53() });
  if (status > statusNotFound) throw new CorruptError(`answer status ${status}, which is not known`);
  return { status, revision, body };
}

function unreadable({ revision, asked, compactedRevision }: UnreadableRevision): ProaError {
  if (asked > revision) {
    return new ProaError("FUTURE_REVISION", `Cannot read at revision ${asked}: the store is at revision ${revision}`, {
      hint: "leave the revision out to read what is newest",
      revision,
    });
  }
  return new ProaError(
    "COMPACTED",
    `Cannot read at revision ${asked}: what was before ${compactedRevision} is compacted`,
    {
      hint: `read at revision ${compactedRevision} or later; how much is kept: proa cluster set`,
      revision: compactedRevision,
    },
  );
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw new CorruptError("a flag that is neither 0 nor 1");
  return flag === 1;
}

function readStamps(reader: ByteReader): Omit<KeyState, "value"> {
  return { createRevision: reader.u53(), modRevision: reader.u53(), version: reader.u53(), lease: reader.u53() };
}

function expectEnd(reader: ByteReader): void {
  if (reader.remaining > 0) throw new CorruptError("bytes behind the end");
}
