/**
 * The live keys as they were at one moment, visited once in their order while commands go on changing them. Costs nothing
 * to open: the versions are those of the key space, but for the ones that a command replaced or removed meanwhile, which
 * are kept here until they have been visited.
 */
import { assert } from "../lib/assert.ts";
import { batchKeysMax } from "./key_batch.ts";
import { lowerBound } from "./key_table.ts";
import { KeysAhead } from "./keys_ahead.ts";
import type { OrderedKeys } from "./ordered_keys.ts";
import { type KeyNumber, type Row, noKey } from "./rows.ts";
import type { ViewPorts } from "./view_ports.ts";

export class KeyView {
  readonly keyCount: number;
  /** The last key visited; none before the first. */
  private last: KeyNumber = noKey;
  /** The versions of the view that the key space has no more, of keys that are not visited yet. */
  private readonly kept = new Map<KeyNumber, Row>();
  /** The keys that were looked for, and how many of them were visited. */
  private readonly ahead = new KeysAhead();
  private visited = 0;
  /** Those behind them; null before the first visit. */
  private rest: IterableIterator<KeyNumber> | null = null;
  private closed = false;

  /** `order` holds exactly the keys of the view, and is never changed. */
  constructor(
    private readonly of: { readonly order: OrderedKeys<KeyNumber>; readonly revision: number },
    private readonly ports: ViewPorts,
  ) {
    this.keyCount = of.order.size;
  }

  /** To be called before the newest version of a key is replaced or removed. One younger than the view is none of its business. */
  keep(row: Row): void {
    const { table, versions } = this.ports;
    const { rows } = versions;
    if (rows.modRevision(row) > this.of.revision) return;
    const key = rows.key(row);
    const isToCome = this.last === noKey || table.compare(key, this.last) > 0;
    if (isToCome) this.kept.set(key, row);
  }

  /** Whether `row`, which is no key's newest version, has still to be visited. */
  holds(row: Row): boolean {
    const { rows } = this.ports.versions;
    return rows.modRevision(row) <= this.of.revision && this.kept.get(rows.key(row)) === row;
  }

  /** Visits the keys that were not visited yet, until `visit` returns false. Returns whether all of them are visited now. */
  visit(visit: (row: Row) => boolean): boolean {
    const { ahead } = this;
    while (this.visited < ahead.count || this.lookAhead()) {
      const key = ahead.numbers[this.visited++] ?? noKey;
      const goesOn = this.visitKey(key, visit);
      this.last = key;
      if (!goesOn) return this.visited === ahead.count && !this.lookAhead();
    }
    return true;
  }

  /** Ends the view: nothing is kept for it any more. It may be called again. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.kept.clear();
    this.ports.onClose(this);
  }

  /** Finds the next keys, and looks at all that visits of them will look at. Returns whether there are any. */
  private lookAhead(): boolean {
    const { ahead } = this;
    const { table, versions } = this.ports;
    this.rest ??= this.keysInOrder();
    this.visited = ahead.count = 0;
    while (ahead.count < batchKeysMax) {
      const next: IteratorResult<KeyNumber, unknown> = this.rest.next();
      if (next.done === true) break;
      ahead.numbers[ahead.count++] = next.value;
    }
    table.lookAtKeys(ahead);
    versions.lookAt(ahead);
    return ahead.count > 0;
  }

  private keysInOrder(): IterableIterator<KeyNumber> {
    this.ports.table.setBounds({ start: new Uint8Array(0), end: null });
    return this.of.order.from(lowerBound);
  }

  private visitKey(key: KeyNumber, visit: (row: Row) => boolean): boolean {
    const kept = this.kept.get(key);
    if (kept === undefined) return visit(this.newest(key));
    const goesOn = visit(kept);
    this.kept.delete(key);
    this.ports.onVisited(kept);
    return goesOn;
  }

  private newest(key: KeyNumber): Row {
    const { table, versions } = this.ports;
    const { rows } = versions;
    const row = table.newest(key);
    assert(rows.version(row) > 0, "a key that a view shows is kept when it is deleted");
    assert(rows.modRevision(row) <= this.of.revision, "a version that a view shows is kept when it is overwritten");
    return row;
  }
}
