/**
 * The live keys, each with its latest record: a map for access by key, an ordered set for ranges and a hash over
 * all, kept in step here. Conditions and revisions are decided by the commands.
 */
import { assert } from "../lib/assert.ts";
import { crc32 } from "../lib/checksum.ts";
import { keyBytes } from "../wire/mod.ts";
import type { KeyRecord } from "./key_record.ts";
import { KeyView } from "./key_view.ts";
import { newOrderedKeys } from "./ordered_keys.ts";
import type { TextRange } from "./ordered_keys.ts";
import { recordHash, StateHash } from "./state_hash.ts";

export class KeySpace {
  /** Rises by one with each command that changes a key. */
  revision = 1;
  private readonly records = new Map<string, KeyRecord>();
  /** Holds the keys of `records`, and no others; overwriting a key leaves it alone. */
  private readonly order = newOrderedKeys();
  /** Over exactly `records`. */
  private readonly hash = new StateHash();
  /** Open views: each must be shown a record of before it before that record goes. */
  private views: readonly KeyView[] = [];

  get size(): number {
    return this.records.size;
  }

  get(key: string): KeyRecord | null {
    return this.records.get(key) ?? null;
  }

  create(key: string, record: KeyRecord): void {
    this.order.add(key);
    this.records.set(key, record);
    this.hash.add(record);
  }

  /** `previous` is what {@link get} returned for `key`. */
  overwrite(key: string, change: { readonly previous: KeyRecord; readonly next: KeyRecord }): void {
    if (this.views.length > 0) this.keepForViews(key, change.previous);
    this.records.set(key, change.next);
    this.hash.subtract(change.previous);
    this.hash.add(change.next);
  }

  /** `key` must exist. */
  delete(key: string): void {
    const previous = this.records.get(key);
    assert(previous !== undefined, "only a key that exists can be deleted");
    if (this.views.length > 0) this.keepForViews(key, previous);
    this.order.delete(key);
    this.records.delete(key);
    this.hash.subtract(previous);
  }

  /** Visits the keys of `range` in the order of their bytes until `visit` returns false. It must not change anything. */
  scan(range: TextRange, visit: (key: string, record: KeyRecord) => boolean): void {
    this.order.scan(range, (key) => {
      const record = this.records.get(key);
      assert(record !== undefined, "every ordered key has a record");
      return visit(key, record);
    });
  }

  /** All keys as they are now, whatever changes later. Takes memory for what changes until it is closed. */
  view(): KeyView {
    const view = new KeyView(
      { revision: this.revision, keyCount: this.size, stateHash: this.stateHash() },
      {
        order: this.order.clone(),
        current: (key) => this.get(key),
        onClose: (closed) => (this.views = this.views.filter((open) => open !== closed)),
      },
    );
    this.views = [...this.views, view];
    return view;
  }

  private keepForViews(key: string, record: KeyRecord): void {
    for (const view of this.views) view.keep(key, record);
  }

  stateHash(): string {
    return this.hash.digest(this.revision);
  }

  /** What {@link stateHash} must be, from the keys and values alone: slow, to check it. */
  recomputeStateHash(): string {
    const hash = new StateHash();
    for (const [key, record] of this.records) {
      hash.add(recordHash(crc32(keyBytes(key)), record));
    }
    return hash.digest(this.revision);
  }
}
