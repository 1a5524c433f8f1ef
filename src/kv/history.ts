/**
 * Every change since the compacted revision, in order: the versions that puts made and the tombstones that deletes left.
 * What they replaced hangs on them. Knows nothing of the keys as they are now.
 */
import { assert } from "../lib/assert.ts";
import { RingQueue } from "../lib/ring_queue.ts";
import { type Row, noRow } from "./rows.ts";
import type { Versions } from "./versions.ts";

/** How many changes are looked at together: few enough to be at hand still when it is their turn. */
const fetchedChanges = 32;

export class History {
  /** Invariant: mod revisions never fall, and are above {@link compactedRevision}. */
  private readonly changes = new RingQueue<Row>();
  /** The oldest revision that can be read. */
  private compacted = 1;
  private readonly fetched = new Int32Array(fetchedChanges);
  /** Of all replaced versions that can be read, and of tombstones. */
  private heldBytes = 0;

  constructor(private readonly versions: Versions) {}

  get compactedRevision(): number {
    return this.compacted;
  }

  /** Memory that goes with the compaction of everything. */
  get bytes(): number {
    return this.heldBytes;
  }

  get length(): number {
    return this.changes.length;
  }

  /** Change number `offset`, counted from the oldest. */
  at(offset: number): Row {
    return this.changes.at(offset);
  }

  /** Takes in the next change; `bytes` are those of the versions that go when it is compacted. */
  add(change: Row, bytes: number): void {
    this.changes.push(change);
    this.heldBytes += bytes;
  }

  /** All changes as they are now: one word each. */
  copy(): Int32Array {
    const copied = new Int32Array(this.changes.length);
    for (let offset = 0; offset < copied.length; offset++) copied[offset] = this.changes.at(offset);
    return copied;
  }

  /** Where the changes begin whose revision is not below `revision`; the length, if there is none. */
  firstFrom(revision: number): number {
    const { rows } = this.versions;
    let low = 0;
    let high = this.changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (rows.modRevision(this.changes.at(middle)) < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Drops the changes up to `revision`. Each is handed to `onDropped`, which cuts off what it replaced; what nothing shows
   * any more it must hand back to {@link release}.
   */
  compact(revision: number, onDropped: (change: Row) => void): void {
    assert(revision > this.compacted, "compaction goes forward");
    const { rows } = this.versions;
    this.compacted = revision;
    for (let dropped = 0; ; dropped++) {
      if (dropped % fetchedChanges === 0) this.fetch();
      const oldest = this.changes.peek();
      if (oldest === undefined || rows.modRevision(oldest) > revision) return;
      this.changes.shift();
      onDropped(oldest);
    }
  }

  /**
   * Looks at the oldest changes and what they replaced, which lie anywhere in memory: all at once takes little longer than
   * one of them, and one by one each would be waited for.
   */
  private fetch(): void {
    const { rows } = this.versions;
    const count = Math.min(fetchedChanges, this.changes.length);
    for (let i = 0; i < count; i++) this.fetched[i] = rows.previous(this.changes.at(i));
    for (let i = 0; i < count; i++) this.fetched[i] = rows.length(this.fetched[i] ?? noRow);
  }

  /** A version of so many bytes is gone. */
  release(bytes: number): void {
    this.heldBytes -= bytes;
    assert(this.heldBytes >= 0, "more history was released than held");
  }

  /** The revision up to which to compact, so that the bytes fall to `bytesMax`. */
  revisionToHold(bytesMax: number): number {
    let bytes = this.heldBytes;
    let revision = this.compacted;
    for (let offset = 0; bytes > bytesMax && offset < this.changes.length; offset++) {
      const change = this.changes.at(offset);
      revision = this.versions.rows.modRevision(change);
      bytes -= this.bytesBehind(change);
    }
    return revision;
  }

  /** Begins as an image has it, the oldest change first. `tombstones` are those that are the newest versions of their keys. */
  restore(of: {
    readonly compactedRevision: number;
    readonly changes: readonly Row[];
    readonly tombstones: readonly Row[];
  }): void {
    assert(this.changes.length === 0, "a history is restored once");
    const { versions } = this;
    this.compacted = of.compactedRevision;
    for (const change of of.changes) {
      this.changes.push(change);
      const previous = versions.rows.previous(change);
      if (previous !== noRow) this.heldBytes += versions.bytes(previous);
    }
    for (const tombstone of of.tombstones) this.heldBytes += versions.bytes(tombstone);
  }

  /** What goes when `change` is dropped: the version that it replaced, and itself where it is a tombstone. */
  private bytesBehind(change: Row): number {
    const { versions } = this;
    const previous = versions.rows.previous(change);
    const replaced = previous === noRow || versions.isTombstone(previous) ? 0 : versions.bytes(previous);
    return replaced + (versions.isTombstone(change) ? versions.bytes(change) : 0);
  }
}
