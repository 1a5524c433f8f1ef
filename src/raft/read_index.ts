/**
 * Linearizable reads without the log (thesis §6.4): note the commit index, prove by a round of heartbeats that begins
 * afterwards that this node still leads, then answer once that index is applied.
 */
import { RingQueue } from "../lib/ring_queue.ts";
import type { Index, Millis, NodeId } from "./types.ts";

/** One who waits for a read index: a token of this node, or a request of a follower. */
export type Reader =
  | { readonly kind: "local"; readonly token: number }
  | { readonly kind: "remote"; readonly from: NodeId; readonly request: number; readonly boot: number };

interface Round {
  readonly round: number;
  readonly index: Index;
  readonly startedAt: Millis;
  readonly readers: readonly Reader[];
}

export class ReadRounds {
  private waiting: Reader[] = [];
  private readonly rounds = new RingQueue<Round>();

  /** Waits for the next round; those that are under way began too early for it (rule R2). */
  add(reader: Reader): void {
    this.waiting.push(reader);
  }

  get hasWaiting(): boolean {
    return this.waiting.length > 0;
  }

  /** When the newest round on which reads ride began; -Infinity if all are answered. */
  get underWayFrom(): Millis {
    const { length } = this.rounds;
    return length === 0 ? -Infinity : this.rounds.at(length - 1).startedAt;
  }

  /** All that wait ride on `round`, which starts now, and will be answered at `index`. */
  start(round: Omit<Round, "readers">): void {
    this.rounds.push({ ...round, readers: this.waiting });
    this.waiting = [];
  }

  /** Takes out the rounds up to `round`, which a quorum has answered. */
  confirm(round: number): readonly Round[] {
    const confirmed: Round[] = [];
    for (let first = this.rounds.peek(); first !== undefined && first.round <= round; first = this.rounds.peek()) {
      confirmed.push(first);
      this.rounds.shift();
    }
    return confirmed;
  }

  /** Takes out everything and returns the tokens of this node: the office is lost, and with it the right to answer. */
  takeAll(): readonly number[] {
    const readers = [...this.confirm(Infinity).flatMap((round) => round.readers), ...this.waiting];
    this.waiting = [];
    return readers.flatMap((reader) => (reader.kind === "local" ? [reader.token] : []));
  }
}
