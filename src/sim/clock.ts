/**
 * The clock of one machine: it starts anywhere, runs a little fast or slow, and may leap forward; it never goes back and
 * knows no date. Timers that come due are handed to the machine, which may be asleep.
 */
import { assert } from "../lib/assert.ts";
import type { Clock } from "../node/mod.ts";
import type { Planned, Timeline } from "./timeline.ts";

/** Who runs the callbacks of a clock. */
export interface ClockOwner {
  timer(callback: () => void): void;
  /** What was deferred: comes after what has arrived, and perhaps a little later. */
  turn(callback: () => void): void;
}

interface Timer {
  readonly deadline: number;
  readonly callback: () => void;
  planned: Planned | null;
}

export class SimClock implements Clock {
  /** Local time runs through `localAt` at `realAt`, at `rate` local milliseconds a millisecond. */
  private realAt: number;
  private localAt: number;
  private rate = 1;
  private readonly timers = new Set<Timer>();

  constructor(
    private readonly timeline: Timeline,
    private readonly owner: ClockOwner,
    options: { readonly offsetMs: number },
  ) {
    this.realAt = timeline.now;
    this.localAt = options.offsetMs;
  }

  now(): number {
    return this.localAt + (this.timeline.now - this.realAt) * this.rate;
  }

  at(deadline: number, callback: () => void): () => void {
    const timer: Timer = { deadline, callback, planned: null };
    this.timers.add(timer);
    this.arm(timer);
    return () => {
      timer.planned?.callOff();
      this.timers.delete(timer);
    };
  }

  defer(callback: () => void): void {
    this.owner.turn(callback);
  }

  /** From now on a second of the world takes `rate` seconds here. */
  setRate(rate: number): void {
    assert(rate > 0, "a clock never goes back");
    this.settle(this.now());
    this.rate = rate;
    this.rearm();
  }

  leap(forwardMs: number): void {
    assert(forwardMs >= 0, "a clock never goes back");
    this.settle(this.now() + forwardMs);
    this.rearm();
  }

  /** Forgets all timers: whoever set them is gone. */
  clear(): void {
    for (const timer of this.timers) timer.planned?.callOff();
    this.timers.clear();
  }

  private settle(localNow: number): void {
    this.realAt = this.timeline.now;
    this.localAt = localNow;
  }

  private rearm(): void {
    for (const timer of this.timers) {
      timer.planned?.callOff();
      this.arm(timer);
    }
  }

  private arm(timer: Timer): void {
    const waitMs = Math.max(0, (timer.deadline - this.now()) / this.rate);
    timer.planned = this.timeline.after(waitMs, () => {
      // Rounding must not make a timer come early.
      if (this.now() < timer.deadline) this.settle(timer.deadline);
      // Still in the set while it waits for a machine that is asleep, so that it can be called off.
      this.owner.timer(() => {
        if (this.timers.delete(timer)) timer.callback();
      });
    });
  }
}
