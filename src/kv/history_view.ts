/**
 * The history as it was at one moment, visited once from the newest change to the oldest while compaction goes on. Costs
 * a word for each change to open, and what is cut off meanwhile.
 */
import { assert } from "../lib/assert.ts";
import type { Row, Rows } from "./rows.ts";

export class HistoryView {
  /** In the order of their revisions; the first {@link left} are not visited yet. */
  private readonly changes: Int32Array;
  private left: number;
  /** Of the newest change that is not visited yet; -1: all are. */
  private newestRevision: number;
  /** What changes replaced, where compaction cut it off. */
  private readonly kept = new Map<Row, Row>();
  private readonly onClose: (view: HistoryView) => void;

  /** Takes over `changes`. What they say must stay in `rows` until the view is closed. */
  constructor(
    private readonly rows: Rows,
    changes: Int32Array,
    onClose: (view: HistoryView) => void,
  ) {
    this.changes = changes;
    this.left = changes.length;
    this.onClose = onClose;
    this.newestRevision = this.revisionOfNext();
  }

  /** Changes that were not visited. */
  get length(): number {
    return this.left;
  }

  /** To be called before `previous` is cut off from `change`. A change that was visited, or is younger than the view, is none of its business. */
  keep(change: Row, previous: Row): void {
    if (this.rows.modRevision(change) <= this.newestRevision) this.kept.set(change, previous);
  }

  /** Visits the next change with what it replaced. */
  visitNewest(visit: (change: Row, previous: Row) => void): void {
    assert(this.left > 0, "there is a change to visit");
    const change = this.changes[--this.left] ?? 0;
    this.newestRevision = this.revisionOfNext();
    visit(change, this.kept.get(change) ?? this.rows.previous(change));
  }

  /** Ends the view: nothing is kept for it any more. */
  close(): void {
    this.left = 0;
    this.newestRevision = -1;
    this.kept.clear();
    this.onClose(this);
  }

  private revisionOfNext(): number {
    return this.left === 0 ? -1 : this.rows.modRevision(this.changes[this.left - 1] ?? 0);
  }
}
