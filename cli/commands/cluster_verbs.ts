/** What the verbs of `proa cluster` do. */
import { clusterView } from "../cluster_view.ts";
import type { ClusterView, Health, NodeRow, Survey } from "../cluster_view.ts";
import type { Context } from "../context.ts";
import { endpointsOf } from "../endpoints.ts";
import { jsonLine, out, stdoutIsTerminal } from "../output.ts";
import type { Output, Style } from "../output.ts";
import { survey } from "../survey.ts";
import { table } from "../table.ts";
import { HttpClient, sleep } from "../../src/client/http_client.ts";
import { ProaError } from "../../src/lib/errors.ts";

export interface StatusRequest {
  readonly check: boolean;
  /** Milliseconds between two looks; undefined for a single one. */
  readonly watch: number | undefined;
}

export async function status(request: StatusRequest, context: Context): Promise<void> {
  if (request.watch !== undefined) {
    if (request.check)
      throw new ProaError("USAGE", "Cannot run proa cluster status: --check and --watch exclude each other", {
        hint: "see proa help cluster status",
      });
    return watch(request.watch, context);
  }
  const found = await look(context);
  const view = clusterView(found);
  if (view.health === "unreachable") throw unreachable(found, request.check);
  context.output.result(view, () => statusText(view, context.output));
  if (request.check && view.health !== "healthy") {
    throw new ProaError("CHECK_FAILED", `Cannot call the cluster healthy: ${words(view.health)}`, {
      hint: "see proa cluster status, and proa demo status for a local cluster",
    });
  }
}

/** The picture for people: a line about the cluster, a line for each node, a line for each problem. */
export function statusText(view: ClusterView, output: Pick<Output, "paint">): string {
  const head = [
    `CLUSTER ${view.cluster ?? "–"}`,
    `term ${view.term}`,
    `leader ${view.leader ?? "–"}`,
    `quorum ${view.quorum}/${view.voters}`,
    output.paint(styleOfHealth[view.health], words(view.health)),
  ].join("   ");
  const columns = [
    { title: "NODE" },
    { title: "ROLE" },
    { title: "SERVICE" },
    { title: "MATCH", align: "right" },
    { title: "APPLIED", align: "right" },
    { title: "LAG", align: "right" },
    { title: "RTT" },
    { title: "STATE" },
  ] as const;
  const problems = view.problems.map((problem) => `${output.paint("red", "!")} ${problem}\n`).join("");
  return `${head}\n${table(
    columns,
    view.nodes.map((node) => cells(node, output)),
  )}${problems}`;
}

/** Looks until the process is interrupted. */
async function watch(intervalMs: number, context: Context): Promise<never> {
  const redraws = context.output.mode === "table" && stdoutIsTerminal();
  for (;;) {
    const startedAt = performance.now();
    const view = clusterView(await look(context));
    if (context.output.mode !== "table") out(jsonLine(view));
    else out(`${redraws ? clearScreen : ""}${statusText(view, context.output)}${redraws ? "" : "\n"}`);
    await sleep(Math.max(0, intervalMs - (performance.now() - startedAt)));
  }
}

/** Moves the cursor to the top left and clears what is below it. */
const clearScreen = "\u001b[H\u001b[2J";

/** The time that one look may take beyond what the nodes are given, in milliseconds. */
const lookMs = 5000;

function look(context: Context): Promise<Survey> {
  const endpoints = endpointsOf(context);
  const deadline = performance.now() + (context.globals.timeoutMs ?? lookMs);
  const trace = (line: string): void => {
    context.output.trace(line);
  };
  return survey(new HttpClient({ endpoints, deadline, trace }), endpoints);
}

function cells(node: NodeRow, output: Pick<Output, "paint">): readonly string[] {
  return [
    String(node.id),
    node.role ?? "–",
    node.service,
    numberOrDash(node.match),
    numberOrDash(node.applied),
    numberOrDash(node.lag),
    node.rtt_ms === null ? "–" : `${node.rtt_ms.toFixed(1)}ms`,
    node.state === "ok"
      ? "ok"
      : output.paint(["catching_up", "snapshot"].includes(node.state) ? "yellow" : "red", words(node.state)),
  ];
}

function numberOrDash(value: number | null): string {
  return value === null ? "–" : String(value);
}

const styleOfHealth: Readonly<Record<Health, Style>> = {
  healthy: "green",
  degraded: "yellow",
  no_leader: "red",
  no_quorum: "red",
  conflict: "red",
  unreachable: "red",
};

function words(name: string): string {
  return name.replaceAll("_", " ");
}

function unreachable({ silent }: Survey, check: boolean): ProaError {
  return new ProaError(check ? "CHECK_FAILED" : "UNREACHABLE", "Cannot see the cluster: no endpoint answers", {
    hint: "start a cluster with proa demo, or name its service ports with --endpoints host:port,…",
    tried: silent.map(({ endpoint, reason }) => `${endpoint}: ${reason}`),
  });
}
