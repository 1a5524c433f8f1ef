/**
 * One version of a key: what a put made it, or the tombstone that a delete left. What a version says never changes; each
 * knows the one that it replaced, until compaction cuts the chain there. The object of one that is gone becomes another.
 */
import { assert } from "../lib/assert.ts";
import { crc32 } from "../lib/checksum.ts";
import type { KeyState } from "../wire/mod.ts";
import type { RecordHash } from "./state_hash.ts";
import { stampHash } from "./state_hash.ts";
import type { Tenant } from "./value_slabs.ts";
import { emptySlab, ValueSlabs } from "./value_slabs.ts";

/** A tombstone has version 0, create revision 0, no lease and no value. */
export class KeyRecord implements KeyState, RecordHash, Tenant {
  /** As keyText, the same string in all versions of the key. */
  key = "";
  /** Of the key, in bytes, and its CRC-32: handed on from record to record, since asking the key would cost a look at memory that is seldom at hand. */
  keyLength = 0;
  keyChecksum = 0;
  /** The version before; null: there was none, or no revision that can still be read shows it. Only compaction changes it. */
  previous: KeyRecord | null = null;
  createRevision = 0;
  modRevision = 0;
  version = 0;
  lease = 0;
  hashHigh = 0;
  hashLow = 0;
  length = 0;
  slab = emptySlab;
  offset = 0;
  released = false;

  /** A view, good until the next command. */
  get value(): Uint8Array {
    return this.slab.bytes.subarray(this.offset, this.offset + this.length);
  }
}

/** A key in both of its forms. */
export interface Key {
  /** As keyText. */
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** What a put says. */
export interface PutState {
  /** To be copied. */
  readonly value: Uint8Array;
  readonly revision: number;
  /** 0: none. */
  readonly lease: number;
}

/** What a record takes in memory besides its key and value: about what runtimes take for its objects. Bytes. */
export const recordOverheadBytes = 200;

const noValue = new Uint8Array(0);

/** Makes the records of one key space, and keeps their values. */
export class Records {
  private readonly slabs = new ValueSlabs();
  /**
   * Records that are gone, to be made others: versions live long, and the collector comes late to what lived long. Their
   * memory would be new each time, and several times as much.
   */
  private readonly gone: KeyRecord[] = [];
  private readers = 0;

  /** The first record of a key: version 1. */
  created(key: Key, put: PutState): KeyRecord {
    return this.put(this.begin(key), put);
  }

  /** The record of a key that was deleted, made again: version 1. */
  recreated(tombstone: KeyRecord, put: PutState): KeyRecord {
    return this.put(this.follow(tombstone), put);
  }

  /** The record that follows `previous` when its key is put again. */
  overwritten(previous: KeyRecord, { value, revision, lease }: PutState): KeyRecord {
    const record = this.follow(previous);
    record.createRevision = previous.createRevision;
    record.modRevision = revision;
    record.version = previous.version + 1;
    record.lease = lease;
    return this.finish(record, value);
  }

  /** What a delete leaves. */
  tombstone(previous: KeyRecord, revision: number): KeyRecord {
    const record = this.follow(previous);
    record.createRevision = 0;
    record.modRevision = revision;
    record.version = 0;
    record.lease = 0;
    return this.finish(record, noValue);
  }

  /** A version as an image has it, or a tombstone; nothing is known of the version before. */
  restored(
    key: Key,
    { createRevision, modRevision, version, lease }: Omit<KeyState, "value">,
    value: Uint8Array,
  ): KeyRecord {
    const record = this.begin(key);
    record.createRevision = createRevision;
    record.modRevision = modRevision;
    record.version = version;
    record.lease = lease;
    return this.finish(record, value);
  }

  /** Nobody needs `record` any more, but for those who read: it may become another. */
  forget(record: KeyRecord): void {
    this.slabs.release(record);
    if (this.readers === 0) this.gone.push(record);
  }

  /** Makes room of the values that were forgotten. */
  tidy(): void {
    if (this.readers === 0) this.slabs.tidy();
  }

  /** Until {@link endReading} records that are forgotten stay what they are, with their values. */
  beginReading(): void {
    this.readers++;
  }

  endReading(): void {
    assert(this.readers > 0, "who ends reading has begun");
    this.readers--;
    this.tidy();
  }

  private put(record: KeyRecord, { value, revision, lease }: PutState): KeyRecord {
    record.createRevision = revision;
    record.modRevision = revision;
    record.version = 1;
    record.lease = lease;
    return this.finish(record, value);
  }

  private follow(previous: KeyRecord): KeyRecord {
    const record = this.gone.pop() ?? new KeyRecord();
    record.key = previous.key;
    record.keyLength = previous.keyLength;
    record.keyChecksum = previous.keyChecksum;
    record.previous = previous;
    return record;
  }

  private begin(key: Key): KeyRecord {
    const record = this.gone.pop() ?? new KeyRecord();
    record.key = key.text;
    record.keyLength = key.bytes.length;
    record.keyChecksum = crc32(key.bytes);
    record.previous = null;
    return record;
  }

  private finish(record: KeyRecord, value: Uint8Array): KeyRecord {
    this.slabs.put(record, value);
    stampHash(record, record.keyChecksum, crc32(value));
    return record;
  }
}

export function isTombstone(record: KeyRecord): boolean {
  return record.version === 0;
}

/** What `record` takes in memory, as the limit of the history counts it. */
export function recordBytes(record: KeyRecord): number {
  return recordOverheadBytes + record.keyLength + record.length;
}

/** The version of the key that was the latest at `revision`; null if none is known. */
export function versionAt(latest: KeyRecord | null, revision: number): KeyRecord | null {
  let record = latest;
  while (record !== null && record.modRevision > revision) record = record.previous;
  return record;
}
