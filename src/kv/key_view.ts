/**
 * The live keys as they were at one moment, visited once in their order while commands go on changing them. Costs nothing
 * to open: the records are those of the key space, but for the ones that a command replaced or removed meanwhile, which
 * are kept here until they have been visited.
 */
import { assert } from "../lib/assert.ts";
import type { KeyRecord } from "./key_record.ts";
import type { OrderedKeys } from "./ordered_keys.ts";

/** The state that a view shows. */
export interface ViewedState {
  readonly revision: number;
  readonly keyCount: number;
}

export class KeyView {
  readonly state: ViewedState;
  /** Exactly the keys of the view; never changed. */
  private readonly order: OrderedKeys;
  private readonly current: (key: string) => KeyRecord | null;
  private readonly onClose: (view: KeyView) => void;
  /** The records of the view that the key space has no more, of keys that are not visited yet. */
  private readonly kept = new Map<string, KeyRecord>();
  /** The last key visited; "" before the first, for no key is empty. */
  private last = "";

  constructor(
    state: ViewedState,
    keys: {
      readonly order: OrderedKeys;
      /** The record that the key space has now. */
      readonly current: (key: string) => KeyRecord | null;
      readonly onClose: (view: KeyView) => void;
    },
  ) {
    this.state = state;
    this.order = keys.order;
    this.current = keys.current;
    this.onClose = keys.onClose;
  }

  /** To be called before `record` is replaced or removed. A record younger than the view is none of its business. */
  keep(key: string, record: KeyRecord): void {
    if (record.modRevision <= this.state.revision && key > this.last) this.kept.set(key, record);
  }

  /** Visits the keys that were not visited yet, until `visit` returns false. Returns whether all of them are visited now. */
  visit(visit: (key: string, record: KeyRecord) => boolean): boolean {
    let ended = true;
    this.order.scan({ start: `${this.last}\0`, end: null }, (key) => {
      ended = visit(key, this.record(key));
      this.last = key;
      return ended;
    });
    return ended;
  }

  /** Ends the view: nothing is kept for it any more. */
  close(): void {
    this.kept.clear();
    this.onClose(this);
  }

  private record(key: string): KeyRecord {
    const kept = this.kept.get(key);
    if (kept !== undefined) {
      this.kept.delete(key);
      return kept;
    }
    const record = this.current(key);
    assert(record !== null, "a key that a view shows is kept when it is deleted");
    assert(record.modRevision <= this.state.revision, "a record that a view shows is kept when it is overwritten");
    return record;
  }
}
