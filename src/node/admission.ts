/**
 * How much may wait to be written. Beyond a bound of bytes more would only wait longer, and the bound follows from how
 * long the others wait: it shrinks while that is too long, and grows while it is short. So an overloaded leader says no
 * at once, and what it says yes to is done soon.
 */
import type { Millis } from "../raft/mod.ts";
import type { NodeLimits } from "./options.ts";

/** What one request brings. */
export interface Burden {
  readonly bytes: number;
  readonly count: number;
}

/** Less than this is never too much. Bytes. */
const boundBytesMin = 1024 * 1024;
/** Before anything is known about how fast this machine is. Bytes. */
const boundBytesFirst = 4 * 1024 * 1024;

export class Admission {
  private bytes = 0;
  private count = 0;
  private boundBytes: number;
  /** When the bound was lowered last: those who came before tell nothing about the new one. */
  private loweredAt: Millis = -Infinity;

  constructor(private readonly limits: Pick<NodeLimits, "waitingBytesMax" | "waitingWritesMax" | "waitGoalMs">) {
    this.boundBytes = Math.min(boundBytesFirst, limits.waitingBytesMax);
  }

  /** Whether there is room. A request that is alone always fits. */
  admits({ bytes, count }: Burden): boolean {
    if (this.count === 0) return true;
    return this.bytes + bytes <= this.boundBytes && this.count + count <= this.limits.waitingWritesMax;
  }

  enter({ bytes, count }: Burden): void {
    this.bytes += bytes;
    this.count += count;
  }

  /** The request has ended without being applied. */
  leave({ bytes, count }: Burden): void {
    this.bytes -= bytes;
    this.count -= count;
  }

  /** The request is applied. */
  leaveApplied(burden: Burden, { enteredAt, now }: { readonly enteredAt: Millis; readonly now: Millis }): void {
    this.leave(burden);
    const { waitGoalMs, waitingBytesMax } = this.limits;
    const waitedMs = now - enteredAt;
    if (waitedMs > waitGoalMs && enteredAt >= this.loweredAt) {
      this.boundBytes = Math.max(Math.min(boundBytesMin, waitingBytesMax), this.boundBytes / 2);
      this.loweredAt = now;
    } else if (waitedMs < waitGoalMs / 2) {
      this.boundBytes = Math.min(waitingBytesMax, this.boundBytes + burden.bytes);
    }
  }
}
