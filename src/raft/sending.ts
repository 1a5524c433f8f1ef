/** The image of a snapshot on its way to one follower: a window of chunks that opens while they arrive, and closes when they do not. */
import { assert } from "../lib/assert.ts";
import type { Millis, SnapshotInfo } from "./types.ts";

export class Sending {
  /** What the follower holds, from the beginning of the image. Only rises. */
  received = 0;
  /** Everything between `received` and `next` is in flight. */
  private next = 0;
  /** Chunks that may be in flight: one at first and after a stall, then twice as many with each that arrives. */
  private window = 1;
  /** `received` at the last look. */
  private receivedSeen = 0;
  /** Looks without an arrival, and at which of them all is sent again. */
  private stillLooks = 0;
  private againAt: number;
  private progressAt: Millis;

  constructor(
    readonly snapshot: SnapshotInfo,
    private readonly limits: {
      readonly chunkBytesMax: number;
      readonly inflightMax: number;
      /** {@link patienceLooks} of the transfer before it that came to nothing; 1 for the first. */
      readonly patienceLooks: number;
      readonly now: Millis;
    },
  ) {
    this.againAt = limits.patienceLooks;
    this.progressAt = limits.now;
  }

  /** The next chunk to send; null while the window is full or all is sent. */
  take(): { readonly offset: number; readonly length: number } | null {
    const { chunkBytesMax } = this.limits;
    const length = Math.min(chunkBytesMax, this.snapshot.bytes - this.next);
    if (length === 0 || this.next - this.received >= this.window * chunkBytesMax) return null;
    const offset = this.next;
    this.next += length;
    return { offset, length };
  }

  onReceived(received: number, now: Millis): void {
    if (received <= this.received) return;
    assert(received <= this.snapshot.bytes, "a follower cannot hold more than there is");
    this.received = received;
    this.next = Math.max(this.next, received);
    this.window = Math.min(2 * this.window, this.limits.inflightMax);
    this.progressAt = now;
  }

  /**
   * A heartbeat was answered: what does not move may be lost, and is sent again, carefully. It may also be on a slow way, on
   * which heartbeats overtake it: so each time after twice as many looks, and the next chunk after twice as many as this one
   * took, or the way would be full of what was sent again.
   */
  look(): void {
    if (this.received !== this.receivedSeen) {
      this.receivedSeen = this.received;
      this.againAt = Math.max(1, 2 * this.stillLooks);
      this.stillLooks = 0;
      return;
    }
    if (++this.stillLooks < this.againAt) return;
    this.againAt *= 2;
    this.next = this.received;
    this.window = 1;
  }

  /** After how many answered heartbeats without an arrival all is sent again. */
  get patienceLooks(): number {
    return this.againAt;
  }

  /** For how long nothing has arrived. */
  stalledMs(now: Millis): Millis {
    return now - this.progressAt;
  }
}
