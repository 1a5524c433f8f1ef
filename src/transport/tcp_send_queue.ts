/**
 * What waits to leave on one connection: heartbeats and votes overtake the entries that wait before them. It feeds the socket a little at a time and keeps the rest itself: a socket
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

/** A part of the stream. */
interface Piece {
  readonly bytes: Uint8Array;
  /** Whether a frame ends with it: only there may another frame come between. */
  readonly endsFrame: boolean;
}

export class SendQueue {
  /** Small frames and heads that have not become a piece yet. */
  private readonly gathered = new ByteWriter(4096);
  /** Invariant: empty while the socket has room. */
  private readonly pieces = new RingQueue<Piece>();
  private piecesBytes = 0;
  /** Whole frames that leave as soon as the frame that is leaving has ended. */
  private readonly urgent = new ByteWriter(1024);
  /** Whether what the socket was given ends with the end of a frame. */
  private isBetweenFrames = true;
  /** When the system last took a piece, or was given one while it had none. */
  private progressMs = 0;

  constructor(
    private readonly socket: Socket,
    private readonly clusterId: Uint8Array,
  ) {}

  /** All that has not left yet, in bytes. */
  get waitingBytes(): number {
    return this.gathered.length + this.urgent.length + this.piecesBytes + this.socket.writableLength;
  }

  /** Queues the frame of `message` until {@link flush}, and tells how many bytes it has. Large payloads are not copied. */
  add(message: Message): number {
    const payloads = payloadsOf(message);
    const writer = isUrgent(message) ? this.urgent : this.gathered;
    const before = writer.length;
    writeFrameStart(writer, message, this.clusterId);
    let frameBytes = writer.length - before;
    payloads.forEach((payload, position) => {
      this.addPayload(payload, { endsFrame: position === payloads.length - 1 });
      frameBytes += payload.length;
    });
    return frameBytes;
  }

  flush(): void {
    this.cut({ endsFrame: true });
    this.feed();
  }

  /** Whether something has waited for longer than `durationMs` while nothing left. */
  stuckFor(durationMs: number, nowMs: number): boolean {
    return this.socket.writableLength > 0 && nowMs - this.progressMs > durationMs;
  }

  private addPayload(payload: Uint8Array, { endsFrame }: { readonly endsFrame: boolean }): void {
    if (payload.length > copiedPayloadBytesMax) {
      this.cut({ endsFrame: false });
      this.enqueue(payload, endsFrame);
    } else {
      this.gathered.bytes(payload);
      if (this.gathered.length >= pieceBytesMax) this.cut({ endsFrame });
    }
  }

  /** Makes what was gathered a piece. */
  private cut({ endsFrame }: { readonly endsFrame: boolean }): void {
    if (this.gathered.length > 0) this.enqueue(this.gathered.take(), endsFrame);
  }

  private enqueue(bytes: Uint8Array, endsFrame: boolean): void {
    for (let offset = 0; offset < bytes.length; offset += pieceBytesMax) {
      const isLast = offset + pieceBytesMax >= bytes.length;
      this.pieces.push({ bytes: bytes.subarray(offset, offset + pieceBytesMax), endsFrame: endsFrame && isLast });
    }
    this.piecesBytes += bytes.length;
  }

  private feed(): void {
    while (this.socket.writableLength < pieceBytesMax) {
      const bytes = this.next();
      if (bytes === null) return;
      if (this.socket.writableLength === 0) this.progressMs = performance.now();
      this.socket.write(bytes, this.onWritten);
    }
  }

  /** What is to leave next; null if there is nothing. */
  private next(): Uint8Array | null {
    if (this.isBetweenFrames && this.urgent.length > 0) return this.urgent.take();
    const piece = this.pieces.shift();
    if (piece === undefined) return null;
    this.piecesBytes -= piece.bytes.length;
    this.isBetweenFrames = piece.endsFrame;
    return piece.bytes;
  }

  private readonly onWritten = (): void => {
    if (this.socket.destroyed) return;
    this.progressMs = performance.now();
    this.feed();
  };
}

/**
 * Whether `message` may overtake others. What carries the log or asks about it keeps its order: a question about the end
 * of the window would be refused if it came before the entries in it.
 */
export function isUrgent(message: Message): boolean {
  return message.kind !== "AppendEntries" && message.kind !== "InstallSnapshot";
}
