/**
 * Many deadlines on one timer. Requests come and go by the thousand and almost none times out, so adding and removing
 * is a set operation; the timer runs only when the earliest deadline that it ever saw has come.
 */

/** What the timer is made of; a node's clock has both. */
export interface Timers {
  /** Milliseconds that never go back. */
  now(): number;
  /** Calls `callback` once, no earlier than `deadline`; returns how to prevent that. */
  at(deadline: number, callback: () => void): () => void;
}

/** Who waits: compared by identity. */
export interface Waiter {
  /** On the clock of {@link Timers}, in milliseconds. Must not change while it waits. */
  readonly deadline: number;
}

export class Deadlines<T extends Waiter> {
  private readonly timers: Timers;
  private readonly onExpired: (waiter: T) => void;
  private readonly waiting = new Set<T>();
  private cancelTimer: (() => void) | null = null;
  /** When the timer fires: no later than any deadline in `waiting`. Infinity without a timer. */
  private timerDeadline = Infinity;

  /** `onExpired` is called for each waiter once its deadline has come, after it was removed. */
  constructor(timers: Timers, onExpired: (waiter: T) => void) {
    this.timers = timers;
    this.onExpired = onExpired;
  }

  add(waiter: T): void {
    this.waiting.add(waiter);
    if (waiter.deadline < this.timerDeadline) this.arm(waiter.deadline);
  }

  /** Whether `waiter` was still there. */
  delete(waiter: T): boolean {
    return this.waiting.delete(waiter);
  }

  /** Removes all waiters and stops the timer; returns them. */
  clear(): T[] {
    const waiting = [...this.waiting];
    this.waiting.clear();
    this.cancelTimer?.();
    this.cancelTimer = null;
    this.timerDeadline = Infinity;
    return waiting;
  }

  private arm(deadline: number): void {
    this.cancelTimer?.();
    this.timerDeadline = deadline;
    this.cancelTimer = this.timers.at(deadline, () => {
      this.expire();
    });
  }

  private expire(): void {
    this.cancelTimer = null;
    this.timerDeadline = Infinity;
    const now = this.timers.now();
    const expired: T[] = [];
    let next = Infinity;
    for (const waiter of this.waiting) {
      if (waiter.deadline <= now) expired.push(waiter);
      else if (waiter.deadline < next) next = waiter.deadline;
    }
    for (const waiter of expired) {
      if (this.waiting.delete(waiter)) this.onExpired(waiter); // the end of one may have ended another
    }
    if (next < this.timerDeadline) this.arm(next);
  }
}
