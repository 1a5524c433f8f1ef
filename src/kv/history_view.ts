/**
 * The history as it was at one moment, visited once from the newest change to the oldest while compaction goes on. Costs
 * a reference for each change to open, and what is cut off meanwhile.
 */
import { assert } from "../lib/assert.ts";
import type { KeyRecord } from "./key_record.ts";

export class HistoryView {
  readonly compactedRevision: number;
  /** In the order of their revisions; those that were visited are gone. */
  private changes: KeyRecord[];
  private readonly onClose: (view: HistoryView) => void;
  /** What changes replaced, where compaction cut it off. */
  private readonly kept = new Map<KeyRecord, KeyRecord>();

  /** Takes over `changes`. */
  constructor(compactedRevision: number, changes: KeyRecord[], onClose: (view: HistoryView) => void) {
    this.compactedRevision = compactedRevision;
    this.changes = changes;
    this.onClose = onClose;
  }

  /** Changes that were not visited. */
  get length(): number {
    return this.changes.length;
  }

  /** To be called before `previous` is cut off from `change`. A change that was visited, or is younger than the view, is none of its business. */
  keep(change: KeyRecord, previous: KeyRecord): void {
    const newest = this.changes.at(-1);
    if (newest !== undefined && change.modRevision <= newest.modRevision) this.kept.set(change, previous);
  }

  /** Visits the next change with what it replaced. */
  visitNewest(visit: (change: KeyRecord, previous: KeyRecord | null) => void): void {
    const change = this.changes.pop();
    assert(change !== undefined, "there is a change to visit");
    visit(change, this.kept.get(change) ?? change.previous);
  }

  /** Ends the view: nothing is kept for it any more. */
  close(): void {
    this.changes = [];
    this.kept.clear();
    this.onClose(this);
  }
}
