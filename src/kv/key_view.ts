/**
 * The live keys as they were at one moment, visited once in their order while commands go on changing them. Costs nothing
 * to open: the versions are those of the key space, but for the ones that a command replaced or removed meanwhile, which
 * are kept here until they have been visited.
 */
import { assert } from "../lib/assert.ts";
import { type KeyTable, lowerBound } from "./key_table.ts";
import type { OrderedKeys } from "./ordered_keys.ts";
import { type KeyNumber, type Row, type Rows, noKey } from "./rows.ts";

export class KeyView {
  readonly keyCount: number;
  /** The last key visited; none before the first. */
  private last: KeyNumber = noKey;
  /** The versions of the view that the key space has no more, of keys that are not visited yet. */
  private readonly kept = new Map<KeyNumber, Row>();

  /**
   * `order` holds exactly the keys of the view, and is never changed. What the versions say must stay in `rows`, and no number
   * of a key may be given to another, until the view is closed.
   */
  constructor(
    private readonly order: OrderedKeys<KeyNumber>,
    private readonly of: {
      readonly revision: number;
      readonly table: KeyTable;
      readonly rows: Rows;
      readonly onClose: (view: KeyView) => void;
    },
  ) {
    this.keyCount = order.size;
  }

  /** To be called before the newest version of a key is replaced or removed. One younger than the view is none of its business. */
  keep(row: Row): void {
    const { rows, revision, table } = this.of;
    const key = rows.key(row);
    const isToCome = this.last === noKey || table.compare(key, this.last) > 0;
    if (isToCome && rows.modRevision(row) <= revision) this.kept.set(key, row);
  }

  /** Visits the keys that were not visited yet, until `visit` returns false. Returns whether all of them are visited now. */
  visit(visit: (row: Row) => boolean): boolean {
    const { last } = this;
    let ended = true;
    if (last === noKey) this.of.table.setBounds({ start: new Uint8Array(0), end: null });
    this.order.scan({ start: last === noKey ? lowerBound : last, end: null }, (key) => {
      if (key === last) return true;
      ended = visit(this.row(key));
      this.last = key;
      return ended;
    });
    return ended;
  }

  /** Ends the view: nothing is kept for it any more. */
  close(): void {
    this.kept.clear();
    this.of.onClose(this);
  }

  private row(key: KeyNumber): Row {
    const kept = this.kept.get(key);
    if (kept !== undefined) {
      this.kept.delete(key);
      return kept;
    }
    const { table, rows, revision } = this.of;
    const row = table.newest(key);
    assert(rows.version(row) > 0, "a key that a view shows is kept when it is deleted");
    assert(rows.modRevision(row) <= revision, "a version that a view shows is kept when it is overwritten");
    return row;
  }
}
