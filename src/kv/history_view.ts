/**
 * The history as it was at one moment, visited once from the newest change to the oldest while compaction goes on. Costs
 * a word for each change to open, and what is cut off meanwhile.
 */
import { assert } from "../lib/assert.ts";
import { batchKeysMax } from "./key_batch.ts";
import { KeysAhead } from "./keys_ahead.ts";
import { type Row, noRow } from "./rows.ts";
import type { ViewPorts } from "./view_ports.ts";

export class HistoryView {
  /** In the order of their revisions; the first {@link left} are not visited yet. */
  private readonly changes: Int32Array;
  private left: number;
  /** Of the oldest change and of the newest that is not visited yet; -1: all are. */
  private readonly oldestRevision: number;
  private newestRevision: number;
  /** What changes replaced, where compaction cut it off. */
  private readonly kept = new Map<Row, Row>();
  /** The same, without the changes. */
  private readonly keptRows = new Set<Row>();
  /** The keys of the changes that were looked at, and how many of them are not visited yet. */
  private readonly ahead = new KeysAhead();
  private toVisit = 0;
  private closed = false;

  /** Takes over `changes`. */
  constructor(
    changes: Int32Array,
    private readonly ports: ViewPorts,
  ) {
    this.changes = changes;
    this.left = changes.length;
    this.newestRevision = this.revisionOfNext();
    this.oldestRevision = ports.versions.rows.modRevision(changes[0] ?? noRow);
  }

  /** Changes that were not visited. */
  get length(): number {
    return this.left;
  }

  /** To be called before `previous` is cut off from `change`. A change that was visited, or is younger than the view, is none of its business. */
  keep(change: Row, previous: Row): void {
    if (this.ports.versions.rows.modRevision(change) > this.newestRevision) return;
    this.kept.set(change, previous);
    this.keptRows.add(previous);
  }

  /** Whether `row`, which is no key's newest version, has still to be visited. */
  holds(row: Row): boolean {
    const revision = this.ports.versions.rows.modRevision(row);
    return revision <= this.newestRevision && (revision >= this.oldestRevision || this.keptRows.has(row));
  }

  /** Visits the next change with what it replaced. */
  visitNewest(visit: (change: Row, previous: Row) => void): void {
    assert(this.left > 0, "there is a change to visit");
    if (this.toVisit-- === 0) this.lookAhead();
    const change = this.changes[--this.left] ?? noRow;
    this.newestRevision = this.revisionOfNext();
    const kept = this.kept.get(change);
    visit(change, kept ?? this.ports.versions.rows.previous(change));
    if (kept !== undefined) {
      this.kept.delete(change);
      this.keptRows.delete(kept);
      this.ports.onVisited(kept);
    }
    this.ports.onVisited(change);
  }

  /** Ends the view: nothing is kept for it any more. It may be called again. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.left = 0;
    this.newestRevision = -1;
    this.kept.clear();
    this.keptRows.clear();
    this.ports.onClose(this);
  }

  /** Looks at all that the next visits will look at. */
  private lookAhead(): void {
    const { ahead, changes } = this;
    const { versions, table } = this.ports;
    const { rows } = versions;
    const newest = this.left - 1;
    ahead.count = Math.min(this.left, batchKeysMax);
    this.toVisit = ahead.count - 1;
    for (let i = 0; i < ahead.count; i++) ahead.numbers[i] = rows.key(changes[newest - i] ?? noRow);
    table.lookAtKeys(ahead);
    for (let i = 0; i < ahead.count; i++) ahead.rows[i] = rows.previous(changes[newest - i] ?? noRow);
    versions.lookAt(ahead);
  }

  private revisionOfNext(): number {
    return this.left === 0 ? -1 : this.ports.versions.rows.modRevision(this.changes[this.left - 1] ?? noRow);
  }
}
