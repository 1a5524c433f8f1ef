/** Those who asked for a leader transfer and wait for its end. */
import type { Millis, NodeId, SoftState, Term } from "../raft/mod.ts";
import type { TransferOutcome } from "./outcomes.ts";

interface WaitingTransfer {
  readonly from: NodeId;
  readonly term: Term;
  readonly deadline: Millis;
  readonly done: (outcome: TransferOutcome) => void;
}

export class Transfers {
  private waiting: WaitingTransfer[] = [];

  /** When the next one gives up. */
  get deadline(): Millis {
    return this.waiting.reduce((earliest, transfer) => Math.min(earliest, transfer.deadline), Infinity);
  }

  add(transfer: WaitingTransfer): void {
    this.waiting.push(transfer);
  }

  /** Ends what a new leader ended. */
  onChange(soft: SoftState): void {
    this.end((transfer) =>
      soft.leader !== null && soft.term > transfer.term
        ? { kind: "transferred", leader: soft.leader, term: soft.term }
        : null,
    );
  }

  /** Ends what took too long. */
  onTime(now: Millis, leader: NodeId | null): void {
    this.end((transfer) => (now >= transfer.deadline ? { kind: "timedOut", leader } : null));
  }

  refuseAll(): void {
    this.end(() => ({ kind: "notApplied", reason: "stopping", leader: null }));
  }

  private end(outcomeOf: (transfer: WaitingTransfer) => TransferOutcome | null): void {
    const { waiting } = this;
    this.waiting = [];
    for (const transfer of waiting) {
      const outcome = outcomeOf(transfer);
      if (outcome === null) this.waiting.push(transfer);
      else transfer.done(outcome);
    }
  }
}
