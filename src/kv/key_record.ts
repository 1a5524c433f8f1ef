/**
 * One version of a key: what a put made it, or the tombstone that a delete left. Versions are never changed; each knows
 * the one that it replaced, until compaction cuts the chain there.
 */
import { crc32 } from "../lib/checksum.ts";
import type { KeyState } from "../wire/mod.ts";
import type { RecordHash } from "./state_hash.ts";
import { recordHash } from "./state_hash.ts";

/** The value is the record's own copy. A tombstone has version 0, create revision 0, no lease and no value. */
export interface KeyRecord extends KeyState, RecordHash {
  /** As keyText, the same string in all versions of the key. */
  readonly key: string;
  /** CRC-32 of the key, handed on from record to record. */
  readonly keyChecksum: number;
  /** The version before; null: there was none, or no revision that can still be read shows it. Only compaction changes it. */
  previous: KeyRecord | null;
}

/** What a put says. */
export interface PutState {
  readonly value: Uint8Array;
  readonly revision: number;
  /** 0: none. */
  readonly lease: number;
}

/** What a record takes in memory besides its key and value: about what runtimes take for its objects. Bytes. */
export const recordOverheadBytes = 200;

const noValue = new Uint8Array(0);

/** The first record of a key: version 1. Takes over the value. */
export function createdRecord(
  key: { readonly text: string; readonly bytes: Uint8Array },
  { value, revision, lease }: PutState,
): KeyRecord {
  const state = { value, createRevision: revision, modRevision: revision, version: 1, lease };
  return newRecord({ key: key.text, keyChecksum: crc32(key.bytes), previous: null }, state);
}

/** The record of a key that was deleted, made again: version 1. Takes over the value. */
export function recreatedRecord(tombstone: KeyRecord, { value, revision, lease }: PutState): KeyRecord {
  return follow(tombstone, { value, createRevision: revision, modRevision: revision, version: 1, lease });
}

/** The record that follows `previous` when its key is put again. Takes over the value. */
export function overwrittenRecord(previous: KeyRecord, { value, revision, lease }: PutState): KeyRecord {
  return follow(previous, {
    value,
    createRevision: previous.createRevision,
    modRevision: revision,
    version: previous.version + 1,
    lease,
  });
}

/** What a delete leaves. */
export function tombstoneOf(previous: KeyRecord, revision: number): KeyRecord {
  return follow(previous, { value: noValue, createRevision: 0, modRevision: revision, version: 0, lease: 0 });
}

/** A version as an image has it, or a tombstone; nothing is known of the version before. Takes over the value. */
export function restoredRecord(key: { readonly text: string; readonly bytes: Uint8Array }, state: KeyState): KeyRecord {
  return newRecord({ key: key.text, keyChecksum: crc32(key.bytes), previous: null }, state);
}

export function isTombstone(record: KeyRecord): boolean {
  return record.version === 0;
}

/** What `record` takes in memory, as the limit of the history counts it. */
export function recordBytes(record: KeyRecord): number {
  return recordOverheadBytes + record.key.length + record.value.length;
}

/** The version of the key that was the latest at `revision`; null if none is known. */
export function versionAt(latest: KeyRecord | null, revision: number): KeyRecord | null {
  let record = latest;
  while (record !== null && record.modRevision > revision) record = record.previous;
  return record;
}

function follow(previous: KeyRecord, state: KeyState): KeyRecord {
  return newRecord({ key: previous.key, keyChecksum: previous.keyChecksum, previous }, state);
}

function newRecord(
  of: { readonly key: string; readonly keyChecksum: number; readonly previous: KeyRecord | null },
  state: KeyState,
): KeyRecord {
  const { key, keyChecksum, previous } = of;
  const { value, createRevision, modRevision, version, lease } = state;
  const { hashHigh, hashLow } = recordHash(keyChecksum, state);
  return {
    key,
    value,
    createRevision,
    modRevision,
    version,
    lease,
    keyChecksum,
    hashHigh,
    hashLow,
    previous,
  };
}
