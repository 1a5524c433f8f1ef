/**
 * What waits to leave on one connection. It feeds the socket a little at a time and keeps the rest itself: a socket
 * would copy its whole backlog into one write and tell nothing until all of it has gone.
 */
import type { Socket } from "node:net";
import { ByteWriter } from "../lib/byte_writer.ts";
import { RingQueue } from "../lib/ring_queue.ts";
import type { Message } from "../raft/mod.ts";
import { payloadsOf, writeFrameStart } from "../wire/mod.ts";

/** Payloads up to this size are copied behind their head, since that costs less than a write of their own. Bytes. */
const copiedPayloadBytesMax = 16 * 1024;
/** The largest single write, and about what the socket may hold: enough to keep the system busy. Bytes. */
const pieceBytesMax = 256 * 1024;

export class SendQueue {
  /** Small frames and heads that have not become a piece yet. */
  private readonly gathered = new ByteWriter(4096);
  /** Invariant: empty while the socket has room. */
  private readonly pieces = new RingQueue<Uint8Array>();
  private piecesBytes = 0;
  /** When the system last took a piece, or was given one while it had none. */
  private progressMs = 0;

  constructor(
    private readonly socket: Socket,
    private readonly clusterId: Uint8Array,
  ) {}

  /** All that has not left yet, in bytes. */
  get waitingBytes(): number {
    return this.gathered.length + this.piecesBytes + this.socket.writableLength;
  }

  /** Queues the frame of `message` until {@link flush}, and tells how many bytes it has. Large payloads are not copied. */
  add(message: Message): number {
    const before = this.gathered.length;
    writeFrameStart(this.gathered, message, this.clusterId);
    let frameBytes = this.gathered.length - before;
    for (const payload of payloadsOf(message)) {
      this.addPayload(payload);
      frameBytes += payload.length;
    }
    return frameBytes;
  }

  flush(): void {
    this.cut();
    this.feed();
  }

  /** Whether something has waited for longer than `durationMs` while nothing left. */
  stuckFor(durationMs: number, nowMs: number): boolean {
    return this.socket.writableLength > 0 && nowMs - this.progressMs > durationMs;
  }

  private addPayload(payload: Uint8Array): void {
    if (payload.length > copiedPayloadBytesMax) {
      this.cut();
      this.enqueue(payload);
    } else {
      this.gathered.bytes(payload);
      if (this.gathered.length >= pieceBytesMax) this.cut();
    }
  }

  /** Makes what was gathered a piece. */
  private cut(): void {
    if (this.gathered.length > 0) this.enqueue(this.gathered.take());
  }

  private enqueue(bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.length; offset += pieceBytesMax) {
      this.pieces.push(bytes.subarray(offset, offset + pieceBytesMax));
    }
    this.piecesBytes += bytes.length;
  }

  private feed(): void {
    while (this.socket.writableLength < pieceBytesMax) {
      const piece = this.pieces.shift();
      if (piece === undefined) return;
      this.piecesBytes -= piece.length;
      if (this.socket.writableLength === 0) this.progressMs = performance.now();
      this.socket.write(piece, this.onWritten);
    }
  }

  private readonly onWritten = (): void => {
    if (this.socket.destroyed) return;
    this.progressMs = performance.now();
    this.feed();
  };
}
