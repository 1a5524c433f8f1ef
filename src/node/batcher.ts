/** Collects the commands of a turn into payloads, each of which becomes one log entry: load makes batches bigger, not queues longer. */
import { ByteWriter } from "../lib/byte_writer.ts";
import { RingQueue } from "../lib/ring_queue.ts";
import { payloadVersion } from "../wire/mod.ts";
import type { WriteOutcome } from "./outcomes.ts";
import type { WriteRequest } from "./service.ts";

/** One client request inside a payload: the next `count` of its commands, and who waits for their results. */
export interface BatchPart {
  readonly count: number;
  readonly done: (outcome: WriteOutcome) => void;
}

/** A payload that is complete, with its parts in order. */
export interface Batch {
  readonly payload: Uint8Array;
  readonly parts: readonly BatchPart[];
}

/** From here on a copy, whose memory is new each time, costs more than an entry of its own. Bytes. */
const adoptedBytesMin = 16 * 1024;

export class Batcher {
  private readonly open = new ByteWriter(4096);
  private parts: BatchPart[] = [];
  private readonly sealed = new RingQueue<Batch>();

  constructor(private readonly payloadBytesMax: number) {}

  /** Adds commands that must stay together. Few are copied behind each other; many become a payload where they lie. */
  add({ commands, owned }: WriteRequest, part: BatchPart): void {
    if (owned === true && commands.length >= adoptedBytesMin) this.adopt(commands, part);
    else this.copy(commands, part);
  }

  private copy(commands: Uint8Array, part: BatchPart): void {
    if (this.open.length > 0 && this.open.length + commands.length > this.payloadBytesMax) this.seal();
    if (this.open.length === 0) this.open.u8(payloadVersion);
    this.open.bytes(commands);
    this.parts.push(part);
    if (this.open.length >= this.payloadBytesMax) this.seal();
  }

  /** Requests in the open batch. */
  get openRequests(): number {
    return this.parts.length;
  }

  /** Whether all that waits is one open batch of less than `bytesMin`. */
  isSmall(bytesMin: number): boolean {
    return this.sealed.length === 0 && this.open.length < bytesMin;
  }

  /** The oldest batch, sealing the open one if no other waits; it stays until {@link drop}. */
  peek(): Batch | undefined {
    if (this.sealed.length === 0 && this.open.length > 0) this.seal();
    return this.sealed.peek();
  }

  /** Forgets the oldest batch: it was proposed. */
  drop(): void {
    this.sealed.shift();
  }

  /** Takes out everybody who waits: none of their commands was proposed. */
  takeAll(): readonly BatchPart[] {
    const parts: BatchPart[] = [];
    for (let batch = this.peek(); batch !== undefined; batch = this.peek()) {
      for (const part of batch.parts) parts.push(part);
      this.drop();
    }
    return parts;
  }

  private seal(): void {
    const { parts } = this;
    this.parts = [];
    this.sealed.push({ payload: this.open.take(), parts });
  }

  /** Makes a payload of the commands and the byte before them, behind all that came earlier. */
  private adopt(commands: Uint8Array, part: BatchPart): void {
    if (this.open.length > 0) this.seal();
    const payload = new Uint8Array(commands.buffer, commands.byteOffset - 1, commands.length + 1);
    payload[0] = payloadVersion;
    this.sealed.push({ payload, parts: [part] });
  }
}
