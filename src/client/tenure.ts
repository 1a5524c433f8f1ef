/**
 * For how long something that hangs on a lease is certainly ours, by our own monotonic clock. The store counts a lease from
 * when it carries out a grant or renewal, which is after we sent it: so whoever counts from there, with a clock that is as
 * fast within a tenth, has stopped before the lease is over. Knows no lease and no timer.
 */

/** Which part of the time to live may pass before the next renewal is sent. */
const renewAfter = 1 / 3;
/** Before which part of it has passed, a renewal must be confirmed. */
const lostAfter = 7 / 10;
/** Before which part of it has passed, whatever relies on it must have stopped: the rest is for clocks that differ and processes that are late. */
const goneAfter = 9 / 10;

/** Times are on one monotonic clock, in milliseconds. */
export class Tenure {
  readonly ttlMs: number;
  private confirmedAt: number;

  /** `sentAt`: when the grant was sent that has been confirmed. */
  constructor({ ttlMs, sentAt }: { readonly ttlMs: number; readonly sentAt: number }) {
    this.ttlMs = ttlMs;
    this.confirmedAt = sentAt;
  }

  /** A renewal that was sent then is confirmed. Confirmations may come in any order. */
  confirm(sentAt: number): void {
    this.confirmedAt = Math.max(this.confirmedAt, sentAt);
  }

  /** For how long nothing has been confirmed. */
  silentMs(now: number): number {
    return now - this.confirmedAt;
  }

  /** When the next renewal should be sent. */
  get renewAt(): number {
    return this.confirmedAt + this.ttlMs * renewAfter;
  }

  /** From then on it counts as lost, unless another renewal is confirmed before. */
  get lostAt(): number {
    return this.confirmedAt + this.ttlMs * lostAfter;
  }

  /** From then on somebody else may have it: whatever relies on it must have ended. */
  get goneAt(): number {
    return this.confirmedAt + this.ttlMs * goneAfter;
  }
}
