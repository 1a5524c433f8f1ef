/** What the store keeps of one live key. Records are never changed: a put makes a new one. */
import { crc32 } from "../lib/checksum.ts";
import type { KeyState } from "../wire/mod.ts";
import type { RecordHash } from "./state_hash.ts";
import { recordHash } from "./state_hash.ts";

/** The value is the record's own copy. */
export interface KeyRecord extends KeyState, RecordHash {
  /** CRC-32 of the key, handed on from record to record. */
  readonly keyChecksum: number;
}

/** The first record of a key: version 1. Takes over `value`. */
export function createdRecord(put: {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly revision: number;
}): KeyRecord {
  const { value, revision } = put;
  return newRecord(crc32(put.key), { value, createRevision: revision, modRevision: revision, version: 1, lease: 0 });
}

/** The record that follows `previous` when its key is put again. Takes over `value`. */
export function overwrittenRecord(
  previous: KeyRecord,
  put: { readonly value: Uint8Array; readonly revision: number },
): KeyRecord {
  return newRecord(previous.keyChecksum, {
    value: put.value,
    createRevision: previous.createRevision,
    modRevision: put.revision,
    version: previous.version + 1,
    lease: previous.lease,
  });
}

/** The record of `key` as an image has it. Takes over the value. */
export function restoredRecord(key: Uint8Array, state: KeyState): KeyRecord {
  return newRecord(crc32(key), state);
}

function newRecord(keyChecksum: number, state: KeyState): KeyRecord {
  const { value, createRevision, modRevision, version, lease } = state;
  const { hashHigh, hashLow } = recordHash(keyChecksum, state);
  return { value, createRevision, modRevision, version, lease, keyChecksum, hashHigh, hashLow };
}
