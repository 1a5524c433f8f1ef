/**
 * Counts the time of leases by the monotonic clock of this node, and proposes what follows while it leads: that a lease is
 * over, and from time to time how much is left. Decides nothing: a lease ends when the log says so, which a leader that is
 * cut off cannot bring about.
 *
 * Every node counts, from where it applied the grant or the renewal. That is after the client sent it, so no client that
 * counts from there, with a clock as fast, believes in a lease that is over; and whoever leads next has counted already. Only
 * a node that was restarted, or far behind, begins with what the latest checkpoint says: that lengthens a lease by no more
 * than one {@link checkpointIntervalMs}, and by the time in which no node ran.
 */
import { ByteWriter } from "../lib/byte_writer.ts";
import { DeadlineHeap, type Due } from "../lib/deadline_heap.ts";
import type { LeaseClock, LeaseListener, LeaseTime, StateMachine } from "../kv/mod.ts";
import type { Millis } from "../raft/mod.ts";
import { type LeaseCheckpoint, writeLease } from "../wire/mod.ts";
import type { Propose } from "./housekeeping.ts";

/** How long after a renewal or checkpoint the next checkpoint is: half of the time to live, at most this. Milliseconds. */
const checkpointIntervalMsMax = 5 * 60_000;

/** How many leases one proposal is about, so that many that are over at once do not silence everything else. */
const leasesPerProposalMax = 1000;

/** The time of one lease since its latest renewal. Its `due` is the next checkpoint, or the end if that is earlier. */
interface Timer extends Due {
  readonly id: number;
  readonly ttlMs: number;
  readonly renewal: number;
  endsAt: Millis;
}

export class LeaseKeeper implements LeaseListener, LeaseClock {
  private readonly machine: StateMachine;
  private readonly propose: Propose;
  private readonly now: () => Millis;
  private timers = new Map<number, Timer>();
  /** The timers, but for those in the proposal that is under way. */
  private readonly heap = new DeadlineHeap<Timer>();
  /** Whether this node leads, so that what it counts is what counts. */
  private leading = false;
  private proposing = false;

  constructor(machine: StateMachine, ports: { readonly propose: Propose; readonly now: () => Millis }) {
    this.machine = machine;
    this.propose = ports.propose;
    this.now = ports.now;
    machine.listenToLeases(this);
  }

  /** Whether what is left of a lease is known here, and not only about. */
  get isLeading(): boolean {
    return this.leading;
  }

  onOffice(leading: boolean): void {
    this.leading = leading;
  }

  /** When {@link run} has something to propose; Infinity while a proposal is under way, whose end is heard of. */
  get deadline(): Millis {
    return this.leading && !this.proposing ? (this.heap.peek()?.due ?? Infinity) : Infinity;
  }

  remainingMs(id: number): number | null {
    const timer = this.timers.get(id);
    return timer === undefined ? null : Math.max(0, Math.ceil(timer.endsAt - this.now()));
  }

  onBegun(lease: LeaseTime): void {
    this.onEnded(lease.id);
    this.count(lease, this.now() + lease.remainingMs);
  }

  onCheckpoint({ id, remainingMs }: LeaseTime): void {
    const timer = this.timers.get(id);
    if (timer === undefined) return;
    const now = this.now();
    timer.endsAt = Math.min(timer.endsAt, now + remainingMs);
    if (timer.place !== -1) this.heap.move(timer, dueOf(timer, now));
  }

  onEnded(id: number): void {
    const timer = this.timers.get(id);
    if (timer === undefined) return;
    this.timers.delete(id);
    if (timer.place !== -1) this.heap.delete(timer);
  }

  onReplaced(): void {
    const before = this.timers;
    const now = this.now();
    this.timers = new Map();
    this.heap.clear();
    for (const lease of this.machine.leases()) {
      const known = before.get(lease.id);
      const knownEnd = known?.renewal === lease.renewal ? known.endsAt : Infinity;
      this.count(lease, Math.min(knownEnd, now + lease.remainingMs));
    }
  }

  /** Proposes what is due. To be called at the {@link deadline}, and in vain at any other time. */
  run(now: Millis): void {
    if (now < this.deadline) return;
    const taken = this.takeDue(now);
    const writer = new ByteWriter();
    const checkpoints: LeaseCheckpoint[] = [];
    let count = 0;
    for (const { id, renewal, endsAt } of taken) {
      if (endsAt > now) {
        checkpoints.push({ id, renewal, remainingMs: Math.ceil(endsAt - now) });
        continue;
      }
      writeLease(writer, { kind: "expire", id, renewal });
      count++;
    }
    if (checkpoints.length > 0) {
      writeLease(writer, { kind: "checkpoint", leases: checkpoints });
      count++;
    }
    this.proposing = true;
    this.propose({ commands: writer.take(), count }, () => {
      this.proposing = false;
      this.putBack(taken, now);
    });
  }

  private takeDue(now: Millis): readonly Timer[] {
    const taken: Timer[] = [];
    for (let timer = this.heap.peek(); timer !== undefined && timer.due <= now; timer = this.heap.peek()) {
      if (taken.length === leasesPerProposalMax) break;
      this.heap.delete(timer);
      taken.push(timer);
    }
    return taken;
  }

  /** What became of a proposal is heard from the state machine; whoever is still there is due again, be it at once. */
  private putBack(taken: readonly Timer[], proposedAt: Millis): void {
    for (const timer of taken) {
      if (this.timers.get(timer.id) !== timer) continue; // it ended, or was renewed
      timer.due = dueOf(timer, proposedAt);
      this.heap.add(timer);
    }
  }

  private count({ id, ttlMs, renewal }: LeaseTime, endsAt: Millis): void {
    const timer: Timer = { id, ttlMs, renewal, endsAt, due: 0, place: -1 };
    timer.due = dueOf(timer, this.now());
    this.timers.set(id, timer);
    this.heap.add(timer);
  }
}

/** When something is to be proposed about a lease, of which the log knew at `knownAt` how much was left. */
function dueOf({ ttlMs, endsAt }: Timer, knownAt: Millis): Millis {
  return Math.min(endsAt, knownAt + checkpointIntervalMs(ttlMs));
}

/** How long the leader counts before it writes to the log what is left of a time to live. Milliseconds. */
export function checkpointIntervalMs(ttlMs: number): Millis {
  return Math.min(ttlMs / 2, checkpointIntervalMsMax);
}
