/** What `proa bench` tells: a line a second, and the result for people or for programs. Pure: makes texts of numbers. */
import { cpus, release } from "node:os";
import { table } from "../table.ts";
import type { Histogram } from "../../src/lib/histogram.ts";
import type { CheckSummary } from "./bench_history.ts";
import type { BenchPlan } from "./bench_plan.ts";
import type { Tally } from "./bench_tally.ts";

/** What `--json` prints: a contract. Latencies are of the requests that were answered. */
export interface BenchJson {
  readonly op: BenchPlan["op"];
  readonly consistency: BenchPlan["consistency"];
  readonly value_bytes: number;
  readonly in_flight: number;
  readonly connections: number;
  readonly ops_per_s: number;
  readonly p50_us: number;
  readonly p90_us: number;
  readonly p99_us: number;
  readonly p999_us: number;
  readonly max_us: number;
  readonly ok: number;
  readonly not_applied: number;
  readonly unknown: number;
}

/** What was measured, and for how long. */
export interface Measured {
  readonly tally: Tally;
  readonly elapsedMs: number;
}

export function benchJson(plan: BenchPlan, { tally, elapsedMs }: Measured): BenchJson {
  const { latency } = tally;
  return {
    op: plan.op,
    consistency: plan.consistency,
    value_bytes: plan.valueBytes,
    in_flight: plan.inFlight,
    connections: plan.connections,
    ops_per_s: perSecond(tally.ok, elapsedMs),
    p50_us: latency.percentile(0.5),
    p90_us: latency.percentile(0.9),
    p99_us: latency.percentile(0.99),
    p999_us: latency.percentile(0.999),
    max_us: latency.max,
    ok: tally.ok,
    not_applied: tally.notApplied,
    unknown: tally.unknown,
  };
}

/** The result for people. */
export function benchText(plan: BenchPlan, { tally, elapsedMs }: Measured, check: CheckSummary | null): string {
  const { latency } = tally;
  const facts: (readonly [name: string, value: string])[] = [
    ["count", grouped(tally.ok)],
    ["total ms", grouped(Math.round(elapsedMs))],
  ];
  if (plan.op !== "get") facts.push(["puts/s", grouped(perSecond(tally.puts, elapsedMs))]);
  if (plan.op !== "put") facts.push([`${plan.consistency} gets/s`, grouped(perSecond(tally.gets, elapsedMs))]);
  facts.push(
    ["not applied", grouped(tally.notApplied)],
    ["unknown", grouped(tally.unknown)],
    ["OS", `${process.platform} ${release()} ${process.arch}`],
    ["cores", String(cpus().length)],
  );
  const shares = [0.5, 0.9, 0.99, 0.999] as const;
  const shown = shares.map((share) => `p${String(share * 100)} ${timeText(latency.percentile(share))}`);
  const width = Math.max(...facts.map(([name]) => name.length));
  const lines = facts.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
  return `${lines}${"latency".padEnd(width)}  ${[...shown, `max ${timeText(latency.max)}`].join("   ")}\n${histogramText(latency)}${checkText(check)}`;
}

/** One second of a run. */
export function progressText(
  plan: BenchPlan,
  recent: Tally,
  { second, seconds, spanMs }: { readonly second: number; readonly seconds: number; readonly spanMs: number },
): string {
  const { latency } = recent;
  const rates = [
    ...(plan.op === "get" ? [] : [`${grouped(perSecond(recent.puts, spanMs))} puts/s`]),
    ...(plan.op === "put" ? [] : [`${grouped(perSecond(recent.gets, spanMs))} gets/s`]),
  ];
  const failures = recent.notApplied + recent.unknown;
  const trouble =
    failures === 0 ? "" : `   ${grouped(recent.notApplied)} not applied, ${grouped(recent.unknown)} unknown`;
  const times = `p50 ${timeText(latency.percentile(0.5))}   p99 ${timeText(latency.percentile(0.99))}`;
  return `${bar(second / seconds)} ${String(second).padStart(String(seconds).length)}/${seconds} s   ${rates.join("   ")}   ${times}${trouble}`;
}

const barWidth = 20;

function bar(share: number): string {
  const full = Math.min(barWidth, Math.round(share * barWidth));
  return `[${"#".repeat(full)}${".".repeat(barWidth - full)}]`;
}

const histogramWidth = 40;

/** How many requests were answered within 100 µs, 200 µs, 400 µs, …, from the first to the last that were. */
function histogramText(latency: Histogram): string {
  if (latency.count === 0) return "";
  const rows: string[][] = [];
  let before = 0;
  for (let upTo = 100; before < latency.count; upTo *= 2) {
    const count = latency.countUpTo(upTo);
    const share = (count - before) / latency.count;
    if (count > 0) rows.push([`≤ ${timeText(upTo)}`, percent(share), "#".repeat(Math.round(share * histogramWidth))]);
    before = count;
  }
  return `\n${table([{ title: "WITHIN", align: "right" }, { title: "SHARE", align: "right" }, { title: "" }], rows)}`;
}

function checkText(check: CheckSummary | null): string {
  if (check === null) return "";
  const { operations, keys, undecided, violations } = check;
  const left = undecided === 0 ? "" : `, ${grouped(undecided)} of them too entangled to tell`;
  const verdict = violations.length === 0 ? "linearizable" : "NOT LINEARIZABLE";
  return `\ncheck  ${verdict}: ${grouped(operations)} requests on ${grouped(keys)} keys${left}\n`;
}

/** A duration of microseconds in the unit that fits. */
export function timeText(micros: number): string {
  if (micros < 1000) return `${Math.round(micros)} µs`;
  if (micros < 1_000_000) return `${digits(micros / 1000)} ms`;
  return `${digits(micros / 1_000_000)} s`;
}

function digits(value: number): string {
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.001 ? 3 : 1)} %`;
}

function perSecond(count: number, spanMs: number): number {
  return spanMs <= 0 ? 0 : Math.round((count * 1000) / spanMs);
}

/** A whole number with its thousands apart. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}
