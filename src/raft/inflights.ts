/** The window of appends to one follower that are sent and not acknowledged, bounded in number and in bytes (rule L10). */
import { assert } from "../lib/assert.ts";
import { RingQueue } from "../lib/ring_queue.ts";
import type { Index } from "./types.ts";

interface Inflight {
  readonly lastIndex: Index;
  readonly bytes: number;
}

export class Inflights {
  private readonly queue = new RingQueue<Inflight>();
  private bytes = 0;

  constructor(
    private readonly messagesMax: number,
    private readonly bytesMax: number,
  ) {}

  get length(): number {
    return this.queue.length;
  }

  get full(): boolean {
    return this.queue.length >= this.messagesMax || this.bytes >= this.bytesMax;
  }

  add(inflight: Inflight): void {
    assert(!this.full, "sent beyond the window");
    this.queue.push(inflight);
    this.bytes += inflight.bytes;
  }

  /** Everything up to `index` was acknowledged. */
  freeTo(index: Index): void {
    for (let first = this.queue.peek(); first !== undefined && first.lastIndex <= index; first = this.queue.peek()) {
      this.bytes -= first.bytes;
      this.queue.shift();
    }
  }

  clear(): void {
    this.queue.clear();
    this.bytes = 0;
  }
}
