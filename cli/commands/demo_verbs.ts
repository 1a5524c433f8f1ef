/** The short verbs of `proa demo`: status, env, kill, restart, down. */
import type { Context } from "../context.ts";
import {
  clusterIn,
  clusterJson,
  clusterTable,
  demoCommand,
  notRunning,
  runningFile,
  startError,
} from "./demo_cluster.ts";
import { lockedError, startDeadline } from "./demo_start.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { leaderOf, type LocalCluster, type StartFailure } from "../../src/local/cluster.ts";
import type { ClusterFile } from "../../src/local/cluster_file.ts";
import type { NodeFile } from "../../src/local/node_file.ts";
import { postRequest, requestIsPending } from "../../src/local/requests.ts";
import { formatHostPort, type ServerAddress } from "../../src/local/server_list.ts";
import { waitUntil } from "../../src/local/wait.ts";

interface Place {
  readonly dir: string | undefined;
}

export async function showStatus({ dir }: Place, context: Context): Promise<void> {
  const cluster = clusterIn(dir, context);
  const file = runningFile(cluster, context);
  const states = await cluster.states();
  context.output.result(clusterJson(cluster, file, states), () => clusterTable(cluster, file, states));
}

export function showEnvironment({ shell, dir }: Place & { readonly shell: Shell }, context: Context): void {
  const { servers } = runningFile(clusterIn(dir, context), context);
  const endpoints = servers.map(({ service }) => formatHostPort(service)).join(",");
  context.output.result({ PROA_ENDPOINTS: endpoints }, () => `${assignment[shell]("PROA_ENDPOINTS", endpoints)}\n`);
}

type Shell = keyof typeof assignment;

/** How each shell sets a variable for the commands after it. The values need no quoting beyond these. */
const assignment = {
  sh: (name: string, value: string) => `export ${name}='${value}'`,
  fish: (name: string, value: string) => `set -gx ${name} '${value}'`,
  powershell: (name: string, value: string) => `$env:${name} = '${value}'`,
} as const;

export async function killNodes(
  { nodes, dir }: Place & { readonly nodes: readonly (number | "leader")[] },
  context: Context,
): Promise<void> {
  refuseNone(nodes, "proa demo kill leader");
  const cluster = clusterIn(dir, context);
  const file = runningFile(cluster, context);
  const leader = nodes.includes("leader") ? await findLeader(cluster) : null;
  const ids = new Set(nodes.flatMap((node) => (node === "leader" ? (leader ?? []) : node)));
  const processes = [...ids].map((id) => processOf(cluster, serverOf({ cluster, file }, id, context), context));
  await cluster.kill(processes, context.deadline);
  context.output.confirmation(
    { killed: processes.map(({ id, pid }) => ({ id, pid })) },
    processes.map(({ id, pid }) => `killed node ${String(id)} (pid ${String(pid)})`).join("\n"),
  );
}

export async function restartNodes(
  { nodes, dir }: Place & { readonly nodes: readonly number[] },
  context: Context,
): Promise<void> {
  refuseNone(nodes, "proa demo restart 1");
  const cluster = clusterIn(dir, context);
  const file = cluster.file();
  if (file?.mode !== "background" && !cluster.hasOwner()) throw notRunning(cluster, context);
  if (file === null) throw notRunning(cluster, context);
  const servers = [...new Set(nodes)].map((id) => serverOf({ cluster, file }, id, context));
  const restarted: NodeFile[] = [];
  for (const server of servers) restarted.push(await restartNode(cluster, { file, server }, context));
  context.output.confirmation(
    { restarted: restarted.map(({ id, pid }) => ({ id, pid })) },
    restarted.map(({ id, pid }) => `restarted node ${String(id)} (pid ${String(pid)})`).join("\n"),
  );
}

export async function stopCluster({ wipe, dir }: Place & { readonly wipe: boolean }, context: Context): Promise<void> {
  const cluster = clusterIn(dir, context);
  const { directory } = cluster.layout;
  if (cluster.file() === null) {
    context.output.confirmation({ stopped: [], wiped: false }, `no demo in ${directory}`); // and nothing there is ours to delete
    return;
  }
  const stopped = cluster.running().map(({ id }) => id);
  if (cluster.hasOwner()) postRequest(cluster.layout, { kind: "stop" });
  const lock = await cluster.lock(startDeadline(context));
  if (lock === null) throw lockedError(cluster, context);
  try {
    await cluster.stopAll();
  } finally {
    lock.release();
  }
  if (wipe) cluster.layout.removeAll();
  const nodes =
    stopped.length === 0 ? "no node ran" : `stopped ${stopped.length === 1 ? "node" : "nodes"} ${stopped.join(", ")}`;
  context.output.confirmation(
    { stopped, wiped: wipe },
    `${nodes}; ${wipe ? "deleted" : "kept"} the data in ${directory}`,
  );
}

async function restartNode(cluster: LocalCluster, { file, server }: Target, context: Context): Promise<NodeFile> {
  const deadline = startDeadline(context);
  const before = cluster.process(server.id);
  const failure = cluster.hasOwner()
    ? await requestRestart(cluster, server.id, deadline)
    : await restartLocked(cluster, { file, server }, deadline, context);
  if (failure !== null) throw startError(cluster, failure, context);
  const now = cluster.process(server.id);
  if (now !== null && now.pid !== before?.pid) return now;
  throw startError(cluster, cluster.failure(server.id, "could not be started again"), context);
}

interface Target {
  readonly file: ClusterFile;
  readonly server: ServerAddress;
}

/** Asks the owner of the nodes to do it. */
async function requestRestart(cluster: LocalCluster, id: number, deadline: number): Promise<StartFailure | null> {
  const request = { kind: "restart", id } as const;
  postRequest(cluster.layout, request);
  const done = (): boolean => !requestIsPending(cluster.layout, request) || !cluster.hasOwner();
  return (await waitUntil(deadline, done)) ? null : cluster.failure(id, "was not started in time");
}

async function restartLocked(
  cluster: LocalCluster,
  { file, server }: Target,
  deadline: number,
  context: Context,
): Promise<StartFailure | null> {
  const lock = await cluster.lock(deadline);
  if (lock === null) throw lockedError(cluster, context);
  try {
    const running = cluster.process(server.id);
    if (running !== null) await cluster.stop([running]);
    await cluster.startNode(server.id, file);
    return await cluster.nodeServes(server, deadline);
  } finally {
    lock.release();
  }
}

async function findLeader(cluster: LocalCluster): Promise<number> {
  const leader = leaderOf(await cluster.states());
  if (leader !== null) return leader;
  throw new ProaError("NO_LEADER", "Cannot kill the leader: no node leads", {
    hint: "wait for one with `proa wait leader`",
  });
}

function serverOf(
  { cluster, file }: { readonly cluster: LocalCluster; readonly file: ClusterFile },
  id: number,
  context: Context,
): ServerAddress {
  const server = file.servers.find((candidate) => candidate.id === id);
  if (server !== undefined) return server;
  throw new ProaError(
    "NOT_FOUND",
    `Cannot find node ${String(id)}: the cluster has nodes 1 to ${String(file.servers.length)}`,
    {
      hint: `see ${demoCommand(cluster, "status", context)}`,
    },
  );
}

function processOf(cluster: LocalCluster, { id }: ServerAddress, context: Context): NodeFile {
  const process = cluster.process(id);
  if (process !== null) return process;
  throw new ProaError("NOT_FOUND", `Cannot end node ${String(id)}: it does not run`, {
    hint: `start it with: ${demoCommand(cluster, `restart ${String(id)}`, context)}`,
  });
}

function refuseNone(nodes: readonly unknown[], example: string): void {
  if (nodes.length > 0) return;
  throw new ProaError("USAGE", "Cannot tell which node: none is named", { hint: `for example: ${example}` });
}
