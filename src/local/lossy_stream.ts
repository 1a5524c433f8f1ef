/**
 * What the loss of packets does to a stream: nothing that it carries is lost, but all behind a lost segment waits until
 * that has come again. A model of what TCP in Linux does on a way whose round trips are short, since a relay between two
 * connections cannot lose a packet itself. Pure: bytes and time go in, bytes and time come out.
 *
 * Each segment is lost with the same probability, and so is each that repeats it. What tells the sender is that something
 * arrives which it sent later (RACK, RFC 8985): a round trip after that it sends all again that was sent before, whether
 * for the first time or not. When nothing follows, a probe sends the end of a flight of several segments again; and what
 * is missed first is sent again at the timeout, which doubles until that has come. Left out: that TCP also slows down
 * after a loss, which matters where round trips are long, and that acknowledgements and the first packets of a connection
 * get lost.
 */
import type { Random } from "../lib/random.ts";
import { RingQueue } from "../lib/ring_queue.ts";

/** What a packet of Ethernet holds of a stream. Bytes. */
const segmentBytes = 1448;
/** From when something arrives until what was lost before it comes again. Milliseconds. */
const roundTripMs = 1;
/** Until the end of a flight of several segments is sent again (Linux: two round trips and two ticks). Milliseconds. */
const tailProbeMs = 10;
/** Until what is missed first is sent again though nothing tells of it (Linux: TCP_RTO_MIN). Milliseconds. */
const timeoutMs = 200;

/** What was written at once. */
interface Held {
  readonly bytes: Uint8Array;
  /** How many of its segments have not arrived. */
  missingCount: number;
}

/** A segment that has not arrived, however often it was sent. */
interface Missing {
  readonly held: Held;
  /** When it is sent again; Infinity while nothing has told of its loss. */
  dueAt: number;
}

export class LossyStream {
  private readonly held = new RingQueue<Held>();
  private bytes = 0;
  /** In the order of the stream. */
  private readonly missing: Missing[] = [];
  /** When the first of them is sent again, whatever is known of it. */
  private timeoutAt = Infinity;
  /** How often in a row that has happened. */
  private timeouts = 0;

  constructor(
    /** From 0 to below 1. */
    private readonly lossRate: number,
    private readonly random: Random,
  ) {}

  /** What waits, in bytes. */
  get heldBytes(): number {
    return this.bytes;
  }

  /** When {@link take} may have something next, if nothing is pushed; Infinity while nothing is missing. */
  get deadline(): number {
    return this.missing.reduce((first, { dueAt }) => Math.min(first, dueAt), this.timeoutAt);
  }

  /** Takes bytes that were written together at `now`. What arrives is there for {@link take}. */
  push(bytes: Uint8Array, now: number): void {
    this.repeatUntil(now);
    const held = { bytes, missingCount: 0 };
    const count = Math.ceil(bytes.length / segmentBytes);
    let isEndLost = false;
    for (let which = 0; which < count; which++) {
      isEndLost = this.isLost();
      if (isEndLost) this.miss(held, now);
      else this.tellOfLosses(now);
    }
    const isUnknown = this.missing.every(({ dueAt }) => dueAt === Infinity);
    const end = this.missing.at(-1);
    if (end !== undefined && isEndLost && isUnknown && (count > 1 || this.missing.length > 1)) {
      end.dueAt = now + tailProbeMs;
    }
    this.held.push(held);
    this.bytes += bytes.length;
  }

  /** What has arrived at `now`, in order. */
  take(now: number): readonly Uint8Array[] {
    this.repeatUntil(now);
    const arrived: Uint8Array[] = [];
    for (let first = this.held.peek(); first?.missingCount === 0; first = this.held.peek()) {
      this.held.shift();
      this.bytes -= first.bytes.length;
      arrived.push(first.bytes);
    }
    return arrived;
  }

  private miss(held: Held, now: number): void {
    held.missingCount++;
    this.missing.push({ held, dueAt: Infinity });
    if (this.missing.length === 1) this.restartTimeout(now);
  }

  /** Sends again what is due until `now`, each at its time. */
  private repeatUntil(now: number): void {
    for (let at = this.deadline; at <= now; at = this.deadline) this.repeat(at);
  }

  private repeat(at: number): void {
    const [first] = this.missing;
    if (first !== undefined && this.timeoutAt <= at) {
      first.dueAt = at;
      this.timeouts++;
    }
    for (const segment of this.missing.filter(({ dueAt }) => dueAt <= at)) {
      segment.dueAt = Infinity;
      if (segment === first) this.restartTimeout(at);
      if (!this.isLost()) this.arrive(segment, at);
    }
  }

  private arrive(segment: Missing, at: number): void {
    const wasFirst = this.missing[0] === segment;
    segment.held.missingCount--;
    this.missing.splice(this.missing.indexOf(segment), 1);
    this.tellOfLosses(at);
    if (!wasFirst) return;
    this.timeouts = 0;
    this.restartTimeout(at);
  }

  /** Something has arrived that was sent at `now`, so later than all that is missing. */
  private tellOfLosses(now: number): void {
    for (const segment of this.missing) segment.dueAt = Math.min(segment.dueAt, now + roundTripMs);
  }

  private restartTimeout(now: number): void {
    this.timeoutAt = this.missing.length === 0 ? Infinity : now + timeoutMs * 2 ** this.timeouts;
  }

  private isLost(): boolean {
    return this.lossRate > 0 && this.random.next() < this.lossRate;
  }
}
