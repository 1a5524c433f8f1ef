/** Renews one lease until it is told to stop or cannot: then it says that the lease is lost, before anybody else can have what hung on it. */
import { ProaError } from "../lib/errors.ts";
import type { Timers } from "./deadlines.ts";
import type { Tenure } from "./tenure.ts";

export interface KeepAliveOptions {
  readonly tenure: Tenure;
  readonly timers: Timers;
  /** Renews the lease within `timeoutMs`, or rejects: with LEASE_NOT_FOUND where there is none any more. */
  renew(timeoutMs: number): Promise<unknown>;
  /** Told after each renewal that was confirmed. */
  onRenewed(): void;
  /** Told once, with the reason, to follow a colon; nothing follows. */
  onLost(reason: string): void;
}

/** The pause after a renewal that was refused, in parts of the time to live. */
const pauseShare = 1 / 20;

export class KeepAlive {
  private readonly options: KeepAliveOptions;
  private cancelRenewal: (() => void) | null = null;
  private cancelLoss: (() => void) | null = null;
  private ended = false;

  /** The lease was granted, as `tenure` says. */
  constructor(options: KeepAliveOptions) {
    this.options = options;
    this.watchForLoss();
    this.renewAt(options.tenure.renewAt);
  }

  /** Renews no more, and says nothing any more. */
  stop(): void {
    this.ended = true;
    this.cancelRenewal?.();
    this.cancelLoss?.();
  }

  /** Whether it is still there; says that it is lost if it is by now: a timer may be late where this process was stopped. */
  check(): boolean {
    const { timers, tenure } = this.options;
    const now = timers.now();
    if (now >= tenure.lostAt)
      this.lose(`no renewal of its lease was confirmed for ${Math.round(tenure.silentMs(now))} ms`);
    return !this.ended;
  }

  /** Nothing follows: it is lost, unless it was stopped. */
  lose(reason: string): void {
    if (this.ended) return;
    this.stop();
    this.options.onLost(reason);
  }

  private renewAt(time: number): void {
    this.cancelRenewal = this.options.timers.at(time, () => {
      void this.renew();
    });
  }

  private watchForLoss(): void {
    const { timers, tenure } = this.options;
    this.cancelLoss?.();
    this.cancelLoss = timers.at(tenure.lostAt, () => {
      this.check();
    });
  }

  private async renew(): Promise<void> {
    const { timers, tenure } = this.options;
    const sentAt = timers.now();
    const timeoutMs = tenure.lostAt - sentAt;
    if (timeoutMs <= 0) return; // the other timer says so
    try {
      await this.options.renew(timeoutMs);
    } catch (error) {
      if (!(error instanceof ProaError)) throw error;
      if (error.code === "LEASE_NOT_FOUND") this.lose("its lease is over");
      else if (!this.ended) this.renewAt(timers.now() + tenure.ttlMs * pauseShare);
      return;
    }
    if (this.ended) return;
    tenure.confirm(sentAt);
    if (!this.check()) return; // the answer waited while this process was stopped
    this.watchForLoss();
    this.options.onRenewed();
    this.renewAt(tenure.renewAt);
  }
}
