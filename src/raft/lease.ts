/**
 * How long a leader may answer reads without asking anybody (thesis §6.4.1). Knows when rounds of heartbeats began, and
 * no clock.
 *
 * A voter that answers a heartbeat gives its vote to nobody for one election timeout of its own clock, whatever term it
 * enters and although it may be restarted ({@link RaftState.votesFrom}, rule R6). So from the moment in which a round
 * began that a quorum has answered, nobody else can be elected for that long: a quorum that elects would share a voter
 * with it. The one exception is a candidate that the leader itself told to campaign, and therefore a transfer ends all
 * leases of the term (rule R5).
 *
 * What this trusts, and reads that are confirmed by a round do not: the clock of no voter runs more than
 * `clockRatioMax` times as fast as the leader's. A leader whose clock leaps forward loses its lease and nothing else
 * (rule R7); a clock that stands still while the machine is suspended, or a follower's that leaps, breaks the trust.
 */
import { assert } from "../lib/assert.ts";
import { RingQueue } from "../lib/ring_queue.ts";
import type { RaftOptions } from "./state.ts";
import type { Millis } from "./types.ts";

interface Round {
  readonly round: number;
  readonly startedAt: Millis;
}

/** Rounds are remembered at most so many times in a heartbeat: reads make thousands, and an earlier one does nearly as well. */
const roundsPerHeartbeat = 8;

export class Lease {
  /** Rising. Those before the newest that a quorum answered are forgotten. */
  private readonly rounds = new RingQueue<Round>();
  private isVoid = false;

  /** A round of heartbeats is about to leave. */
  onRound(round: Round, heartbeatMs: Millis): void {
    const { length } = this.rounds;
    const newest = length === 0 ? undefined : this.rounds.at(length - 1);
    assert(newest === undefined || newest.round < round.round, "rounds are numbered upwards");
    if (newest !== undefined && round.startedAt - newest.startedAt < heartbeatMs / roundsPerHeartbeat) return;
    this.rounds.push(round);
  }

  /** Somebody may be told to campaign: no lease for the rest of the term, for that message may arrive at any time (rule R5). */
  end(): void {
    this.isVoid = true;
  }

  /** Whether at `now` nobody else can have been elected, if a quorum has answered round `ackedRound` (rule R4). */
  holds(now: Millis, ackedRound: number, options: RaftOptions): boolean {
    if (this.isVoid) return false;
    while (this.rounds.length > 1 && this.rounds.at(1).round <= ackedRound) this.rounds.shift();
    const answered = this.rounds.peek();
    if (answered === undefined || answered.round > ackedRound) return false;
    return now - answered.startedAt < options.electionTimeoutMs / options.clockRatioMax - options.leaseMarginMs;
  }
}
