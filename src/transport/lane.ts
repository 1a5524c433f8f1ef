/** Frames of one kind that wait to leave for one peer, in order, and their pieces that have to leave again. Sends nothing. */
import { RingQueue } from "../lib/ring_queue.ts";
import { fragmentSectionBytes, frameSectionBytes, type Piece } from "./datagram_sections.ts";

/** A frame until all its pieces are acknowledged or it is given up. */
export interface OutFrame {
  readonly number: number;
  readonly isOrdered: boolean;
  readonly bytes: Uint8Array;
  readonly fragmentBytes: number;
  readonly pieceCount: number;
  /** When it is given up, if no further piece arrives. */
  expiresAt: number;
  /** By piece: 1 once it has arrived. */
  readonly arrived: Uint8Array;
  missing: number;
  isGivenUp: boolean;
}

/** One piece of a frame. */
export interface OutPiece {
  readonly frame: OutFrame;
  readonly which: number;
}

/** What waits, before it is cut into pieces. */
interface Waiting {
  readonly bytes: Uint8Array;
  readonly expiresAt: number;
}

export class Lane {
  private readonly waiting = new RingQueue<Waiting>();
  private readonly again = new RingQueue<OutPiece>();
  /** The frame whose pieces leave now, and how many of them have. */
  private current: OutFrame | null = null;
  private sentPieces = 0;
  /** The next of them, once somebody has asked for it. */
  private next: OutPiece | null = null;
  /** Ordered frames from the first that has not arrived on. */
  private readonly opened = new RingQueue<OutFrame>();
  private openBytes = 0;
  private nextNumber = 1;

  constructor(
    private readonly options: {
      readonly isOrdered: boolean;
      /**
       * How long a frame waits for its turn at most, and then once more how long for each next piece to arrive: were it one
       * time for all, a long queue would begin each frame when it is about to expire, and a slow way end it when half of it has
       * arrived, and none would ever arrive whole. Milliseconds.
       */
      readonly lifeMs: number;
      /** Room for sections in a datagram. */
      readonly bodyBytesMax: number;
      /** What the receiver keeps for frames that are not complete, and what one counts there beside its bytes. */
      readonly openBytesMax: number;
      readonly frameKeepingBytes: number;
      /** A frame has left the lane, because it arrived or because its time was over. */
      readonly onGone: (bytes: number, isGivenUp: boolean) => void;
    },
  ) {}

  /** No ordered frame below this number is of interest any more. */
  floor(now: number): number {
    const first = this.opened.peek();
    if (first === undefined) return this.nextNumber;
    this.expire(first, now);
    return first.isGivenUp ? this.floor(now) : first.number;
  }

  post(bytes: Uint8Array, now: number): void {
    this.waiting.push({ bytes, expiresAt: now + this.options.lifeMs });
  }

  /** Whether the receiver keeps a frame of so many bytes, should an earlier one be missing. */
  hasRoomFor(frameBytes: number): boolean {
    const { isOrdered, openBytesMax } = this.options;
    return !isOrdered || this.openBytes === 0 || this.openBytes + this.keptBytesOf(frameBytes) <= openBytesMax;
  }

  /** Takes a whole frame that leaves now, where nothing waits and there is room. */
  express(bytes: Uint8Array, now: number): OutPiece {
    return { frame: this.open(bytes, now), which: 0 };
  }

  /** The piece that should leave next; null when there is none. */
  peek(now: number): OutPiece | null {
    if (this.isIdle) return null;
    for (let piece = this.again.peek(); piece !== undefined; piece = this.again.peek()) {
      this.expire(piece.frame, now);
      if (!piece.frame.isGivenUp && piece.frame.arrived[piece.which] === 0) return piece;
      this.again.shift();
    }
    if (this.current !== null) this.expire(this.current, now);
    if (!this.isSending) this.begin(now);
    if (this.current !== null) this.next ??= { frame: this.current, which: this.sentPieces };
    return this.next;
  }

  /** Whether nothing is here that has to leave, or may have to. */
  get isIdle(): boolean {
    return !this.isSending && this.waiting.length === 0 && this.again.length === 0;
  }

  /** Whether {@link current} has pieces that have never left. */
  private get isSending(): boolean {
    return this.current !== null && !this.current.isGivenUp && this.sentPieces < this.current.pieceCount;
  }

  /** What {@link peek} returned has left. */
  shift(piece: OutPiece): void {
    if (piece === this.next) {
      this.next = null;
      this.sentPieces++;
    } else this.again.shift();
  }

  /** `piece` was lost on its way. */
  sendAgain(piece: OutPiece): void {
    if (!piece.frame.isGivenUp && piece.frame.arrived[piece.which] === 0) this.again.push(piece);
  }

  onArrived({ frame, which }: OutPiece, now: number): void {
    if (frame.isGivenUp || frame.arrived[which] === 1) return;
    frame.arrived[which] = 1;
    frame.expiresAt = now + this.options.lifeMs;
    if (--frame.missing > 0) return;
    this.options.onGone(frame.bytes.length, false);
    this.close();
  }

  /** Gives up everything but what is on its way. */
  clear(): void {
    for (let frame = this.waiting.shift(); frame !== undefined; frame = this.waiting.shift()) {
      this.options.onGone(frame.bytes.length, true);
    }
    for (let piece = this.again.shift(); piece !== undefined; piece = this.again.shift()) this.giveUp(piece.frame);
    if (this.current !== null) this.giveUp(this.current);
    this.current = null;
    this.next = null;
  }

  private begin(now: number): void {
    this.current = null;
    this.next = null;
    this.sentPieces = 0;
    for (let next = this.waiting.peek(); next !== undefined; next = this.waiting.peek()) {
      if (next.expiresAt <= now) {
        this.waiting.shift();
        this.options.onGone(next.bytes.length, true);
        continue;
      }
      if (!this.hasRoomFor(next.bytes.length)) return;
      this.waiting.shift();
      this.current = this.open(next.bytes, now);
      return;
    }
  }

  private open(bytes: Uint8Array, now: number): OutFrame {
    const frame = this.cut(bytes, now);
    if (this.options.isOrdered) {
      this.opened.push(frame);
      this.openBytes += this.keptBytesOf(bytes.length);
    }
    return frame;
  }

  private keptBytesOf(frameBytes: number): number {
    return frameBytes + this.options.frameKeepingBytes;
  }

  private cut(bytes: Uint8Array, now: number): OutFrame {
    const { isOrdered, bodyBytesMax, lifeMs } = this.options;
    const isWhole = bytes.length + frameSectionBytes <= bodyBytesMax;
    const fragmentBytes = isWhole ? bytes.length : bodyBytesMax - fragmentSectionBytes;
    const pieceCount = isWhole ? 1 : Math.ceil(bytes.length / fragmentBytes);
    const number = this.nextNumber++;
    const arrived = new Uint8Array(pieceCount);
    return {
      number,
      isOrdered,
      bytes,
      fragmentBytes,
      pieceCount,
      expiresAt: now + lifeMs,
      arrived,
      missing: pieceCount,
      isGivenUp: false,
    };
  }

  private expire(frame: OutFrame, now: number): void {
    if (frame.missing > 0 && frame.expiresAt <= now) this.giveUp(frame);
  }

  /** Sends no more of `frame`, unless it has arrived. */
  giveUp(frame: OutFrame): void {
    if (frame.isGivenUp || frame.missing === 0) return;
    frame.isGivenUp = true;
    this.options.onGone(frame.bytes.length, true);
    this.close();
  }

  /** Forgets the ordered frames at the front that have arrived or were given up. */
  private close(): void {
    for (let frame = this.opened.peek(); frame !== undefined; frame = this.opened.peek()) {
      if (frame.missing > 0 && !frame.isGivenUp) return;
      this.opened.shift();
      this.openBytes -= this.keptBytesOf(frame.bytes.length);
    }
  }
}

/** How many bytes of a datagram `piece` takes. */
export function pieceBytes({ frame, which }: OutPiece): number {
  return frame.pieceCount === 1
    ? frameSectionBytes + frame.bytes.length
    : fragmentSectionBytes + Math.min(frame.fragmentBytes, frame.bytes.length - which * frame.fragmentBytes);
}

/** `piece` as a section of a datagram. */
export function sectionOf({ frame, which }: OutPiece): Piece {
  const { number, isOrdered, bytes, fragmentBytes } = frame;
  const start = which * fragmentBytes;
  const end = Math.min(start + fragmentBytes, bytes.length);
  return { isOrdered, number, frameBytes: bytes.length, fragmentBytes, which, source: bytes, start, end };
}
