/** Decides whether few commands wait for others before they are proposed: an entry costs every node a message and a write, whatever it holds. */
import type { Millis } from "../raft/mod.ts";
import type { Batcher } from "./batcher.ts";
import type { NodeLimits } from "./options.ts";

/**
 * Two commits make company. One that is under way makes a turn, which will find more than there is now; where it is far, commands
 * wait no longer for it than for each other. And one that has just been made lets those whom it answers ask again, mostly
 * at once: without them and the few that came meanwhile, clients would fall into groups that take turns, each with a commit of its own.
 */
export class Company {
  /** When to ask again although nothing has happened meanwhile; Infinity: never. */
  deadline: Millis = Infinity;
  /** Since when the first of those that wait for a commit does; Infinity: none does. */
  private since: Millis = Infinity;
  /** Entries under way, the last time that somebody asked. */
  private underway = 0;
  /** Requests in the newest proposal. */
  private proposedRequests = 0;
  /** How many requests are to be expected after the last commit, and until when. */
  private expectedRequests = 0;
  private expectedUntil: Millis = -Infinity;

  constructor(private readonly limits: NodeLimits) {}

  /** So many requests were proposed in one entry. */
  onProposed(requests: number): void {
    this.proposedRequests = requests;
  }

  /** Whether what is in `batcher` goes on waiting, while `underway` entries of a leader are not committed. */
  waits(now: Millis, { batcher, underway }: { readonly batcher: Batcher; readonly underway: number }): boolean {
    if (underway < this.underway) {
      this.expectedRequests = this.proposedRequests + batcher.openRequests;
      this.expectedUntil = now + this.limits.writeCompanyMs;
    }
    this.underway = underway;
    this.deadline = Infinity;
    const isFew = batcher.openRequests > 0 && batcher.isSmall(this.limits.batchBytesMin);
    const waits = isFew && (underway > 0 ? this.waitsForCommit(now, underway) : this.waitsForReturn(now, batcher));
    if (!waits) this.since = this.deadline = Infinity;
    return waits;
  }

  private waitsForCommit(now: Millis, underway: number): boolean {
    this.since = Math.min(this.since, now);
    if (underway >= this.limits.uncommittedProposalsMax) return true;
    this.deadline = this.since + this.limits.writeCompanyMs;
    return now < this.deadline;
  }

  private waitsForReturn(now: Millis, { openRequests }: Batcher): boolean {
    this.deadline = this.expectedUntil;
    return openRequests < this.expectedRequests && now < this.expectedUntil;
  }
}
