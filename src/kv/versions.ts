/**
 * The versions of keys: what puts made them, and the tombstones that deletes left. What a version says never changes; each
 * knows the one that it replaced, until compaction cuts the chain there. Knows keys by their numbers only.
 */
import { crc32 } from "../lib/checksum.ts";
import type { KeyState, StoredState } from "../wire/mod.ts";
import type { KeysAhead } from "./keys_ahead.ts";
import { type KeyNumber, type Row, type RowData, Rows, noRow } from "./rows.ts";
import { type RecordHash, stampHash } from "./state_hash.ts";
import { ValueSlabs } from "./value_slabs.ts";

/** A key with the CRC-32 of its bytes. */
export interface SummedKey {
  readonly number: KeyNumber;
  readonly checksum: number;
}

/** What a put says. */
export interface PutState {
  /** To be copied. */
  readonly value: Uint8Array;
  readonly revision: number;
  /** 0: none. */
  readonly lease: number;
}

/** What a version takes in memory besides its key and value: its row, its place in the history and in a slab. Bytes. */
const versionOverheadBytes = 84;

const noValue = new Uint8Array(0);

/** The numbers of a version. */
export type Stamp = Omit<KeyState, "value">;

const noStamp: Stamp = { createRevision: 0, modRevision: 0, version: 0, lease: 0 };

/** A stored state that is filled in again for each version. */
type StateDraft = { -readonly [Name in keyof StoredState]: StoredState[Name] };

export class Versions {
  readonly rows = new Rows();
  private readonly slabs = new ValueSlabs(this.rows);
  /** Filled in again for each version. */
  private readonly data: RowData = {
    ...{ key: 0, previous: noRow, ...noStamp },
    ...{ hashHigh: 0, hashLow: 0, slab: 0, offset: 0, length: 0 },
  };
  private readonly shown: StateDraft = { ...noStamp, slab: { bytes: noValue }, offset: 0, length: 0 };

  /** The version that follows `previous` when its key is put: the first one behind a tombstone, or behind none. */
  put(key: SummedKey, previous: Row, { value, revision, lease }: PutState): Row {
    const { data } = this;
    this.rows.read(previous, data);
    data.version++;
    if (data.version === 1) data.createRevision = revision;
    data.modRevision = revision;
    data.lease = lease;
    data.previous = previous;
    return this.add(key, value);
  }

  /** What a delete leaves. */
  bury(key: SummedKey, previous: Row, revision: number): Row {
    Object.assign(this.data, noStamp, { modRevision: revision, previous });
    return this.add(key, noValue);
  }

  /** A version as an image has it; nothing is known of the version before. */
  restored(key: SummedKey, { createRevision, modRevision, version, lease }: Stamp, value: Uint8Array): Row {
    const { data } = this;
    data.createRevision = createRevision;
    data.modRevision = modRevision;
    data.version = version;
    data.lease = lease;
    data.previous = noRow;
    return this.add(key, value);
  }

  isTombstone(row: Row): boolean {
    return this.rows.version(row) === 0;
  }

  /** The version of a key that was the latest at `revision`, given its newest; none if none is known. */
  at(newest: Row, revision: number): Row {
    const { rows } = this;
    let row = newest;
    while (row !== noRow && rows.modRevision(row) > revision) row = rows.previous(row);
    return row;
  }

  /** The first byte of the value of `row`; 0 for none. */
  firstByte(row: Row): number {
    return this.slabs.slab(this.rows.slab(row)).bytes[this.rows.offset(row)] ?? 0;
  }

  /** Looks at all that {@link show} will look at for the rows of `ahead`. */
  lookAt({ rows, seen, count }: KeysAhead): void {
    const { slabs } = this;
    for (let i = 0; i < count; i++) seen[i] = this.rows.length(rows[i] ?? noRow);
    for (let i = 0; i < count; i++) {
      const row = rows[i] ?? noRow;
      seen[i] = slabs.lookAt(this.rows.slab(row), this.rows.offset(row), seen[i] ?? 0);
    }
  }

  /** What `row` says; its value is a view, good until the next command. */
  state(row: Row): KeyState {
    const { createRevision, modRevision, version, lease } = this.read(row);
    return { createRevision, modRevision, version, lease, value: this.value(row) };
  }

  /** The same, good only until the next call: it makes no object and no view. */
  show(row: Row): StoredState {
    const { shown } = this;
    const data = this.read(row);
    shown.createRevision = data.createRevision;
    shown.modRevision = data.modRevision;
    shown.version = data.version;
    shown.lease = data.lease;
    shown.slab = this.slabs.slab(data.slab);
    shown.offset = data.offset;
    shown.length = data.length;
    return shown;
  }

  /** The hash of all that the version says that was made last, and of its key; good only until the next call. */
  get madeHash(): RecordHash {
    return this.data;
  }

  /** A view, good until the next command. */
  value(row: Row): Uint8Array {
    const { slab, offset, length } = this.read(row);
    return this.slabs.slab(slab).bytes.subarray(offset, offset + length);
  }

  /** See {@link bytesOf}. */
  bytes(row: Row): number {
    return bytesOf(this.rows.length(row));
  }

  /** Nobody needs `row` any more. */
  drop(row: Row): void {
    this.slabs.release(this.read(row));
    this.rows.free(row);
  }

  /** Makes room of the values that were dropped. */
  tidy(): void {
    this.slabs.tidy();
  }

  /** The version that is filled in, but for its key, value and hash. */
  private add({ number, checksum }: SummedKey, value: Uint8Array): Row {
    const { rows, data } = this;
    const row = rows.take();
    data.key = number;
    stampHash(data, checksum, crc32(value));
    this.slabs.put(row, value, data);
    rows.write(row, data);
    return row;
  }

  /** All that a row says, good only until the next call. */
  read(row: Row): Readonly<RowData> {
    this.rows.read(row, this.data);
    return this.data;
  }
}

/** What a version with a value of so many bytes takes in memory besides its key, as the limit of the history counts it. */
export function bytesOf(valueLength: number): number {
  return versionOverheadBytes + valueLength;
}
