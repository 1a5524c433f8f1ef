/**
 * The keys with all of their versions that can be read: a map for access by key, an ordered set for ranges, the history
 * of changes, the leases that keys hang on, and a hash over all, kept in step here. Conditions and revisions are decided by the commands.
 */
import { assert } from "../lib/assert.ts";
import { crc32 } from "../lib/checksum.ts";
import { keyBytes } from "../wire/mod.ts";
import { History } from "./history.ts";
import { HistoryView } from "./history_view.ts";
import type { Key, KeyRecord, PutState } from "./key_record.ts";
import { isTombstone, Records, versionAt } from "./key_record.ts";
import { KeyTable } from "./key_table.ts";
import { KeyView } from "./key_view.ts";
import { Leases } from "./leases.ts";
import { newOrderedKeys, orderedKeysOf, scanBoth } from "./ordered_keys.ts";
import type { TextRange } from "./ordered_keys.ts";
import { recordHash, StateHash } from "./state_hash.ts";

export class KeySpace {
  /** Rises by one with each command that changes a key. */
  revision = 1;
  readonly history = new History();
  readonly versions = new Records();
  /** Invariant: a key hangs on the lease that its latest version names, which exists. */
  readonly leases = new Leases();
  /** The keys that exist, each with its latest version. */
  private readonly records: KeyTable;
  /** Holds the keys of `records`, and no others; overwriting a key leaves it alone. */
  private order = newOrderedKeys();
  /** The keys that were deleted after the compacted revision, each with its tombstone. */
  private readonly tombstones = new Map<string, KeyRecord>();
  private readonly tombstoneOrder = newOrderedKeys();
  /** Over the records and tombstones, and all that hangs on them. */
  private readonly hash = new StateHash();
  /** Open views: each must be shown a record of before it before that record goes. */
  private views: readonly KeyView[] = [];
  private historyViews: readonly HistoryView[] = [];

  /** `hashSeed` is for where keys lie in memory, and nothing else. */
  constructor(hashSeed: number) {
    this.records = new KeyTable(hashSeed);
  }

  get size(): number {
    return this.records.size;
  }

  get(key: string): KeyRecord | null {
    return this.records.get(key);
  }

  /** The key that is `bytes` from `start` up to `end`, without `end`. */
  find(bytes: Uint8Array, start = 0, end = bytes.length): KeyRecord | null {
    return this.records.find(bytes, start, end);
  }

  /** The key as it was at `revision`, which must not be below the compacted one. */
  getAt(key: string, revision: number): KeyRecord | null {
    const record = versionAt(this.latest(key), revision);
    return record === null || isTombstone(record) ? null : record;
  }

  /** The newest version of the key, or its tombstone; null if no revision that can be read has it. */
  latest(key: string): KeyRecord | null {
    return this.records.get(key) ?? this.tombstones.get(key) ?? null;
  }

  /** Puts a key that does not exist. */
  create(key: Key, put: PutState): void {
    const record = this.exhume(key.text, put) ?? this.versions.created(key, put);
    this.order.add(record.key);
    this.records.add(record);
    if (record.lease !== 0) this.leases.attach(record.lease, record.key);
    this.addChange(record);
  }

  /** Puts a key that exists: `previous` is what {@link get} returned. */
  overwrite(previous: KeyRecord, put: PutState): void {
    if (this.views.length > 0) this.keepForViews(previous);
    const next = this.versions.overwritten(previous, put);
    this.records.replace(previous, next);
    if (next.lease !== previous.lease) this.moveLease(previous, next);
    this.addChange(next);
  }

  /** Deletes a key that exists: `previous` is what {@link get} returned. */
  delete(previous: KeyRecord, revision: number): void {
    if (this.views.length > 0) this.keepForViews(previous);
    const { key } = previous;
    this.order.delete(key);
    this.records.delete(key);
    const tombstone = this.versions.tombstone(previous, revision);
    this.tombstones.set(key, tombstone);
    this.tombstoneOrder.add(key);
    if (previous.lease !== 0) this.leases.detach(previous.lease, key);
    this.addChange(tombstone);
  }

  private moveLease(previous: KeyRecord, next: KeyRecord): void {
    if (next.lease !== 0) this.leases.attach(next.lease, next.key);
    if (previous.lease !== 0) this.leases.detach(previous.lease, next.key);
  }

  /** The record that follows the tombstone of `key`, which it takes the place of; null if there is none. */
  private exhume(key: string, put: PutState): KeyRecord | null {
    if (this.tombstones.size === 0) return null;
    const tombstone = this.tombstones.get(key);
    if (tombstone === undefined) return null;
    this.tombstones.delete(key);
    this.tombstoneOrder.delete(key);
    return this.versions.recreated(tombstone, put);
  }

  private addChange(change: KeyRecord): void {
    this.hash.add(change);
    this.history.add(change);
  }

  /** Forgets everything that only revisions below `revision` show. Goes no further than the newest revision, and never back. */
  compact(revision: number): void {
    const target = Math.min(revision, this.revision);
    if (target <= this.history.compactedRevision) return;
    this.history.compact(target, (change) => {
      if (change.previous !== null) {
        for (const view of this.historyViews) view.keep(change, change.previous);
        this.forget(change.previous);
        change.previous = null;
      }
      if (!isTombstone(change) || this.tombstones.get(change.key) !== change) return;
      this.tombstones.delete(change.key);
      this.tombstoneOrder.delete(change.key);
      this.forget(change);
    });
    this.versions.tidy();
  }

  private forget(record: KeyRecord): void {
    this.hash.subtract(record);
    this.history.release(record);
    this.versions.forget(record);
  }

  /** Visits the keys of `range` in the order of their bytes until `visit` returns false. It must not change anything. */
  scan(range: TextRange, visit: (key: string, record: KeyRecord) => boolean): void {
    this.order.scan(range, (key) => {
      const record = this.records.get(key);
      assert(record !== null, "every ordered key has a record");
      return visit(key, record);
    });
  }

  /** All keys of `range`, in order. */
  recordsIn(range: TextRange): readonly KeyRecord[] {
    const records: KeyRecord[] = [];
    this.scan(range, (_, record) => {
      records.push(record);
      return true;
    });
    return records;
  }

  /** As {@link scan}, with the keys as they were at `revision`, which must not be below the compacted one. */
  scanAt(revision: number, range: TextRange, visit: (key: string, record: KeyRecord) => boolean): void {
    const visitKey = (key: string): boolean => {
      const record = this.getAt(key, revision);
      return record === null || visit(key, record);
    };
    if (this.tombstoneOrder.size === 0) this.order.scan(range, visitKey);
    else scanBoth(this.order, this.tombstoneOrder, range, visitKey);
  }

  /** All keys as they are now, whatever changes later. Takes memory for what changes until it is closed. */
  view(): KeyView {
    const view = new KeyView(
      { revision: this.revision, keyCount: this.size },
      {
        order: this.order.clone(),
        current: (key) => this.get(key),
        onClose: (closed) => {
          if (!this.views.includes(closed)) return;
          this.views = this.views.filter((open) => open !== closed);
          this.versions.endReading();
        },
      },
    );
    this.views = [...this.views, view];
    this.versions.beginReading();
    return view;
  }

  /** The history as it is now, in the same way. */
  historyView(): HistoryView {
    const view = new HistoryView(this.history.compactedRevision, this.history.copy(), (closed) => {
      if (!this.historyViews.includes(closed)) return;
      this.historyViews = this.historyViews.filter((open) => open !== closed);
      this.versions.endReading();
    });
    this.historyViews = [...this.historyViews, view];
    this.versions.beginReading();
    return view;
  }

  /** Takes in a key that exists, as an image has it; {@link restoreOrder} follows the last, and then {@link restoreHistory}. */
  restoreKey(record: KeyRecord): void {
    this.records.add(record);
    if (record.lease !== 0) this.leases.restoreKey(record.lease, record.key);
    this.hash.add(record);
  }

  /** The keys that were restored, in order. */
  restoreOrder(sorted: string[]): void {
    assert(this.order.size === 0 && sorted.length === this.records.size, "an order of all keys is restored once");
    this.order = orderedKeysOf(sorted);
  }

  /** Takes in the history of an image: all `changes` with what hangs on them, and the tombstones among them that are the latest of their keys. */
  restoreHistory(of: {
    readonly compactedRevision: number;
    readonly changes: readonly KeyRecord[];
    readonly tombstones: ReadonlyMap<string, KeyRecord>;
  }): void {
    for (const [key, tombstone] of of.tombstones) {
      this.tombstones.set(key, tombstone);
      this.tombstoneOrder.add(key);
      this.hash.add(tombstone);
    }
    for (const { previous } of of.changes) if (previous !== null) this.hash.add(previous);
    this.history.restore({ ...of, tombstones: of.tombstones.values() });
  }

  private keepForViews(record: KeyRecord): void {
    for (const view of this.views) view.keep(record.key, record);
  }

  /** Over all versions that can be read and the numbers that say which those are. */
  stateHash(): StateHash {
    return this.hash.with([this.revision, this.history.compactedRevision]);
  }

  /** What {@link stateHash} must be, from the keys and values alone: slow, to check it. */
  recomputeStateHash(): StateHash {
    const hash = new StateHash();
    for (const latest of [...this.records.values(), ...this.tombstones.values()]) {
      for (let record: KeyRecord | null = latest; record !== null; record = record.previous)
        hash.add(recordHash(crc32(keyBytes(record.key)), record));
    }
    return hash.with([this.revision, this.history.compactedRevision]);
  }
}
