/** What a probe saw: how its puts ended, how long they took, and the windows without service. Knows no cluster and no clock. */
import { Histogram } from "../../src/lib/histogram.ts";

/** One put that has ended. Times are milliseconds since 1970. */
export interface ProbedPut {
  readonly number: number;
  readonly sentAt: number;
  readonly endedAt: number;
  readonly outcome: "ok" | "not_applied" | "unknown";
  /** The revision of the store after it; null unless it is ok. */
  readonly revision: number | null;
  /** Why it failed; null if it is ok. */
  readonly reason: string | null;
}

/** A time in which nobody could rely on the cluster: a contract of `--json`. */
export interface ProbeWindow {
  /** ISO 8601. */
  readonly from: string;
  /** Null: it had not ended when the probe did. */
  readonly to: string | null;
  readonly ms: number;
  readonly not_applied: number;
  readonly unknown: number;
  /** Why the first put in it failed; null if it was only slow. */
  readonly reason: string | null;
}

/** What `--json` prints: a contract. Latencies are of the puts that were acknowledged. */
export interface ProbeSummary {
  readonly puts: number;
  readonly ok: number;
  readonly not_applied: number;
  readonly unknown: number;
  readonly p50_us: number;
  readonly p99_us: number;
  readonly max_us: number;
  readonly windows: readonly ProbeWindow[];
}

interface OpenWindow {
  readonly since: number;
  readonly reason: string | null;
  notApplied: number;
  unknown: number;
}

export class ProbeRecord {
  private readonly latency = new Histogram();
  private readonly counts = { ok: 0, not_applied: 0, unknown: 0 };
  private readonly windows: ProbeWindow[] = [];
  private open: OpenWindow | null = null;
  private latestAt = 0;

  /** A put that takes longer than `slowMs` opens a window although it succeeds. */
  constructor(private readonly slowMs: number) {}

  add(put: ProbedPut): void {
    const { outcome, sentAt, endedAt, reason } = put;
    this.counts[outcome]++;
    this.latestAt = endedAt;
    if (outcome !== "ok" || endedAt - sentAt > this.slowMs) {
      this.open ??= { since: sentAt, reason, notApplied: 0, unknown: 0 };
      if (outcome === "not_applied") this.open.notApplied++;
      if (outcome === "unknown") this.open.unknown++;
    }
    if (outcome !== "ok") return;
    this.latency.record((endedAt - sentAt) * 1000);
    if (this.open !== null) this.windows.push(windowOf(this.open, endedAt, true));
    this.open = null;
  }

  summary(): ProbeSummary {
    const { counts, latency, open } = this;
    return {
      puts: counts.ok + counts.not_applied + counts.unknown,
      ...counts,
      p50_us: latency.percentile(0.5),
      p99_us: latency.percentile(0.99),
      max_us: latency.max,
      windows: open === null ? this.windows : [...this.windows, windowOf(open, this.latestAt, false)],
    };
  }
}

function windowOf(open: OpenWindow, until: number, ended: boolean): ProbeWindow {
  return {
    from: new Date(open.since).toISOString(),
    to: ended ? new Date(until).toISOString() : null,
    ms: Math.round(until - open.since),
    not_applied: open.notApplied,
    unknown: open.unknown,
    reason: open.reason,
  };
}

/** One put, as people read it. */
export function putText({ number, sentAt, endedAt, outcome, revision, reason }: ProbedPut): string {
  const time = new Date(sentAt).toISOString().slice(11, 23);
  const end = outcome === "ok" ? `ok rev=${revision ?? 0}` : outcome.replace("_", " ");
  return `${time}  ${number}  ${end}  ${(endedAt - sentAt).toFixed(1)} ms${reason === null ? "" : `  ${reason}`}\n`;
}

/** One put as a line of JSON: a contract. */
export function putJson({ number, sentAt, endedAt, outcome, revision, reason }: ProbedPut): object {
  const at = new Date(sentAt).toISOString();
  return { put: number, at, outcome, revision, us: Math.round((endedAt - sentAt) * 1000), reason };
}

/** All of it, as people read it. */
export function summaryText({ puts, ok, not_applied, unknown, p50_us, p99_us, max_us, windows }: ProbeSummary): string {
  const ms = (micros: number): string => `${(micros / 1000).toFixed(1)} ms`;
  const counts = `${puts} puts: ${ok} ok, ${not_applied} not applied, ${unknown} unknown`;
  const times = ok === 0 ? "" : `   p50 ${ms(p50_us)}   p99 ${ms(p99_us)}   max ${ms(max_us)}`;
  const lines = windows.map((window) => {
    const failed = window.not_applied + window.unknown;
    const why = window.reason === null ? "slow" : `${failed} failed: ${window.reason}`;
    return `without service for ${window.ms} ms from ${window.from} ${window.to === null ? "on" : `to ${window.to}`} (${why})\n`;
  });
  return `${counts}${times}\n${lines.length === 0 ? "served without a window\n" : lines.join("")}`;
}
