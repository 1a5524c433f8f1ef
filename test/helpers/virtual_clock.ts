/** A clock that stands still until a test moves it: deferred callbacks and timers run in order, on the test's own stack. */
import type { Clock } from "../../src/node/mod.ts";

interface Timer {
  readonly deadline: number;
  readonly callback: () => void;
}

export class VirtualClock implements Clock {
  private time = 0;
  private deferred: (() => void)[] = [];
  private readonly timers = new Set<Timer>();

  now(): number {
    return this.time;
  }

  at(deadline: number, callback: () => void): () => void {
    const timer = { deadline, callback };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  }

  defer(callback: () => void): void {
    this.deferred.push(callback);
  }

  /** Runs what was deferred. Returns whether there was anything. */
  runDeferred(): boolean {
    const { deferred } = this;
    this.deferred = [];
    for (const callback of deferred) callback();
    return deferred.length > 0;
  }

  /** Lets time pass, firing the timers that are due on the way, each followed by `settle`. */
  advance(milliseconds: number, settle: () => void): void {
    const end = this.time + milliseconds;
    for (;;) {
      const next = [...this.timers].sort((a, b) => a.deadline - b.deadline)[0];
      if (next === undefined || next.deadline > end) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.deadline);
      next.callback();
      settle();
    }
    this.time = end;
    settle();
  }
}
