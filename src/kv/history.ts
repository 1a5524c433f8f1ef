/**
 * Every change since the compacted revision, in order: the versions that puts made and the tombstones that deletes left.
 * What they replaced hangs on them. Knows nothing of the keys as they are now.
 */
import { assert } from "../lib/assert.ts";
import { RingQueue } from "../lib/ring_queue.ts";
import type { KeyRecord } from "./key_record.ts";
import { isTombstone, recordBytes } from "./key_record.ts";

export class History {
  /** Invariant: mod revisions never fall, and are above {@link compactedRevision}. */
  private readonly changes = new RingQueue<KeyRecord>();
  /** The oldest revision that can be read. */
  private compacted = 1;
  /** Of all replaced versions that can be read, and of tombstones. */
  private heldBytes = 0;

  get compactedRevision(): number {
    return this.compacted;
  }

  /** Memory that goes with the compaction of everything, as {@link recordBytes} counts it. */
  get bytes(): number {
    return this.heldBytes;
  }

  get length(): number {
    return this.changes.length;
  }

  /** Change number `offset`, counted from the oldest. */
  at(offset: number): KeyRecord {
    return this.changes.at(offset);
  }

  /** Takes in the next change. */
  add(change: KeyRecord): void {
    this.changes.push(change);
    if (change.previous !== null && !isTombstone(change.previous)) this.heldBytes += recordBytes(change.previous);
    if (isTombstone(change)) this.heldBytes += recordBytes(change);
  }

  /** All changes as they are now. References, which are copied: one word each. */
  copy(): KeyRecord[] {
    return Array.from({ length: this.changes.length }, (_, offset) => this.changes.at(offset));
  }

  /** Where the changes begin whose revision is not below `revision`; the length, if there is none. */
  firstFrom(revision: number): number {
    let low = 0;
    let high = this.changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.changes.at(middle).modRevision < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Drops the changes up to `revision`. Each is handed to `onDropped`, which cuts off what it replaced; what nothing shows
   * any more it must hand back to {@link release}.
   */
  compact(revision: number, onDropped: (change: KeyRecord) => void): void {
    assert(revision > this.compacted, "compaction goes forward");
    this.compacted = revision;
    for (let oldest = this.changes.peek(); oldest !== undefined; oldest = this.changes.peek()) {
      if (oldest.modRevision > revision) return;
      this.changes.shift();
      onDropped(oldest);
    }
  }

  /** Forgets the bytes of a record that is gone. */
  release(record: KeyRecord): void {
    this.heldBytes -= recordBytes(record);
    assert(this.heldBytes >= 0, "more history was released than held");
  }

  /** The revision up to which to compact, so that the bytes fall to `bytesMax`. */
  revisionToHold(bytesMax: number): number {
    let bytes = this.heldBytes;
    let revision = this.compacted;
    for (let offset = 0; bytes > bytesMax && offset < this.changes.length; offset++) {
      const change = this.changes.at(offset);
      revision = change.modRevision;
      if (change.previous !== null && !isTombstone(change.previous)) bytes -= recordBytes(change.previous);
      if (isTombstone(change)) bytes -= recordBytes(change);
    }
    return revision;
  }

  /** Begins as an image has it. `tombstones` are the latest versions of their keys. */
  restore(of: {
    readonly compactedRevision: number;
    readonly changes: readonly KeyRecord[];
    readonly tombstones: Iterable<KeyRecord>;
  }): void {
    assert(this.changes.length === 0, "a history is restored once");
    this.compacted = of.compactedRevision;
    for (const change of of.changes) {
      this.changes.push(change);
      if (change.previous !== null) this.heldBytes += recordBytes(change.previous);
    }
    for (const tombstone of of.tombstones) this.heldBytes += recordBytes(tombstone);
  }
}
