/**
 * Measures every row of the table in docs/benchmarks.md on the compiled executable, one after the other in one session,
 * and prints the table as Markdown. With `--write` it replaces the table in that file. About six minutes.
 *
 *     bun bench/table.ts [--seconds 4] [--rounds 5] [--keys 1000000] [--only PART,PART] [--etcd SCRIPT] [--write]
 *
 * The parts are throughput, overload, keys, failover and growth.
 * SCRIPT (or PROA_BENCH_ETCD) loads an etcd on this machine: called with a number of seconds, it prints a line of JSON for
 * each load: {"op","concurrency","clients","ops_per_s","p50_us","p99_us"}, and at the end one {"rss_mb"} for each node.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { parseArgs } from "node:util";
import type { BenchJson } from "../cli/commands/bench_report.ts";
import { RealCluster } from "../test/e2e/cluster.ts";
import { residentBytes } from "../test/helpers/resident_memory.ts";
import { until } from "../test/helpers/until.ts";
import { run } from "../test/helpers/run.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "4" },
    rounds: { type: "string", default: "5" },
    keys: { type: "string", default: "1000000" },
    only: { type: "string", default: "throughput,overload,keys,failover,growth" },
    etcd: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds);
/** Nodes compile what runs often: that takes a few seconds. */
const warmupS = 5;
/** Long enough that a leader that is late now and then would lose its office. */
const overloadSeconds = 60;
const etcdScript = values.etcd ?? process.env["PROA_BENCH_ETCD"];

/** One line of the table. */
interface Row {
  readonly what: string;
  readonly goal: string;
  readonly proa: string;
  readonly met: boolean | null;
  readonly etcd: string;
  readonly ratio: string;
  readonly load: string;
}

interface EtcdLine {
  readonly op: string;
  readonly concurrency: number;
  readonly ops_per_s: number;
  readonly p50_us: number;
  readonly p99_us: number;
}

const rows: Row[] = [];
const etcd = await measureEtcd();
const parts: Readonly<Record<string, () => Promise<void>>> = {
  throughput: measureThroughput,
  overload: measureOverload,
  keys: measureManyKeys,
  failover: measureFailover,
  growth: measureGrowth,
};
for (const name of values.only.split(",")) {
  const part = parts[name];
  if (part === undefined) throw new Error(`the parts are ${Object.keys(parts).join(", ")}, not ${name}`);
  await part();
}
finish();

async function measureThroughput(): Promise<void> {
  await withCluster(3, async (cluster) => {
    const puts = await bench(cluster, "--in-flight 2000");
    const rss = memoryOf(await pids(cluster));
    rate("puts, 2,000 in flight, 1 connection", puts, 260_000, etcdOf("put", 2000));
    row("memory of the largest node meanwhile", "≤ 150 MB", `${rss} MB`, rss <= 150);
    rate("puts, 10,000 in flight, 2 connections", await bench(cluster, "--in-flight 10000 --connections 2"), 300_000);
    rate("puts, 128 callers on 1 connection", await bench(cluster, "--callers 128"), 80_000, etcdOf("put", 128));
    const single = await bench(cluster, "--in-flight 128 --connections 128");
    rate("puts, 128 connections, 1 request each", single, 40_000, etcdOf("put", 128));
    const lone = await bench(cluster, "--in-flight 1");
    const text = `p50 ${lone.p50_us} µs, p99 ${lone.p99_us} µs`;
    const other = etcdOf("put", 1);
    row("one put at a time", "p50 ≤ 400 µs, p99 ≤ 1.2 ms", text, lone.p50_us <= 400 && lone.p99_us <= 1200, {
      etcd: other === null ? "" : `p50 ${other.p50_us} µs, p99 ${other.p99_us} µs`,
      ratio: other === null ? "" : (other.p50_us / lone.p50_us).toFixed(1),
    });
    const gets = await bench(cluster, "--op get --in-flight 2000");
    rate("linearizable gets, 2,000 in flight", gets, 1_000_000, etcdOf("get", 128));
    const lease = await bench(cluster, "--op get --consistency lease --in-flight 2000");
    rate("lease gets, 2,000 in flight", lease, 1_500_000, etcdOf("get", 128));
    const getsOne = await bench(cluster, "--op get --in-flight 128 --connections 128");
    rate("gets, 128 connections, 1 request each", getsOne, 100_000, etcdOf("get", 128));
    const half = Math.max(1, Math.round(puts.ops_per_s / 2));
    const [, reads] = await Promise.all([
      bench(cluster, `--rate ${half}`),
      bench(cluster, "--op get --in-flight 8 --connections 8"),
    ]);
    row(`gets while ${half} puts/s are written: p99`, "≤ 5 ms", ms(reads.p99_us), reads.p99_us <= 5000);
  });
}

async function measureOverload(): Promise<void> {
  await withCluster(3, async (cluster) => {
    const before = await cluster.status(await cluster.leader());
    const ends = await Promise.all([1, 2, 3, 4].map(() => bench(cluster, "--in-flight 5000", overloadSeconds)));
    const after = await cluster.status(await cluster.leader());
    const sum = (pick: (end: BenchJson) => number): number => ends.reduce((total, end) => total + pick(end), 0);
    const worst = Math.max(...ends.map(({ p99_us }) => p99_us));
    const calm = before?.term === after?.term && sum(({ unknown }) => unknown) === 0;
    row(
      `20,000 puts in flight from 4 clients, ${overloadSeconds} s`,
      "no leader change, none unknown, p99 ≤ 250 ms",
      `${calm ? "leader kept" : `term ${before?.term} → ${after?.term}`}, ${grouped(sum((end) => end.ops_per_s))}/s, ` +
        `${grouped(sum((end) => end.not_applied))} refused, ${sum((end) => end.unknown)} unknown, p99 ${ms(worst)}`,
      calm && worst <= 250_000,
    );
  });
}

async function measureManyKeys(): Promise<void> {
  await withCluster(3, async (cluster) => {
    const keys = grouped(Number(values.keys));
    const many = `--key-count ${values.keys} --in-flight 2000`;
    await bench(cluster, `--op get ${many}`, 1); // puts every key once before it begins
    const puts = await bench(cluster, many);
    const rss = memoryOf(await pids(cluster));
    row(`puts over ${keys} keys, 2,000 in flight`, "", `${grouped(puts.ops_per_s)}/s`, null);
    row(`memory of the largest node with ${keys} keys`, "≤ 600 MB", `${rss} MB`, rss <= 600);
    await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
    const start = performance.now();
    for (const id of cluster.ids) cluster.start(id);
    await until("a put is served", async () => (await cluster.proa(["kv", "put", "again", "1"])).status === 0);
    const took = performance.now() - start;
    row(`restart of all nodes with ${keys} keys, to the next put`, "≤ 4 s", ms(took * 1000), took <= 4000);
  });
}

async function measureFailover(): Promise<void> {
  for (const [mode, what, goal, worst] of [
    ["kill", "`kill -9` of the leader to the next acknowledged put", "median ≤ 600 ms, worst ≤ 1.5 s", 1500],
    ["transfer", "planned transfer under load: the longest pause", "median ≤ 50 ms", Infinity],
  ] as const) {
    const end = await run(process.execPath, ["bench/failover.ts", mode, values.rounds]);
    const result = JSON.parse(end.stdout.trim().split("\n").at(-1) ?? "{}");
    const met = Number(result.median_ms) <= (mode === "kill" ? 600 : 50) && Number(result.worst_ms) <= worst;
    row(`${what}, ${values.rounds} times`, goal, `median ${result.median_ms} ms, worst ${result.worst_ms} ms`, met);
  }
}

/** What happens when there is more of something. */
async function measureGrowth(): Promise<void> {
  await withCluster(3, async (cluster) => {
    for (const [size, inFlight] of [
      [16, 2000],
      [1024, 2000],
      [16 * 1024, 256],
      [64 * 1024, 64],
    ] as const) {
      const end = await bench(cluster, `--value-size ${size} --in-flight ${inFlight}`, 2);
      const megabytes = ((end.ops_per_s * size) / 1e6).toFixed(1);
      row(`puts of ${size} B, ${inFlight} in flight`, "", `${grouped(end.ops_per_s)}/s, ${megabytes} MB/s`, null);
    }
    const end = await bench(cluster, "--key-count 100000 --in-flight 2000", 2);
    row("puts over 100,000 keys, 2,000 in flight", "", `${grouped(end.ops_per_s)}/s`, null);
  });
  for (const nodes of [1, 5]) {
    await withCluster(nodes, async (cluster) => {
      const end = await bench(cluster, "--in-flight 2000", 2);
      row(`puts on ${nodes} node${nodes === 1 ? "" : "s"}, 2,000 in flight`, "", `${grouped(end.ops_per_s)}/s`, null);
    });
  }
}

async function measureEtcd(): Promise<readonly EtcdLine[]> {
  if (etcdScript === undefined) return [];
  console.error("etcd");
  const end = await run(etcdScript, [values.seconds]);
  if (end.status !== 0) throw new Error(`the script for etcd failed: ${end.stderr}`);
  console.error(end.stdout.trimEnd());
  return end.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter((line) => typeof line.ops_per_s === "number");
}

function etcdOf(op: string, concurrency: number): EtcdLine | null {
  return etcd.find((line) => line.op === op && line.concurrency === concurrency) ?? null;
}

async function withCluster(nodes: number, measure: (cluster: RealCluster) => Promise<void>): Promise<void> {
  const cluster = await RealCluster.start(nodes);
  try {
    await measure(cluster);
  } finally {
    await cluster.stop();
  }
}

async function bench(cluster: RealCluster, options: string, durationS = seconds): Promise<BenchJson> {
  const args = ["bench", ...options.split(" "), "--duration", `${durationS}s`, "--warmup", `${warmupS}s`, "--json"];
  const end = await cluster.proa(args);
  if (end.stdout === "") throw new Error(`proa ${args.join(" ")}: ${end.stderr}`);
  console.error(`proa ${args.join(" ")}: ${end.stdout.trimEnd()}`);
  return JSON.parse(end.stdout);
}

async function pids(cluster: RealCluster): Promise<readonly number[]> {
  const statuses = await cluster.statuses();
  return statuses.flatMap((status) => (status !== null && "pid" in status ? [Number(status.pid)] : []));
}

/** The resident memory of the largest process, in MB. */
function memoryOf(processes: readonly number[]): number {
  return Math.round(Math.max(...processes.map(residentBytes)) / 1e6);
}

function rate(what: string, end: BenchJson, goal: number, other: EtcdLine | null = null): void {
  row(what, `≥ ${grouped(goal)}/s`, `${grouped(end.ops_per_s)}/s`, end.ops_per_s >= goal, {
    etcd: other === null ? "" : `${grouped(other.ops_per_s)}/s (${other.concurrency} clients at once)`,
    ratio: other === null ? "" : (end.ops_per_s / other.ops_per_s).toFixed(1),
  });
}

function row(
  what: string,
  goal: string,
  proa: string,
  met: boolean | null,
  compared: { readonly etcd: string; readonly ratio: string } = { etcd: "", ratio: "" },
): void {
  rows.push({ what, goal, proa, met, ...compared, load: loadavg()[0]?.toFixed(1) ?? "" });
  console.error(`${what}: ${proa}${met === null ? "" : met ? " (met)" : ` (not met: ${goal})`}`);
}

function finish(): void {
  const date = new Date().toISOString().slice(0, 16).replace("T", " ");
  const head = `Measured ${date} UTC with \`bun bench/table.ts --seconds ${seconds}\` on ${cpus().length} cores (${cpus()[0]?.model.trim()}), Linux ${release()}. The load is that of the minute before.`;
  const lines = rows.map(({ what, goal, proa, met, etcd: other, ratio, load }) =>
    [what, goal, proa, met === null ? "" : met ? "yes" : "no", other, ratio, load].join(" | "),
  );
  const title = "what | goal | proa | met | etcd | proa ÷ etcd | load";
  const table = `${head}\n\n| ${title} |\n|---|---|---|---|---|---|---|\n${lines.map((line) => `| ${line} |\n`).join("")}`;
  if (!values.write) return console.log(table);
  const path = "docs/benchmarks.md";
  const [before, after] = ["<!-- table -->\n", "<!-- end of table -->\n"] as const;
  const text = readFileSync(path, "utf8");
  const [from, to] = [text.indexOf(before) + before.length, text.indexOf(after)];
  if (to < from) throw new Error(`${path} has no place for the table`);
  writeFileSync(path, `${text.slice(0, from)}\n${table}\n${text.slice(to)}`);
}

function ms(micros: number): string {
  return micros < 1000 ? `${Math.round(micros)} µs` : `${(micros / 1000).toFixed(micros < 10_000 ? 1 : 0)} ms`;
}

function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}
