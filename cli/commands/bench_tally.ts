/** Counts how requests ended and how long they took: over the whole measurement, and since the last look. */
import { Histogram } from "../../src/lib/histogram.ts";
import type { FrameEnd } from "./bench_lane.ts";
import type { Operation } from "./bench_plan.ts";

/** How some requests ended. */
export class Tally {
  puts = 0;
  gets = 0;
  notApplied = 0;
  unknown = 0;
  /** Microseconds of those that were answered. */
  readonly latency = new Histogram();

  get ok(): number {
    return this.puts + this.gets;
  }

  reset(): void {
    this.puts = 0;
    this.gets = 0;
    this.notApplied = 0;
    this.unknown = 0;
    this.latency.reset();
  }
}

/** When requests that travel together began: the first at `first`, each of the others `step` later. Milliseconds. */
export interface Starts {
  readonly first: number;
  readonly step: number;
}

export class Counters {
  readonly total = new Tally();
  readonly recent = new Tally();
  /** From when until when answers count, on the clock of `performance.now()`. */
  private from = Infinity;
  private until = Infinity;

  /** What ends from now on counts. */
  begin(now: number): void {
    this.from = now;
    this.recent.reset();
  }

  /** Answers that come later do not count any more; failures do, for they were asked for in time. */
  end(now: number): void {
    this.until = now;
  }

  /** How long answers were counted, until now at most. Milliseconds. */
  elapsedMs(now: number): number {
    return Math.max(0, Math.min(now, this.until) - this.from);
  }

  record(end: FrameEnd, requests: { readonly op: Operation; readonly count: number } & Starts): void {
    const now = performance.now();
    if (now >= this.from) addTo(this.total, end, requests, { now, counts: now < this.until });
    addTo(this.recent, end, requests, { now, counts: true });
  }
}

function addTo(
  tally: Tally,
  end: FrameEnd,
  { op, count, first, step }: { readonly op: Operation; readonly count: number } & Starts,
  { now, counts }: { readonly now: number; readonly counts: boolean },
): void {
  if (end === "notApplied") tally.notApplied += count;
  else if (end === "unknown") tally.unknown += count;
  else if (counts) {
    if (op === "put") tally.puts += count;
    else tally.gets += count;
    if (step === 0) tally.latency.record((now - first) * 1000, count);
    else for (let i = 0; i < count; i++) tally.latency.record((now - first - i * step) * 1000);
  }
}
