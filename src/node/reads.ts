/** Reads that wait: first for an index at which they are linearizable, all that arrive together, then for that index to be applied. */
import { assert } from "../lib/assert.ts";
import type { Index, Millis, ReadState } from "../raft/mod.ts";
import type { NodeLimits } from "./options.ts";
import type { ReadOutcome, RefusalReason } from "./outcomes.ts";

/** One client request: `count` queries back to back. */
export interface ReadRequest {
  readonly queries: Uint8Array;
  readonly count: number;
  readonly done: (outcome: ReadOutcome) => void;
}

interface ReadGroup {
  readonly index: Index;
  readonly requests: readonly ReadRequest[];
}

export class Reads {
  /** Reads of this turn that trust a lease. */
  private leased: ReadRequest[] = [];
  /** The others, perhaps of some turns before, too. */
  private arrived: ReadRequest[] = [];
  /** How many of them were there in the turn before; and since when the first waits. */
  private arrivedSeen = 0;
  private arrivedFrom: Millis = 0;
  /** How many the last index was for. */
  private askedLast = 0;
  /** Reads whose index was asked for, by token. */
  private readonly asked = new Map<number, readonly ReadRequest[]>();
  /** Reads whose index is not applied yet, in no special order: there are few, and seldom any. */
  private confirmed: ReadGroup[] = [];
  private token = 0;
  /** All that wait, and the bytes of their queries. */
  private count = 0;
  private bytes = 0;

  /** Whether more would only wait longer. */
  isFull({ waitingReadsMax, waitingReadBytesMax }: NodeLimits): boolean {
    return this.count >= waitingReadsMax || this.bytes >= waitingReadBytesMax;
  }

  add(request: ReadRequest, { lease }: { readonly lease: boolean }): void {
    (lease ? this.leased : this.arrived).push(request);
    this.count++;
    this.bytes += request.queries.length;
  }

  /**
   * Whether those that arrived should wait for the next turn, in which this is to be asked again. Of many that come at the same
   * time a turn finds some, and the confirmation of each handful costs every node a message and a turn. Where the last
   * index was for few, nobody waits.
   */
  waitForCompany(now: Millis, { readCompanyMin, readCompanyMs }: NodeLimits): boolean {
    const { length } = this.arrived;
    if (this.arrivedSeen === 0) this.arrivedFrom = now;
    if (length <= this.arrivedSeen || this.askedLast < readCompanyMin) return false;
    if (now >= this.arrivedFrom + readCompanyMs) return false;
    this.arrivedSeen = length;
    return true;
  }

  /** Tokens under which an index is to be asked for, for all that arrived since the last call: at most one with a lease and one without. */
  takeArrived({
    leasedOnly,
  }: {
    readonly leasedOnly: boolean;
  }): readonly { readonly token: number; readonly lease: boolean }[] {
    const requests: { readonly token: number; readonly lease: boolean }[] = [];
    if (this.leased.length > 0) {
      this.asked.set(++this.token, this.leased);
      requests.push({ token: this.token, lease: true });
      this.leased = [];
    }
    if (this.arrived.length > 0 && !leasedOnly) {
      this.askedLast = this.arrived.length;
      this.arrivedSeen = 0;
      this.asked.set(++this.token, this.arrived);
      requests.push({ token: this.token, lease: false });
      this.arrived = [];
    }
    return requests;
  }

  /** The core decided a token: its reads can be answered at an index, or must be refused. Returns those to refuse. */
  onDecided(state: ReadState): readonly ReadRequest[] {
    const requests = this.asked.get(state.token);
    assert(requests !== undefined, "a read was decided twice");
    this.asked.delete(state.token);
    if (state.index !== null) {
      this.confirmed.push({ index: state.index, requests });
      return [];
    }
    this.forget(requests);
    return requests;
  }

  /** Takes out the reads that can be answered once everything up to `appliedIndex` is applied. */
  takeAnswerable(appliedIndex: Index): readonly ReadRequest[] {
    if (this.confirmed.length === 0) return [];
    const answerable: ReadRequest[] = [];
    const later: ReadGroup[] = [];
    for (const group of this.confirmed) {
      if (group.index > appliedIndex) later.push(group);
      else for (const request of group.requests) answerable.push(request);
    }
    this.confirmed = later;
    this.forget(answerable);
    return answerable;
  }

  /** Takes out the reads that wait for their index to be applied: nobody is there any more from whom it could come. */
  takeConfirmed(): readonly ReadRequest[] {
    if (this.confirmed.length === 0) return [];
    const requests = this.confirmed.flatMap((group) => group.requests);
    this.confirmed = [];
    this.forget(requests);
    return requests;
  }

  /** Refuses all that wait. */
  refuseAll(reason: RefusalReason): void {
    const groups = [
      this.leased,
      this.arrived,
      ...this.asked.values(),
      ...this.confirmed.map((group) => group.requests),
    ];
    this.leased = [];
    this.arrived = [];
    this.arrivedSeen = 0;
    this.asked.clear();
    this.confirmed = [];
    this.count = 0;
    this.bytes = 0;
    for (const request of groups.flat()) request.done({ kind: "notApplied", reason, leader: null });
  }

  /** They wait no longer. */
  private forget(requests: readonly ReadRequest[]): void {
    this.count -= requests.length;
    for (const { queries } of requests) this.bytes -= queries.length;
  }
}
