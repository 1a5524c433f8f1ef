/** Decides whether few commands wait for others before they are proposed: an entry costs every node a message and a write, whatever it holds. */
import type { Millis } from "../raft/mod.ts";
import type { Batcher } from "./batcher.ts";
import type { NodeLimits } from "./options.ts";

export class Company {
  /** When to ask again although nothing has happened meanwhile; Infinity: never. */
  deadline: Millis = Infinity;
  /** Since when the first of those that wait does; Infinity: none does. */
  private since: Millis = Infinity;

  constructor(private readonly limits: NodeLimits) {}

  /**
   * Whether what is in `batcher` goes on waiting, while `underway` entries are proposed and not committed: their commit makes a
   * turn, which will find more. Where that is far, commands wait for it no longer than for each other.
   */
  waits(now: Millis, { batcher, underway }: { readonly batcher: Batcher; readonly underway: number }): boolean {
    const { uncommittedProposalsMax, batchBytesMin, writeCompanyMs } = this.limits;
    this.deadline = Infinity;
    if (underway > 0 && !batcher.isEmpty && batcher.isSmall(batchBytesMin)) {
      this.since = Math.min(this.since, now);
      if (underway >= uncommittedProposalsMax) return true;
      this.deadline = this.since + writeCompanyMs;
      if (now < this.deadline) return true;
    }
    this.since = this.deadline = Infinity;
    return false;
  }
}
