/**
 * The keys with all of their versions that can be read: a table for access by key, ordered sets for ranges, the history
 * of changes, the leases that keys hang on, and a hash over all, kept in step here. Conditions and revisions are decided by the commands.
 */
import { assert } from "../lib/assert.ts";
import { crc32 } from "../lib/checksum.ts";
import { Scratch } from "../lib/scratch.ts";
import { type KeyRange, type StoredState, keyText } from "../wire/mod.ts";
import { History } from "./history.ts";
import type { HistoryView } from "./history_view.ts";
import type { KeyBatch } from "./key_batch.ts";
import { KeyTable, lowerBound, upperBound } from "./key_table.ts";
import type { KeyView } from "./key_view.ts";
import { Leases } from "./leases.ts";
import { newOrderedKeys, orderedKeysOf, scanBoth } from "./ordered_keys.ts";
import { type KeyNumber, type Row, noKey, noRow } from "./rows.ts";
import { recordHash, StateHash } from "./state_hash.ts";
import { type PutState, type Stamp, type SummedKey, Versions, bytesOf } from "./versions.ts";
import { Views } from "./views.ts";

export class KeySpace {
  /** Rises by one with each command that changes a key. */
  revision = 1;
  readonly versions = new Versions();
  readonly history = new History(this.versions);
  /** Invariant: a key hangs on the lease that its newest version names, which exists. */
  readonly leases = new Leases();
  /** For the value of the put that is carried out. */
  readonly scratch = new Scratch();
  /** The keys of which a version can be read, tombstones included. */
  readonly table: KeyTable;
  private readonly byBytes = (a: KeyNumber, b: KeyNumber): number => this.table.compare(a, b);
  /** The keys that exist; overwriting a key leaves it alone. */
  private order = newOrderedKeys(this.byBytes);
  /** The keys that were deleted after the compacted revision: their newest version is a tombstone. */
  private readonly buried = newOrderedKeys(this.byBytes);
  /** Over all versions that can be read. */
  private readonly hash = new StateHash();
  /** The key of the next version, filled in again for each. */
  private readonly draft = { number: noKey, checksum: 0 };
  private readonly views: Views;

  /** `hashSeed` is for where keys lie in memory, and nothing else. */
  constructor(hashSeed: number) {
    this.table = new KeyTable(hashSeed);
    this.views = new Views(this.table, this.versions);
  }

  /** How many keys exist. */
  get size(): number {
    return this.order.size;
  }

  /** The key that is `bytes` from `start` up to `end`, without `end`; none, if it does not exist. */
  find(bytes: Uint8Array, start = 0, end = bytes.length): Row {
    const row = this.table.newest(this.table.find(bytes, start, end));
    return this.versions.isTombstone(row) ? noRow : row;
  }

  /** Leaves in `batch` the version of each of its keys, which lie in `bytes`; none for those that do not exist. */
  findAll(bytes: Uint8Array, batch: KeyBatch): void {
    const { table, versions } = this;
    table.findAll(bytes, batch);
    const { found, hashes, count } = batch;
    for (let i = 0; i < count; i++) if (versions.isTombstone(found[i] ?? noRow)) found[i] = noRow;
    for (let i = 0; i < count; i++) hashes[i] = versions.firstByte(found[i] ?? noRow);
  }

  /** What a version says, good only until the next call; null for none. */
  show(row: Row): StoredState | null {
    return row === noRow ? null : this.versions.show(row);
  }

  /** The key as it was at `revision`, which must not be below the compacted one. */
  findAt(bytes: Uint8Array, revision: number): Row {
    return this.at(this.table.find(bytes), revision);
  }

  /** The newest version of the key, or its tombstone; none if no revision that can be read has it. */
  newest(bytes: Uint8Array): Row {
    return this.table.newest(this.table.find(bytes));
  }

  /** Puts a key that does not exist. */
  create(bytes: Uint8Array, put: PutState): void {
    const key = this.table.findOrAdd(bytes);
    const tombstone = this.table.newest(key);
    if (tombstone !== noRow) this.buried.delete(key);
    const row = this.versions.put(this.summed(key), tombstone, put);
    this.order.add(key);
    if (put.lease !== 0) this.leases.attach(put.lease, keyText(bytes));
    this.addChange(key, row, 0);
  }

  /** Puts a key that exists: `previous` is what {@link find} returned. */
  overwrite(previous: Row, put: PutState): void {
    this.views.keep(previous);
    const { versions } = this;
    const key = versions.rows.key(previous);
    const row = versions.put(this.summed(key), previous, put);
    if (put.lease !== versions.rows.lease(previous)) this.moveLease(previous, row);
    this.addChange(key, row, versions.bytes(previous));
  }

  /** Deletes a key that exists: `previous` is what {@link find} returned. */
  delete(previous: Row, revision: number): void {
    this.views.keep(previous);
    const { versions } = this;
    const { rows } = versions;
    const key = rows.key(previous);
    this.order.delete(key);
    this.buried.add(key);
    if (rows.lease(previous) !== 0) this.leases.detach(rows.lease(previous), keyText(this.table.bytes(key)));
    const tombstone = versions.bury(this.summed(key), previous, revision);
    this.addChange(key, tombstone, versions.bytes(previous) + versions.bytes(tombstone));
  }

  private moveLease(previous: Row, next: Row): void {
    const { rows } = this.versions;
    const key = keyText(this.table.bytes(rows.key(next)));
    if (rows.lease(next) !== 0) this.leases.attach(rows.lease(next), key);
    if (rows.lease(previous) !== 0) this.leases.detach(rows.lease(previous), key);
  }

  private summed(key: KeyNumber): SummedKey {
    const { draft } = this;
    draft.number = key;
    draft.checksum = this.table.checksum(key);
    return draft;
  }

  /** `bytes` are those of the versions that go when the change is compacted. */
  private addChange(key: KeyNumber, change: Row, bytes: number): void {
    this.table.setNewest(key, change);
    this.hash.add(this.versions.madeHash);
    this.history.add(change, bytes);
  }

  /** Forgets everything that only revisions below `revision` show. Goes no further than the newest revision, and never back. */
  compact(revision: number): void {
    const target = Math.min(revision, this.revision);
    if (target <= this.history.compactedRevision) return;
    const { versions, table } = this;
    const { rows } = versions;
    this.history.compact(target, (change) => {
      const previous = rows.previous(change);
      if (previous !== noRow) {
        this.views.keepReplaced(change, previous);
        this.forget(previous);
        rows.setPrevious(change, noRow);
      }
      if (!versions.isTombstone(change)) return;
      const key = rows.key(change);
      if (table.newest(key) === change) this.forgetKey(key, change);
    });
    versions.tidy();
  }

  private forget(row: Row): void {
    const forgotten = this.versions.read(row);
    this.hash.subtract(forgotten);
    this.history.release(bytesOf(forgotten.length));
    this.views.forget(row);
  }

  /** Nothing of `key` can be read any more: its newest version is a tombstone that is compacted. */
  private forgetKey(key: KeyNumber, tombstone: Row): void {
    this.buried.delete(key);
    this.forget(tombstone);
    this.table.setNewest(key, noRow);
    this.views.forgetKey(key);
  }

  /** Visits the keys of `range` in the order of their bytes until `visit` returns false. It must not change anything. */
  scan(range: KeyRange, visit: (key: KeyNumber, row: Row) => boolean): void {
    this.order.scan(this.bounds(range), (key) => visit(key, this.table.newest(key)));
  }

  /** The newest versions of all keys of `range`, in order. */
  rowsIn(range: KeyRange): readonly Row[] {
    const found: Row[] = [];
    this.scan(range, (_, row) => {
      found.push(row);
      return true;
    });
    return found;
  }

  /** As {@link scan}, with the keys as they were at `revision`, which must not be below the compacted one. */
  scanAt(revision: number, range: KeyRange, visit: (key: KeyNumber, row: Row) => boolean): void {
    const bounds = this.bounds(range);
    const visitKey = (key: KeyNumber): boolean => {
      const row = this.at(key, revision);
      return row === noRow || visit(key, row);
    };
    if (this.buried.size === 0) this.order.scan(bounds, visitKey);
    else scanBoth(this.byBytes, [this.order, this.buried], bounds, visitKey);
  }

  private at(key: KeyNumber, revision: number): Row {
    const row = this.versions.at(this.table.newest(key), revision);
    return this.versions.isTombstone(row) ? noRow : row;
  }

  private bounds(range: KeyRange): { readonly start: KeyNumber; readonly end: KeyNumber | null } {
    this.table.setBounds(range);
    return { start: lowerBound, end: range.end === null ? null : upperBound };
  }

  /** All keys as they are now, whatever changes later. Takes memory for what changes until it is visited, or closed. */
  view(): KeyView {
    return this.views.openKeys(this.order.clone(), this.revision);
  }

  /** The history as it is now, in the same way. */
  historyView(): HistoryView {
    return this.views.openHistory(this.history);
  }

  /** Takes in a key that exists and is not there yet, as an image has it; {@link restoreOrder} follows the last. */
  restoreKey(bytes: Uint8Array, stamp: Stamp, value: Uint8Array): KeyNumber {
    const key = this.table.add(bytes);
    const row = this.versions.restored(this.summed(key), stamp, value);
    this.table.setNewest(key, row);
    if (stamp.lease !== 0) this.leases.restoreKey(stamp.lease, keyText(bytes));
    this.hash.add(this.versions.madeHash);
    return key;
  }

  /** Whether `bytes` come behind `key` in the order of bytes. */
  isBehind(bytes: Uint8Array, key: KeyNumber): boolean {
    this.table.setBounds({ start: bytes, end: null });
    return this.table.compare(lowerBound, key) > 0;
  }

  /** The keys that were restored, in order. */
  restoreOrder(sorted: KeyNumber[]): void {
    assert(this.order.size === 0 && sorted.length === this.table.size, "an order of all keys is restored once");
    this.order = orderedKeysOf(this.byBytes, sorted);
  }

  /** Takes in the tombstone of a key that an image does not have, as the newest version of it. */
  restoreTombstone(bytes: Uint8Array, revision: number): Row {
    const key = this.table.add(bytes);
    const tombstone = this.versions.bury(this.summed(key), noRow, revision);
    this.table.setNewest(key, tombstone);
    this.buried.add(key);
    this.hash.add(this.versions.madeHash);
    return tombstone;
  }

  /** Takes in the version that `change`, of an image, replaced. */
  restoreReplaced(change: Row, stamp: Stamp, value: Uint8Array): Row {
    const { rows } = this.versions;
    const replaced = this.versions.restored(this.summed(rows.key(change)), stamp, value);
    rows.setPrevious(change, replaced);
    this.hash.add(this.versions.madeHash);
    return replaced;
  }

  /** Over all versions that can be read and the numbers that say which those are. */
  stateHash(): StateHash {
    return this.hash.with([this.revision, this.history.compactedRevision]);
  }

  /** What {@link stateHash} must be, from the keys and values alone: slow, to check it. */
  recomputeStateHash(): StateHash {
    const { versions, table } = this;
    const { rows } = versions;
    const hash = new StateHash();
    for (const key of table.all()) {
      const checksum = crc32(table.bytes(key));
      for (let row = table.newest(key); row !== noRow; row = rows.previous(row))
        hash.add(recordHash(checksum, versions.state(row)));
    }
    return hash.with([this.revision, this.history.compactedRevision]);
  }
}
