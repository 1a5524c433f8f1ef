/** Those who asked for another configuration and wait until it is committed. */
import { type Entry, type EntryId, isJoint, type Membership, type Millis, type NodeId } from "../raft/mod.ts";
import type { MembershipOutcome } from "./membership.ts";

interface WaitingChange {
  /** The entry that began it. */
  readonly id: EntryId;
  readonly before: Membership;
  readonly done: (outcome: MembershipOutcome) => void;
}

export class MembershipChanges {
  private waiting: WaitingChange[] = [];
  /** When those who wait are told that nobody knows; Infinity while this node leads. */
  deadline: Millis = Infinity;

  add(change: WaitingChange): void {
    this.waiting.push(change);
  }

  /** `membership` is in force at `entry`, which was applied. */
  onApplied(entry: Entry, membership: () => Membership, leader: NodeId | null): void {
    if (this.waiting.length === 0) return;
    this.end(({ id, before }) => {
      // Another leader's entry is committed here, so ours never can be.
      if (entry.index === id.index && entry.term !== id.term)
        return { kind: "notApplied", reason: "notLeader", leader };
      if (entry.index < id.index || entry.kind !== "membership" || isJoint(membership())) return null;
      return { kind: "changed", before, after: membership() };
    });
  }

  /** The office is lost. A successor ends what is under way, so wait a little before giving up. */
  onLeadershipLost(deadline: Millis): void {
    if (this.waiting.length > 0) this.deadline = Math.min(this.deadline, deadline);
  }

  /** This node leads again: a change whose entry is gone from its log may live on elsewhere, but nobody here will hear of it. */
  onLeadershipWon(inLog: (id: EntryId) => boolean): void {
    this.deadline = Infinity;
    this.end(({ id }) => (inLog(id) ? null : { kind: "unknown", reason: "leadershipLost" }));
  }

  fail(reason: "leadershipLost" | "stopping"): void {
    this.deadline = Infinity;
    this.end(() => ({ kind: "unknown", reason }));
  }

  private end(outcomeOf: (change: WaitingChange) => MembershipOutcome | null): void {
    const { waiting } = this;
    this.waiting = [];
    for (const change of waiting) {
      const outcome = outcomeOf(change);
      if (outcome === null) this.waiting.push(change);
      else change.done(outcome);
    }
  }
}
