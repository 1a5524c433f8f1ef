/** Those who wait for a proposed entry to be applied, keyed by index and term: another term at that index is another entry (rule C3). */
import { assert } from "../lib/assert.ts";
import { RingQueue } from "../lib/ring_queue.ts";
import type { EntryId, Index, Millis, NodeId } from "../raft/mod.ts";
import { resultsEnd } from "../wire/mod.ts";
import type { BatchPart } from "./batcher.ts";

interface Waiter {
  readonly id: EntryId;
  readonly parts: readonly BatchPart[];
}

export class Waiters {
  /** Invariant: indexes rise strictly. */
  private readonly queue = new RingQueue<Waiter>();
  /** When those who still wait are told that nobody knows; Infinity while this node leads. */
  deadline: Millis = Infinity;

  add(id: EntryId, parts: readonly BatchPart[]): void {
    const newest = this.queue.length === 0 ? undefined : this.queue.at(this.queue.length - 1);
    assert(newest === undefined || newest.id.index < id.index, "waiters must come in index order");
    this.queue.push({ id, parts });
  }

  /** Whether somebody waits for results of entry `index`. */
  expects({ index, term }: EntryId): boolean {
    const first = this.queue.peek();
    return first?.id.index === index && first.id.term === term;
  }

  /** Entry `id` is applied: answers its waiters with their parts of `results`, or tells them that another entry took its place. */
  onApplied(id: EntryId, results: Uint8Array, leader: NodeId | null): void {
    const first = this.queue.peek();
    if (first === undefined || first.id.index > id.index) return;
    assert(first.id.index === id.index, "an entry with waiters was skipped");
    this.queue.shift();
    if (first.id.term !== id.term) {
      // Another leader's entry is committed here, so ours never can be.
      for (const part of first.parts) part.done({ kind: "notApplied", reason: "notLeader", leader });
      return;
    }
    let offset = 0;
    for (const part of first.parts) {
      const end = resultsEnd(results, offset, part.count);
      part.done({ kind: "applied", results: results.subarray(offset, end), index: id.index });
      offset = end;
    }
    assert(offset === results.length, "every command has one result");
  }

  /** Everything up to `index` was applied elsewhere and came as a snapshot: what it made of our entries is not to be known here. */
  onSkipped(index: Index): void {
    for (let first = this.queue.peek(); first !== undefined && first.id.index <= index; first = this.queue.peek()) {
      this.queue.shift();
      for (const part of first.parts) part.done({ kind: "unknown", reason: "leadershipLost" });
    }
  }

  /** Tells all who wait that the outcome cannot be known here. */
  fail(reason: "leadershipLost" | "stopping"): void {
    this.deadline = Infinity;
    for (let waiter = this.queue.shift(); waiter !== undefined; waiter = this.queue.shift()) {
      for (const part of waiter.parts) part.done({ kind: "unknown", reason });
    }
  }

  /**
   * This node leads again. Entries of its last term that are still in its log will commit with the new one; of the
   * others nobody knows: they are gone here and may live on elsewhere.
   */
  onLeadershipWon(inLog: (id: EntryId) => boolean): void {
    this.deadline = Infinity;
    for (let remaining = this.queue.length; remaining > 0; remaining--) {
      const waiter = this.queue.shift();
      assert(waiter !== undefined, "the queue is shorter than it said");
      if (inLog(waiter.id)) this.queue.push(waiter);
      else for (const part of waiter.parts) part.done({ kind: "unknown", reason: "leadershipLost" });
    }
  }

  /** The office is lost. A successor often commits what was under way, so wait a little before giving up. */
  onLeadershipLost(deadline: Millis): void {
    if (this.queue.length > 0) this.deadline = Math.min(this.deadline, deadline);
  }
}
