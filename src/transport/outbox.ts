/**
 * What goes to one peer in one session: fills datagrams with pieces of frames, remembers what each of them held, and
 * sends again what was lost until it arrives or its time is over. Pure: time and acknowledgements in, sections out.
 */
import type { ByteWriter } from "../lib/byte_writer.ts";
import { Congestion } from "./congestion.ts";
import type { LinkLimits } from "./datagram_limits.ts";
import {
  type Ack,
  ackBytesMax,
  floorBytes,
  frameSectionBytes,
  isAcknowledged,
  writeFloor,
  writePiece,
} from "./datagram_sections.ts";
import { HoleWatch } from "./hole_watch.ts";
import { Lane, pieceBytes, sectionOf, type OutPiece } from "./lane.ts";
import type { TransportCounters } from "./transport.ts";

/** A datagram with pieces that is not acknowledged. */
interface Sent {
  readonly number: number;
  readonly datagramBytes: number;
  /** With what the system keeps beside it. */
  readonly bytes: number;
  readonly sentAt: number;
  readonly pieces: readonly OutPiece[];
}

/** What the system keeps beside each datagram that waits in a socket. Bytes. */
const bookkeepingBytes = 1100;
/** A datagram is lost when this many later ones have arrived. */
const overtakenMax = 3;

export class Outbox {
  /** The most that a frame may have to leave whole. Bytes. */
  private readonly wholeBytesMax: number;
  private readonly urgent: Lane;
  private readonly bulk: Lane;
  private readonly congestion: Congestion;
  /** By number, in the order in which they were sent. */
  private readonly inFlight = new Map<number, Sent>();
  private inFlightBytes = 0;
  private queuedBytes = 0;
  /** Losses of datagrams up to this number have shrunk the window already. */
  private shrunkUpTo = 0;
  private highestSent = 0;
  private highestAcknowledged = 0;
  private readonly holeWatch = new HoleWatch();
  /** Whether no large datagram gets through: then smaller ones are needed, and with them another outbox. */
  seesHole = false;

  constructor(
    private readonly options: {
      readonly limits: LinkLimits;
      readonly datagramBytes: number;
      /** Room for sections in a datagram. */
      readonly bodyBytesMax: number;
      readonly counters: TransportCounters;
    },
  ) {
    const { limits, bodyBytesMax, datagramBytes, counters } = options;
    const onGone = (bytes: number, isGivenUp: boolean): void => {
      this.queuedBytes -= bytes;
      if (isGivenUp) counters.messagesDropped++;
    };
    const piecesBytesMax = bodyBytesMax - floorBytes - ackBytesMax;
    this.wholeBytesMax = piecesBytesMax - frameSectionBytes;
    const shared = {
      bodyBytesMax: piecesBytesMax,
      openBytesMax: limits.assemblyBytesMax,
      frameKeepingBytes: limits.frameKeepingBytes,
      onGone,
    };
    this.urgent = new Lane({ ...shared, isOrdered: false, lifeMs: limits.urgentLifeMs });
    this.bulk = new Lane({ ...shared, isOrdered: true, lifeMs: limits.bulkLifeMs });
    this.congestion = new Congestion(limits, datagramBytes);
  }

  /** Takes a frame; false when too much waits. */
  post(frame: Uint8Array, isOrdered: boolean, now: number): boolean {
    const { limits } = this.options;
    if (this.queuedBytes + frame.length > limits.sendQueueBytesMax) return false;
    this.queuedBytes += frame.length;
    if (isOrdered) this.bulk.post(frame, now);
    else this.urgent.post(frame, now);
    return true;
  }

  /** Whether nothing waits to leave, or for its acknowledgement. */
  get isQuiet(): boolean {
    return this.inFlight.size === 0 && this.urgent.isIdle && this.bulk.isIdle;
  }

  /** Whether a frame of so many bytes may leave at once, by {@link express}. */
  mayExpress(frameBytes: number, isOrdered: boolean, now: number): boolean {
    if (!this.urgent.isIdle || !this.bulk.isIdle) return false;
    if (frameBytes > this.wholeBytesMax || this.inFlightBytes >= this.congestion.windowBytes) return false;
    return !isOrdered || (this.bulk.hasRoomFor(frameBytes) && this.congestion.mayLeaveAt(now) <= now);
  }

  /** Writes `frame`, which nothing is before, behind what is in `writer`. Returns what {@link onSent} has to be told. */
  express(
    frame: Uint8Array,
    isOrdered: boolean,
    { writer, now }: { readonly writer: ByteWriter; readonly now: number },
  ): readonly OutPiece[] {
    if (isOrdered) writeFloor(writer, this.bulk.floor(now));
    const piece = (isOrdered ? this.bulk : this.urgent).express(frame, now);
    this.queuedBytes += frame.length;
    writePiece(writer, sectionOf(piece));
    return [piece];
  }

  /** When something should leave: now, later, or never while nothing changes. */
  readyAt(now: number): number {
    if (this.roomFor(this.urgent, now)) return now;
    return this.roomFor(this.bulk, now) ? this.congestion.mayLeaveAt(now) : Infinity;
  }

  /** When {@link findLost} has something to do. */
  get deadline(): number {
    for (const { sentAt } of this.inFlight.values()) return sentAt + this.congestion.resendMs;
    return Infinity;
  }

  /** Writes pieces behind what is in `writer`, up to `end` bytes, and returns them. */
  fill(writer: ByteWriter, end: number, now: number): readonly OutPiece[] {
    const pieces: OutPiece[] = [];
    if (this.roomFor(this.urgent, now)) {
      for (let piece = this.urgent.peek(now); piece !== null; piece = this.urgent.peek(now)) {
        if (writer.length + pieceBytes(piece) > end) break;
        this.put(this.urgent, piece, { writer, pieces });
      }
    }
    if (!this.roomFor(this.bulk, now) || this.congestion.mayLeaveAt(now) > now) return pieces;
    for (let piece = this.bulk.peek(now), floor = floorBytes; piece !== null; piece = this.bulk.peek(now), floor = 0) {
      if (writer.length + floor + pieceBytes(piece) > end) break;
      if (floor > 0) writeFloor(writer, this.bulk.floor(now));
      this.put(this.bulk, piece, { writer, pieces });
    }
    return pieces;
  }

  /** A datagram with `pieces` has left. */
  onSent(
    {
      number,
      datagramBytes,
      pieces,
    }: { readonly number: number; readonly datagramBytes: number; readonly pieces: readonly OutPiece[] },
    now: number,
  ): void {
    const bytes = datagramBytes + bookkeepingBytes;
    this.congestion.onSent(bytes, now);
    this.inFlight.set(number, { number, datagramBytes, bytes, sentAt: now, pieces });
    this.inFlightBytes += bytes;
    this.highestSent = number;
  }

  onAck(ack: Ack, now: number): void {
    const isFull = this.inFlightBytes * 2 > this.congestion.windowBytes;
    let arrivedBytes = 0;
    for (const sent of this.inFlight.values()) {
      if (sent.number > ack.highest) break;
      if (!isAcknowledged(ack, sent.number)) continue;
      this.land(sent);
      this.holeWatch.onArrived(sent);
      arrivedBytes += sent.bytes;
      this.highestAcknowledged = Math.max(this.highestAcknowledged, sent.number);
      if (sent.number === ack.highest) this.congestion.onRoundTrip(now - sent.sentAt);
      for (const piece of sent.pieces) this.laneOf(piece).onArrived(piece, now);
    }
    this.seesHole = this.holeWatch.isFound(ack);
    if (arrivedBytes === 0) return;
    this.congestion.onAcknowledged(arrivedBytes, isFull);
    this.findOvertaken();
  }

  /** Sends again what got no answer in time. */
  findLost(now: number): void {
    const { resendMs } = this.congestion;
    let isSilent = false;
    for (const sent of this.inFlight.values()) {
      if (now < sent.sentAt + resendMs) break;
      isSilent = true;
      this.lose(sent);
    }
    if (isSilent) this.congestion.onSilence();
  }

  /** Gives up everything. */
  clear(): void {
    for (const { pieces } of this.inFlight.values()) for (const piece of pieces) this.laneOf(piece).giveUp(piece.frame);
    this.inFlight.clear();
    this.inFlightBytes = 0;
    this.urgent.clear();
    this.bulk.clear();
  }

  private findOvertaken(): void {
    for (const sent of this.inFlight.values()) {
      if (sent.number > this.highestAcknowledged - overtakenMax) break;
      this.lose(sent);
      if (sent.number <= this.shrunkUpTo) continue;
      this.congestion.onLoss();
      this.shrunkUpTo = this.highestSent;
    }
  }

  private lose(sent: Sent): void {
    this.land(sent);
    this.holeWatch.onLost(sent);
    for (const piece of sent.pieces) this.laneOf(piece).sendAgain(piece);
    this.options.counters.datagramsLost++;
  }

  private land(sent: Sent): void {
    this.inFlight.delete(sent.number);
    this.inFlightBytes -= sent.bytes;
  }

  private roomFor(lane: Lane, now: number): boolean {
    const { urgentBytesMax } = this.options.limits;
    const window = this.congestion.windowBytes + (lane === this.urgent ? urgentBytesMax : 0);
    return this.inFlightBytes < window && lane.peek(now) !== null;
  }

  private put(
    lane: Lane,
    piece: OutPiece,
    { writer, pieces }: { readonly writer: ByteWriter; readonly pieces: OutPiece[] },
  ): void {
    writePiece(writer, sectionOf(piece));
    pieces.push(piece);
    lane.shift(piece);
  }

  private laneOf({ frame }: OutPiece): Lane {
    return frame.isOrdered ? this.bulk : this.urgent;
  }
}
