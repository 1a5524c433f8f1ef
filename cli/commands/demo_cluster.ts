/** Which cluster a `proa demo` command means, and what all of them say about it. */
import { resolve } from "node:path";
import type { Context } from "../context.ts";
import { table } from "../table.ts";
import type { Started } from "./demo_start.ts";
import { assert } from "../../src/lib/assert.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { LocalCluster, leaderOf, type NodeState, type StartFailure } from "../../src/local/cluster.ts";
import type { ClusterFile, ClusterMode, TransportKind } from "../../src/local/cluster_file.ts";
import { demoDirectory } from "../../src/local/paths.ts";
import { formatHostPort } from "../../src/local/server_list.ts";

/** The cluster in `dir`, or this user's own. */
export function clusterIn(dir: string | undefined, { env, runtime }: Context): LocalCluster {
  const directory = dir === undefined ? demoDirectory(env) : resolve(dir);
  if (directory !== null) return new LocalCluster(directory, runtime);
  throw new ProaError("USAGE", "Cannot tell where the cluster lives: neither XDG_STATE_HOME nor HOME is set", {
    hint: "say it with --dir DIRECTORY",
  });
}

/** The command line of `proa demo` that means this cluster. */
export function demoCommand({ layout }: LocalCluster, words: string, { env }: Context): string {
  return `proa demo ${words}${layout.directory === demoDirectory(env) ? "" : ` --dir ${layout.directory}`}`;
}

/** What was last started in the cluster's directory. Throws UNREACHABLE when none of it runs. */
export function runningFile(cluster: LocalCluster, context: Context): ClusterFile {
  const file = cluster.file();
  if (file !== null && cluster.running().length > 0) return file;
  throw notRunning(cluster, context);
}

export function notRunning(cluster: LocalCluster, context: Context): ProaError {
  return new ProaError("UNREACHABLE", `Cannot reach a demo: none runs in ${cluster.layout.directory}`, {
    hint: `start one with: ${demoCommand(cluster, "up", context)}`,
  });
}

/** The cluster as `--json` shows it: a contract. */
export interface ClusterJson {
  readonly running: boolean;
  readonly mode: ClusterMode;
  /** What carries the messages between the nodes. */
  readonly transport: TransportKind;
  readonly directory: string;
  /** ISO 8601. */
  readonly started_at: string;
  readonly leader: number | null;
  readonly nodes: readonly NodeJson[];
}

export interface NodeJson {
  readonly id: number;
  /** `silent`: it runs and does not answer. */
  readonly state: "running" | "silent" | "stopped";
  readonly pid: number | null;
  readonly role: string | null;
  readonly term: number | null;
  readonly service: string;
  readonly replicate: string;
  readonly data: string;
  readonly log: string;
}

/** Makes the JSON of what was seen. */
export function clusterJson(cluster: LocalCluster, file: ClusterFile, states: readonly NodeState[]): ClusterJson {
  return {
    running: states.some(({ process }) => process !== null),
    mode: file.mode,
    transport: file.transport,
    directory: cluster.layout.directory,
    started_at: file.startedAt,
    leader: leaderOf(states),
    nodes: states.map(({ server, process, view }) => ({
      id: server.id,
      state: stateOf({ process, view }),
      pid: process?.pid ?? null,
      role: view?.role ?? null,
      term: view?.term ?? null,
      service: formatHostPort(server.service),
      replicate: formatHostPort(server.replicate),
      data: cluster.layout.nodeDirectory(server.id),
      log: cluster.layout.nodeLog(server.id),
    })),
  };
}

/** The cluster as people see it. */
export function clusterTable(cluster: LocalCluster, file: ClusterFile, states: readonly NodeState[]): string {
  const leader = leaderOf(states);
  const title = `DEMO ${cluster.layout.directory}   ${leader === null ? "no leader" : `leader ${String(leader)}`}   ${file.mode}   ${file.transport}\n`;
  const rows = states.map(({ server, process, view }) => [
    String(server.id),
    process === null ? "–" : String(process.pid),
    view?.role ?? "–",
    formatHostPort(server.service),
    formatHostPort(server.replicate),
    stateOf({ process, view }),
  ]);
  const columns = [
    { title: "NODE" },
    { title: "PID" },
    { title: "ROLE" },
    { title: "SERVICE" },
    { title: "REPLICATE" },
    { title: "STATE" },
  ];
  return title + table(columns, rows);
}

/** Says that the cluster serves: as JSON, or in at most eight lines what runs, where everything is and what to type. */
export async function announce(cluster: LocalCluster, started: Started, context: Context): Promise<void> {
  const states = await cluster.states();
  const json = { ...clusterJson(cluster, started.file, states), already_up: started.already };
  context.output.confirmation(json, bannerLines(cluster, started, leaderOf(states), context).join("\n"));
}

function bannerLines(
  cluster: LocalCluster,
  { file: { servers }, already, fresh, portTaken }: Started,
  leader: number | null,
  context: Context,
): readonly string[] {
  const { directory } = cluster.layout;
  const [first] = servers;
  assert(first !== undefined, "a cluster has a node");
  const client = directory === demoDirectory(context.env) ? "proa" : `proa -e ${formatHostPort(first.service)}`;
  const count = servers.length === 1 ? "one node" : `${String(servers.length)} nodes`;
  const led = leader === null ? "" : `, node ${String(leader)} leads`;
  const past = already ? ", up already" : fresh ? "" : ", continuing the data of an earlier run";
  return [
    `demo: ${count}${led}${past}`,
    `service    ${servers.map(({ service }) => formatHostPort(service)).join(" ")}`,
    `replicate  ${servers.map(({ replicate }) => formatHostPort(replicate)).join(" ")}`,
    ...(portTaken === null ? [] : [`           not the usual ports, because ${String(portTaken)} is taken`]),
    `data       ${directory}/n1${servers.length === 1 ? "" : ` to n${String(servers.length)}`}, logs beside it`,
    `try        ${client} kv put greeting hello`,
    `           ${client} cluster status`,
    `           ${demoCommand(cluster, "kill leader", context)}`,
  ];
}

/** The error that says why a start failed. The end of the node's log goes to people on stderr, or into the JSON. */
export function startError(cluster: LocalCluster, { id, reason, log }: StartFailure, { output }: Context): ProaError {
  for (const line of log) output.note(`n${String(id)} | ${line}`);
  return new ProaError("LOCAL_RESOURCE", `Cannot start node ${String(id)}: it ${reason}`, {
    hint: `its log is ${cluster.layout.nodeLog(id)}`,
    tried: output.mode === "table" ? [] : log,
  });
}

function stateOf({ process, view }: Pick<NodeState, "process" | "view">): NodeJson["state"] {
  if (process === null) return "stopped";
  return view === null ? "silent" : "running";
}
