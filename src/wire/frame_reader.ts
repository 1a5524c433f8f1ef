/** Cuts a byte stream into frames. Its memory is one frame of at most `frameBytesMax` and the newest chunk, whatever the bytes claim. */
import { assert } from "../lib/assert.ts";
import { release } from "../lib/release.ts";
import { decodeFrame, frameHeaderBytes, readFrameStart, type DecodedFrame, type FrameReceiver } from "./frame.ts";

const none = new Uint8Array(0);

/**
 * Push a chunk, then call {@link next} until it returns null. After a foreign frame or a `CorruptError` nobody can tell
 * where the next frame begins: the stream is lost.
 */
export class FrameReader {
  /** The newest chunk, and what is left of it. */
  private whole: Uint8Array = none;
  private chunk: Uint8Array = none;
  /** Whether a frame was handed out as a view of the newest chunk. */
  private isViewed = false;
  /** The header of a frame of which less than that has arrived. Invariant: empty while `frame` is not. */
  private readonly header = new Uint8Array(frameHeaderBytes);
  private headerFilled = 0;
  /** The frame that began in an earlier chunk, in a buffer of exactly its size. */
  private frame: Uint8Array | null = null;
  private frameFilled = 0;

  constructor(
    private readonly receiver: FrameReceiver,
    private readonly frameBytesMax: number,
  ) {}

  /** Whether a frame has begun and is not complete. */
  get partial(): boolean {
    return this.frame !== null || this.headerFilled > 0;
  }

  /** Takes the next bytes of the stream and owns them from now on: payloads may stay views of `chunk`. */
  push(chunk: Uint8Array): void {
    assert(this.chunk.length === 0, "the last chunk is not used up");
    // Sockets hand out `Buffer`s, whose slice() does not copy: a payload must be what its type says.
    this.whole = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    this.chunk = this.whole;
    this.isViewed = false;
  }

  /** The next frame, or null until more bytes arrive. Throws {@link CorruptError}. */
  next(): DecodedFrame | null {
    const frame = this.read();
    if (frame === null) this.forgetChunk();
    return frame;
  }

  private read(): DecodedFrame | null {
    if (this.chunk.length === 0) return null;
    if (this.frame !== null) return this.continueFrame(this.frame);
    if (this.headerFilled > 0 || this.chunk.length < frameHeaderBytes) return this.continueHeader();
    const start = readFrameStart(this.chunk, this.receiver, this.frameBytesMax);
    if (start.kind === "foreign") return start;
    if (this.chunk.length < start.frameBytes) return this.beginFrame(start.frameBytes);
    const frame = this.take(start.frameBytes);
    // A view would keep the whole buffer of the chunk alive for as long as a payload in it: only if it is mostly this frame.
    const isView = frame.length * 2 >= frame.buffer.byteLength;
    if (isView) this.isViewed = true;
    return decodeFrame(isView ? frame : new Uint8Array(frame), this.receiver);
  }

  private continueHeader(): DecodedFrame | null {
    const piece = this.take(frameHeaderBytes - this.headerFilled);
    this.header.set(piece, this.headerFilled);
    this.headerFilled += piece.length;
    if (this.headerFilled < frameHeaderBytes) return null;
    const start = readFrameStart(this.header, this.receiver, this.frameBytesMax);
    if (start.kind === "foreign") return start;
    return this.beginFrame(start.frameBytes);
  }

  /** Moves the header that was gathered, if any, into a buffer for the whole frame. */
  private beginFrame(frameBytes: number): DecodedFrame | null {
    this.frame = new Uint8Array(frameBytes);
    this.frame.set(this.header.subarray(0, this.headerFilled));
    this.frameFilled = this.headerFilled;
    this.headerFilled = 0;
    return this.continueFrame(this.frame);
  }

  private continueFrame(frame: Uint8Array): DecodedFrame | null {
    const piece = this.take(frame.length - this.frameFilled);
    frame.set(piece, this.frameFilled);
    this.frameFilled += piece.length;
    if (this.frameFilled < frame.length) return null;
    this.frame = null;
    this.frameFilled = 0;
    return decodeFrame(frame, this.receiver);
  }

  /** The chunk is used up: unless a frame lies in it, its memory will take in the next one. */
  private forgetChunk(): void {
    assert(this.chunk.length === 0, "the chunk is not used up");
    if (!this.isViewed) release(this.whole);
    this.whole = none;
  }

  /** At most `bytesMax` bytes from the front of the chunk. */
  private take(bytesMax: number): Uint8Array {
    const taken = this.chunk.subarray(0, bytesMax);
    // Even an empty view would keep the buffer of a used-up chunk alive until the next one.
    this.chunk = taken.length === this.chunk.length ? none : this.chunk.subarray(taken.length);
    return taken;
  }
}
