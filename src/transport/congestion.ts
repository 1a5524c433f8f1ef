/**
 * How much may be on its way to one peer, how fast it may leave, and when something is taken for lost. Bends to loss but
 * never below a window with which a cluster works: links that lose a fifth of everything are what this transport is for.
 */
import type { LinkLimits } from "./datagram_limits.ts";

/** What a window keeps of itself when datagrams were lost, or when nothing was heard at all. */
const shrinkOnLoss = 0.85;
const shrinkOnSilence = 0.5;
/** How much faster than the window allows datagrams may leave, so that pacing does not become a second window. */
const paceGain = 1.5;
/** The first guess of a round trip: only the start of the first session knows nothing better. Milliseconds. */
const firstRoundTripMs = 10;
/** What a moment may always send at once, in datagrams. */
const burstDatagrams = 8;

export class Congestion {
  /** What may be on its way. Bytes. */
  windowBytes: number;
  private isStarting = true;
  private roundTripMs = firstRoundTripMs;
  private varianceMs = firstRoundTripMs;
  private isMeasured = false;
  /** Doubles while nothing is acknowledged. */
  private patience = 1;
  /** What may leave now. Bytes; below zero once a datagram has used more than there was. */
  private credit: number;
  private creditAt = 0;

  constructor(
    private readonly limits: Pick<
      LinkLimits,
      "windowBytesMin" | "windowBytesMax" | "resendMinMs" | "resendMaxMs" | "ackDelayMs"
    >,
    private readonly datagramBytes: number,
  ) {
    this.windowBytes = limits.windowBytesMin;
    this.credit = this.burstBytes;
  }

  /** How long after it was sent a datagram is taken for lost. */
  get resendMs(): number {
    const { resendMinMs, resendMaxMs, ackDelayMs } = this.limits;
    const expected = Math.max(resendMinMs, this.roundTripMs + 4 * this.varianceMs + ackDelayMs);
    return Math.min(resendMaxMs, expected * this.patience);
  }

  /** When the next datagram may leave. */
  mayLeaveAt(now: number): number {
    this.earn(now);
    return this.credit > 0 ? now : now + Math.max(1, -this.credit / this.bytesPerMs);
  }

  onSent(bytes: number, now: number): void {
    this.earn(now);
    this.credit -= bytes;
  }

  /** `isFull`: the window was what held back more. Only then does it grow. */
  onAcknowledged(bytes: number, isFull: boolean): void {
    this.patience = 1;
    if (!isFull) return;
    const growth = this.isStarting ? bytes : (bytes * this.datagramBytes * 2) / this.windowBytes;
    this.windowBytes = Math.min(this.limits.windowBytesMax, this.windowBytes + growth);
  }

  onRoundTrip(sampleMs: number): void {
    if (!this.isMeasured) {
      this.isMeasured = true;
      this.roundTripMs = sampleMs;
      this.varianceMs = sampleMs / 2;
      return;
    }
    this.varianceMs += (Math.abs(sampleMs - this.roundTripMs) - this.varianceMs) / 4;
    this.roundTripMs += (sampleMs - this.roundTripMs) / 8;
  }

  /** Something that was sent before its successors did not arrive. Called once for all that was lost in one flight. */
  onLoss(): void {
    this.shrink(shrinkOnLoss);
  }

  /** Nothing was acknowledged in time. */
  onSilence(): void {
    if (this.patience > 1) this.shrink(shrinkOnSilence); // a single lost datagram without successors is no sign of a crowd
    this.patience *= 2;
  }

  private shrink(factor: number): void {
    this.isStarting = false;
    this.windowBytes = Math.max(this.limits.windowBytesMin, this.windowBytes * factor);
  }

  private get burstBytes(): number {
    return burstDatagrams * this.datagramBytes;
  }

  private get bytesPerMs(): number {
    return (paceGain * this.windowBytes) / Math.max(0.1, this.roundTripMs);
  }

  private earn(now: number): void {
    const most = Math.max(this.burstBytes, 2 * this.bytesPerMs);
    this.credit = Math.min(most, this.credit + (now - this.creditAt) * this.bytesPerMs);
    this.creditAt = now;
  }
}
