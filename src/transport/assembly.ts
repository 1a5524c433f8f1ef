/**
 * Makes frames of what arrives in one session: joins fragments, puts ordered frames in order, leaves out what came
 * before. Pure: bytes and time go in, frames come out. What it keeps is bounded in bytes and in time.
 */
import { NumberWindow } from "./number_window.ts";
import type { Piece } from "./datagram_sections.ts";
import type { DatagramLimits } from "./datagram_limits.ts";

/** A frame of which fragments have come. */
interface Unfinished {
  readonly bytes: Uint8Array;
  readonly fragmentBytes: number;
  readonly isOrdered: boolean;
  readonly come: Uint8Array;
  missing: number;
  /** When the last fragment came. */
  progressAt: number;
}

export class Assembly {
  /** Frames of which something is missing, by number; ordered ones below 0. */
  private readonly unfinished = new Map<number, Unfinished>();
  /** Ordered frames that are complete and wait for an earlier one. */
  private readonly held = new Map<number, Uint8Array>();
  private keptBytes = 0;
  /** The number of the ordered frame that is delivered next. */
  private next = 1;
  /** Since when something is held. */
  private heldSince = Infinity;
  /** When to look for frames that nobody completes. */
  private unfinishedAt = Infinity;
  private readonly delivered = new NumberWindow();

  constructor(
    private readonly limits: Pick<
      DatagramLimits,
      "frameBytesMax" | "assemblyBytesMax" | "frameKeepingBytes" | "assemblyMs" | "gapMs"
    >,
    /** Given every frame, once, in a buffer of its own. */
    private readonly deliver: (frame: Uint8Array) => void,
    /** Told of what had to be thrown away. */
    private readonly onDropped: () => void,
  ) {}

  /** All that is kept, in bytes. */
  get bytes(): number {
    return this.keptBytes;
  }

  /** When {@link sweep} has something to do. */
  get deadline(): number {
    return Math.min(this.unfinishedAt, this.held.size > 0 ? this.heldSince + this.limits.gapMs : Infinity);
  }

  take(piece: Piece, now: number): void {
    if (piece.isOrdered ? piece.number < this.next || this.held.has(piece.number) : this.delivered.has(piece.number))
      return;
    if (piece.frameBytes > this.limits.frameBytesMax) this.onDropped();
    else if (piece.fragmentBytes === piece.frameBytes)
      this.complete(piece.number, piece.isOrdered, piece.source.slice(piece.start, piece.end), now);
    else this.join(piece, now);
  }

  /** No ordered frame below `number` will come any more. */
  raiseFloor(number: number, now: number): void {
    if (number > this.next) this.skipTo(number, now);
  }

  /** Gives up what nobody completes, and gaps that nobody fills. */
  sweep(now: number): void {
    if (now >= this.unfinishedAt) this.forgetOld(now);
    if (this.held.size === 0 || now < this.heldSince + this.limits.gapMs) return;
    let lowest = Infinity;
    for (const number of this.held.keys()) lowest = Math.min(lowest, number);
    this.skipTo(lowest, now);
  }

  private forgetOld(now: number): void {
    this.unfinishedAt = Infinity;
    for (const [key, partial] of this.unfinished) {
      const endsAt = partial.progressAt + this.limits.assemblyMs;
      if (now >= endsAt) this.forget(key, partial);
      else this.unfinishedAt = Math.min(this.unfinishedAt, endsAt);
    }
  }

  private join(piece: Piece, now: number): void {
    const key = piece.isOrdered ? -piece.number : piece.number;
    const partial = this.unfinished.get(key) ?? this.begin(key, piece, now);
    if (partial === null) return;
    const isOther = partial.bytes.length !== piece.frameBytes || partial.fragmentBytes !== piece.fragmentBytes;
    if (isOther || partial.come[piece.which] === 1) return;
    partial.bytes.set(piece.source.subarray(piece.start, piece.end), piece.which * piece.fragmentBytes);
    partial.come[piece.which] = 1;
    partial.progressAt = now;
    if (--partial.missing > 0) return;
    this.unfinished.delete(key);
    this.keptBytes -= this.costOf(partial.bytes.length);
    this.complete(piece.number, piece.isOrdered, partial.bytes, now);
  }

  /** Null when there is no room. */
  private begin(key: number, { frameBytes, fragmentBytes, isOrdered }: Piece, now: number): Unfinished | null {
    if (this.keptBytes + this.costOf(frameBytes) > this.limits.assemblyBytesMax) {
      this.onDropped();
      return null;
    }
    const count = Math.ceil(frameBytes / fragmentBytes);
    const partial = {
      bytes: new Uint8Array(frameBytes),
      fragmentBytes,
      isOrdered,
      come: new Uint8Array(count),
      missing: count,
      progressAt: now,
    };
    this.unfinished.set(key, partial);
    this.keptBytes += this.costOf(frameBytes);
    this.unfinishedAt = Math.min(this.unfinishedAt, now + this.limits.assemblyMs);
    return partial;
  }

  private complete(number: number, isOrdered: boolean, frame: Uint8Array, now: number): void {
    if (!isOrdered) {
      if (this.delivered.add(number)) this.deliver(frame);
    } else if (number === this.next) {
      this.next++;
      this.deliver(frame);
      this.deliverHeld(now);
    } else if (this.keptBytes + this.costOf(frame.length) > this.limits.assemblyBytesMax) {
      this.onDropped();
    } else {
      if (this.held.size === 0) this.heldSince = now;
      this.held.set(number, frame);
      this.keptBytes += this.costOf(frame.length);
    }
  }

  private skipTo(number: number, now: number): void {
    for (const [key, partial] of this.unfinished) if (partial.isOrdered && -key < number) this.forget(key, partial);
    for (const [held, frame] of [...this.held].sort(([a], [b]) => a - b)) {
      if (held >= number) break;
      this.release(held, frame); // complete, only those before it are missing
    }
    this.next = Math.max(this.next, number);
    this.deliverHeld(now);
  }

  private deliverHeld(now: number): void {
    for (let frame = this.held.get(this.next); frame !== undefined; frame = this.held.get(this.next)) {
      this.release(this.next, frame);
      this.heldSince = now;
    }
  }

  private release(number: number, frame: Uint8Array): void {
    this.held.delete(number);
    this.keptBytes -= this.costOf(frame.length);
    this.next = number + 1;
    this.deliver(frame);
  }

  private forget(key: number, partial: Unfinished): void {
    this.unfinished.delete(key);
    this.keptBytes -= this.costOf(partial.bytes.length);
    this.onDropped();
  }

  private costOf(frameBytes: number): number {
    return frameBytes + this.limits.frameKeepingBytes;
  }
}
