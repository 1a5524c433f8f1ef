/**
 * `proa bench` for several transports and rates of loss: a cluster of its own for each pair, whose nodes speak through
 * relays in this process, while another one measures. One row each, in one table.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Context } from "../context.ts";
import { RunEnd } from "../run_end.ts";
import { survey } from "../survey.ts";
import { table } from "../table.ts";
import { HttpClient } from "../../src/client/http_client.ts";
import { parseServerError } from "../../src/client/server_error.ts";
import { assert } from "../../src/lib/assert.ts";
import { ProaError } from "../../src/lib/errors.ts";
import type { TransportKind } from "../../src/local/cluster_file.ts";
import { BenchCluster } from "./bench_cluster.ts";
import { planOf, type BenchRequest } from "./bench_plan.ts";
import { grouped, timeText, type BenchJson } from "./bench_report.ts";

/** One line of the result: a contract, as JSON. */
export interface TransportRow extends BenchJson {
  readonly transport: TransportKind;
  /** Of all packets between the nodes, each way; null where they did not pass through relays. */
  readonly loss_percent: number | null;
  /** Terms that began while it was measured. */
  readonly elections: number;
}

/** How long the nodes may take to say their term. Milliseconds. */
const surveyMs = 2000;

/** Throws USAGE before anything is started, and what went wrong in a row after the table. */
export async function runTransports(request: BenchRequest, context: Context): Promise<void> {
  planOf(request);
  const end = new RunEnd(context);
  const rows: TransportRow[] = [];
  const failures: ProaError[] = [];
  for (const lossPercent of request.loss ?? [null]) {
    for (const transport of request.transport ?? ["tcp"]) {
      if (end.hasCome()) continue;
      const { row, failure } = await runRow(request, { transport, lossPercent }, { context, end });
      if (row !== null) rows.push(row);
      if (failure !== null) failures.push(failure);
    }
  }
  context.output.result(rows, () => rowsText(request.op, rows));
  end.exitIfSignalled();
  const [failure] = failures;
  if (failure !== undefined) throw failure;
}

interface Pair {
  readonly transport: TransportKind;
  readonly lossPercent: number | null;
}

interface RowEnd {
  readonly row: TransportRow | null;
  readonly failure: ProaError | null;
}

async function runRow(
  request: BenchRequest,
  { transport, lossPercent }: Pair,
  { context, end }: { readonly context: Context; readonly end: RunEnd },
): Promise<RowEnd> {
  const { local } = request;
  assert(local !== undefined, "a plan with transports has a cluster of its own");
  const cluster = new BenchCluster(context);
  try {
    context.output.note(
      `${transport}${lossPercent === null ? "" : `, ${lossPercent} % loss`}: starting ${local} nodes`,
    );
    const lossRate = lossPercent === null ? null : lossPercent / 100;
    const failed = await end.before(cluster.start({ nodes: local, transport, lossRate }).catch(proaError));
    if (failed instanceof ProaError) return { row: null, failure: failed };
    if (end.hasCome()) return { row: null, failure: null };
    const before = await highestTerm(cluster.endpoints);
    const { report, failure } = await measureFrom(cluster.endpoints, request, { context, end });
    if (report === null) return { row: null, failure };
    const elections = (await highestTerm(cluster.endpoints)) - before;
    const row = { transport, loss_percent: lossPercent, elections, ...report };
    context.output.note(rowsText(request.op, [row]).split("\n")[1] ?? "");
    return { row, failure };
  } finally {
    await cluster.remove();
  }
}

/** Lets another process measure, so that the relays have this one for themselves. */
async function measureFrom(
  endpoints: readonly string[],
  request: BenchRequest,
  { context, end }: { readonly context: Context; readonly end: RunEnd },
): Promise<{ readonly report: BenchJson | null; readonly failure: ProaError | null }> {
  const [program, ...words] = context.runtime.self;
  assert(program !== undefined, "a command has a program");
  const env = Object.fromEntries(Object.entries(context.env).filter(([name]) => !name.startsWith("PROA_")));
  const args = [...words, "bench", "--json", "--endpoints", endpoints.join(","), ...optionsOf(request)];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env });
  let printed = "";
  let complaint = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => (printed += piece));
  child.stderr.setEncoding("utf8").on("data", (piece: string) => (complaint += piece));
  const closed = once(child, "close");
  if ((await end.before(closed)) === null) child.kill("SIGINT"); // it ends with what it has measured
  await closed;
  const report = printed === "" ? null : (JSON.parse(printed) as BenchJson);
  return { report, failure: end.hasCome() ? null : failureOf(complaint) };
}

/** The options of a run against a cluster that is there. */
export function optionsOf(request: BenchRequest): readonly string[] {
  const { op, consistency, inFlight, connections, callers, rate, valueSize, keyCount, duration, warmup, check } =
    request;
  const given = { inFlight, callers, rate };
  return [
    ...["--op", op, "--consistency", consistency, "--connections", String(connections)],
    ...["--value-size", String(valueSize), "--key-count", String(keyCount)],
    ...["--duration", `${String(duration)}ms`, "--warmup", `${String(warmup)}ms`],
    ...(given.inFlight === undefined ? [] : ["--in-flight", String(inFlight)]),
    ...(given.callers === undefined ? [] : ["--callers", String(callers)]),
    ...(given.rate === undefined ? [] : ["--rate", String(rate)]),
    ...(check ? ["--check"] : []),
  ];
}

/** A failure as a value, so that what was measured before is still told. */
function proaError(thrown: unknown): ProaError {
  if (thrown instanceof ProaError) return thrown;
  throw thrown;
}

/** What the other process complained of; null when it did not. */
function failureOf(complaint: string): ProaError | null {
  if (complaint === "") return null;
  const told = parseServerError(new TextEncoder().encode(complaint), 500); // it has the same form
  return (
    told ?? new ProaError("INTERNAL", "Cannot go on: the process that measures failed", { hint: complaint.trim() })
  );
}

async function highestTerm(endpoints: readonly string[]): Promise<number> {
  const client = new HttpClient({ endpoints, deadline: performance.now() + surveyMs, trace: () => undefined });
  const { reports } = await survey(client, endpoints);
  return reports.reduce((term, report) => Math.max(term, report.term), 0);
}

/** The rows for people. */
export function rowsText(op: BenchRequest["op"], rows: readonly TransportRow[]): string {
  const columns = [
    { title: "TRANSPORT" },
    { title: "LOSS", align: "right" },
    { title: op === "mixed" ? "OPS/S" : `${op.toUpperCase()}S/S`, align: "right" },
    { title: "P50", align: "right" },
    { title: "P99", align: "right" },
    { title: "ELECTIONS", align: "right" },
  ] as const;
  const cells = rows.map(({ transport, loss_percent, ops_per_s, p50_us, p99_us, elections }) => [
    transport,
    loss_percent === null ? "–" : `${loss_percent} %`,
    grouped(ops_per_s),
    timeText(p50_us),
    timeText(p99_us),
    String(elections),
  ]);
  return table(columns, cells);
}
