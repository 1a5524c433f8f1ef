/** One run of `proa bench` from the cluster that it starts to the one that it leaves behind; Ctrl-C ends it in order, with what was measured. */
import { randomBytes } from "node:crypto";
import type { Context } from "../context.ts";
import { endpointsOf } from "../endpoints.ts";
import { RunEnd } from "../run_end.ts";
import { sleep } from "../../src/client/http_client.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { BenchCluster } from "./bench_cluster.ts";
import { FrameMaker } from "./bench_frames.ts";
import { KeyHistory } from "./bench_history.ts";
import { Load } from "./bench_load.ts";
import { fillKeys, startLoop } from "./bench_loops.ts";
import { type BenchPlan, type BenchRequest, planOf } from "./bench_plan.ts";
import { benchJson, benchText, progressText } from "./bench_report.ts";
import { Route } from "./bench_route.ts";
import { Counters } from "./bench_tally.ts";

/** How long a leader is looked for unless `--timeout` says otherwise. Milliseconds. */
const leaderMs = 5000;
const progressMs = 1000;

export async function runBench(request: BenchRequest, context: Context): Promise<void> {
  const plan = planOf(request);
  if (request.loss !== undefined || (request.transport ?? []).length > 1) {
    const { runTransports } = await import("./bench_transports.ts");
    return runTransports(request, context);
  }
  const end = new RunEnd(context);
  const cluster = request.local === undefined ? null : new BenchCluster(context);
  try {
    if (cluster !== null && request.local !== undefined) {
      context.output.note(`starting ${request.local} nodes for this run`);
      const [transport = "tcp"] = request.transport ?? [];
      await end.before(cluster.start({ nodes: request.local, transport, lossRate: null }));
    }
    if (!end.hasCome())
      await measure(plan, request, { context, end, endpoints: cluster?.endpoints ?? endpointsOf(context) });
  } finally {
    await cluster?.remove();
  }
  end.exitIfSignalled();
}

interface Setting {
  readonly context: Context;
  readonly end: RunEnd;
  readonly endpoints: readonly string[];
}

async function measure(
  plan: BenchPlan,
  times: Pick<BenchRequest, "duration" | "warmup">,
  { context, end, endpoints }: Setting,
): Promise<void> {
  const deadline = performance.now() + Math.min(leaderMs, context.globals.timeoutMs ?? Infinity);
  const route = await Route.find(endpoints, { spread: plan.consistency === "stale", deadline });
  const run = randomBytes(6).toString("hex");
  const history = plan.check ? new KeyHistory({ keyCount: plan.keyCount, run }) : null;
  const counters = new Counters();
  const load = new Load(plan, { route, counters, frames: new FrameMaker(plan, history) });
  if (plan.op !== "put" && history === null) await end.before(fillKeys(load));
  startLoop(load);
  await end.before(sleep(times.warmup));
  counters.begin(performance.now());
  await watch(plan, times.duration, { context, end, counters });
  counters.end(performance.now());
  await load.stop();
  const measured = { tally: counters.total, elapsedMs: counters.elapsedMs(performance.now()) };
  const check = history?.finish() ?? null;
  context.output.result(benchJson(plan, measured), () => benchText(plan, measured, check));
  if (check !== null && check.violations.length > 0) throw notLinearizable(check.violations);
  if (measured.tally.ok === 0 && !end.hasCome()) throw route.trouble ?? nothingAnswered();
}

/** Tells how it goes, once a second, until the time is over. */
async function watch(
  plan: BenchPlan,
  durationMs: number,
  { context, end, counters }: { readonly context: Context; readonly end: RunEnd; readonly counters: Counters },
): Promise<void> {
  const startedAt = performance.now();
  const seconds = Math.ceil(durationMs / progressMs);
  for (let second = 1; second <= seconds && !end.hasCome(); second++) {
    const from = performance.now();
    const until = startedAt + Math.min(durationMs, second * progressMs);
    await end.before(sleep(Math.max(0, until - from)));
    const spanMs = performance.now() - from;
    context.output.note(progressText(plan, counters.recent, { second, seconds, spanMs }));
    counters.recent.reset();
  }
}

function notLinearizable(keys: readonly string[]): ProaError {
  return new ProaError(
    "CHECK_FAILED",
    `Cannot call the answers linearizable: they contradict each other on ${keys.join(", ")}`,
    {
      hint: "keep the data directories and logs of all nodes, and report it",
      applied: "yes",
    },
  );
}

function nothingAnswered(): ProaError {
  return new ProaError(
    "READ_TIMEOUT",
    "Cannot tell how fast the cluster is: nothing was answered while it was measured",
    {
      hint: "measure for longer with --duration, or see proa cluster status",
    },
  );
}
