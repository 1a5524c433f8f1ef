/**
 * What the loss of packets does to a stream: nothing that it carries is lost, but all behind a lost segment waits until
 * that has come again. A model of what TCP in Linux does on a way whose round trips are short, since a relay between two
 * connections cannot lose a packet itself. Pure: bytes and time go in, bytes and time come out.
 *
 * Each segment is lost with the same probability, and so is each that repeats it. How long it is missed depends on what
 * tells the sender: segments behind it, which are acknowledged (a round trip); when there are none but some before it,
 * a probe of the tail; when it travels alone, the timeout, unless something is sent sooner. A repetition that is lost,
 * too, waits for the timeout, which doubles. Left out: that TCP also slows down after a loss, which matters where round
 * trips are long, and that acknowledgements and the first packets of a connection get lost.
 */
import type { Random } from "../lib/random.ts";
import { RingQueue } from "../lib/ring_queue.ts";

/** What a packet of Ethernet holds of a stream. Bytes. */
const segmentBytes = 1448;
/** Until a loss that segments behind it tell of is repaired. Milliseconds. */
const roundTripMs = 1;
/** The same for the end of a flight of several segments (Linux: two round trips and two ticks). Milliseconds. */
const tailProbeMs = 10;
/** The same for a segment that travels alone, and for what repeats one (Linux: TCP_RTO_MIN). Milliseconds. */
const timeoutMs = 200;

/** What was written at once. */
interface Held {
  readonly bytes: Uint8Array;
  /** When all of it has arrived, whatever is before it. */
  arrivesAt: number;
  /** Whether it waits for the timeout only because nothing has been sent behind it. */
  isAlone: boolean;
}

export class LossyStream {
  private readonly held = new RingQueue<Held>();
  private bytes = 0;

  constructor(
    /** From 0 to below 1. */
    private readonly lossRate: number,
    private readonly random: Random,
  ) {}

  /** What waits, in bytes. */
  get heldBytes(): number {
    return this.bytes;
  }

  /** When {@link take} has something; Infinity while nothing waits. */
  get deadline(): number {
    return this.held.peek()?.arrivesAt ?? Infinity;
  }

  /** Takes bytes that were written together at `now`. */
  push(bytes: Uint8Array, now: number): void {
    const count = Math.ceil(bytes.length / segmentBytes);
    let waitMs = 0;
    let isAlone = false;
    let anyArrived = false;
    for (let which = 0; which < count; which++) {
      const losses = this.losses();
      anyArrived ||= losses === 0;
      if (losses === 0) continue;
      const isLast = which === count - 1;
      const noticedMs = !isLast ? roundTripMs : count > 1 ? tailProbeMs : timeoutMs;
      waitMs = Math.max(waitMs, noticedMs + timeoutMs * (2 ** (losses - 1) - 1));
      isAlone = count === 1 && losses === 1;
    }
    if (anyArrived) this.missThoseAlone(now);
    this.held.push({ bytes, arrivesAt: now + waitMs, isAlone });
    this.bytes += bytes.length;
  }

  /** What has arrived at `now`, in order. */
  take(now: number): readonly Uint8Array[] {
    const arrived: Uint8Array[] = [];
    for (let first = this.held.peek(); first !== undefined && first.arrivesAt <= now; first = this.held.peek()) {
      this.held.shift();
      this.bytes -= first.bytes.length;
      arrived.push(first.bytes);
    }
    return arrived;
  }

  /** Something has arrived behind the segments that were lost and sent alone: now the sender knows. */
  private missThoseAlone(now: number): void {
    for (let offset = this.held.length - 1; offset >= 0; offset--) {
      const held = this.held.at(offset);
      if (!held.isAlone) return;
      held.arrivesAt = Math.min(held.arrivesAt, now + roundTripMs);
      held.isAlone = false;
    }
  }

  /** How often a segment is lost before it arrives. */
  private losses(): number {
    let count = 0;
    while (this.lossRate > 0 && this.random.next() < this.lossRate) count++;
    return count;
  }
}
