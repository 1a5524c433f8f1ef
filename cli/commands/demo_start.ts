/** Starts the nodes of a demo, for the background and the foreground, and cleans up after a start that failed. */
import type { Context } from "../context.ts";
import { exitOfSignal, StopSignals } from "../stop_signals.ts";
import { announce, clusterIn, demoCommand, startError } from "./demo_cluster.ts";
import { ProaError } from "../../src/lib/errors.ts";
import type { LocalCluster, StartFailure } from "../../src/local/cluster.ts";
import type { ClusterFile, ClusterMode, TransportKind } from "../../src/local/cluster_file.ts";
import { planCluster } from "../../src/local/plan.ts";
import { firstBusyPort } from "../../src/local/ports.ts";
import { waitFor, waitUntil } from "../../src/local/wait.ts";

export interface StartOptions {
  readonly nodes: number | undefined;
  readonly transport: TransportKind | undefined;
  readonly dir: string | undefined;
}

/** How a start ended. After a failure nothing runs that it started. */
export type StartOutcome = Started | { readonly ok: false; readonly failure: StartFailure };

export interface Started {
  readonly ok: true;
  readonly file: ClusterFile;
  /** Whether all nodes ran before. */
  readonly already: boolean;
  /** Whether the cluster began without data. */
  readonly fresh: boolean;
  /** The port that made the nodes listen elsewhere than usual, or null. */
  readonly portTaken: number | null;
}

interface StartTerms {
  readonly nodes: number | undefined;
  readonly transport: TransportKind | undefined;
  readonly deadline: number;
}

/** How long nodes may take until they serve, unless `--timeout` says otherwise. Milliseconds. */
const startMs = 30_000;
/** How long the nodes of an owner that was killed may take to notice it. Milliseconds. */
const orphanMs = 5000;

/** When a start that begins now must be over, on the clock of `performance.now()`. */
export function startDeadline({ globals }: Context): number {
  return performance.now() + (globals.timeoutMs ?? startMs);
}

/** `proa demo up`: returns once linearizable requests are served. A signal before that ends what it has started. */
export async function startBackground({ nodes, transport, dir }: StartOptions, context: Context): Promise<void> {
  const cluster = clusterIn(dir, context);
  const deadline = startDeadline(context);
  const signalled = new StopSignals().first.then((signal) => exitOfSignal[signal]);
  const lock = await waitFor(deadline, () => (cluster.hasOwner() ? "owned" : cluster.tryLock()));
  if (lock === null) throw lockedError(cluster, context);
  const starting =
    lock === "owned"
      ? joinOwner(cluster, { nodes, transport, deadline }, context)
      : startNodes(cluster, { nodes, transport, mode: "background", deadline }, context);
  const outcome = await orStop(cluster, starting, signalled);
  if (lock !== "owned") lock.release();
  if (!outcome.ok) throw startError(cluster, outcome.failure, context);
  await announce(cluster, outcome, context);
}

/** The outcome of a start; or, when a signal comes first, the end of this process and of what it has started. */
export async function orStop(
  cluster: LocalCluster,
  starting: Promise<StartOutcome>,
  signalled: Promise<number>,
): Promise<StartOutcome> {
  const first = await Promise.race([starting, signalled]);
  if (typeof first !== "number") return first;
  await cluster.stopChildren();
  await starting; // it has lost its nodes, and cleans up what it made
  await cluster.stopChildren(); // those that it started while the others ended
  process.exit(first);
}

/**
 * Starts what does not run, and waits until the cluster serves. The lock must be held. When that fails it ends what it
 * started, and deletes the data of a cluster that never served. Throws when it is not possible to begin.
 */
export async function startNodes(
  cluster: LocalCluster,
  { nodes, mode, deadline, ...wishes }: StartTerms & { readonly mode: ClusterMode },
  context: Context,
): Promise<StartOutcome> {
  const before = await fileOfRunning(cluster);
  if (before !== null) return startMissing(cluster, before, { nodes, deadline, ...wishes }, context);
  const transport = wishes.transport ?? cluster.file()?.transport ?? "tcp";
  for (;;) {
    const { servers, fresh, portTaken } = await planCluster(cluster.layout, nodes ?? null);
    const file = { mode, servers, transport, startedAt: new Date().toISOString() };
    const failure = await cluster.start(file, deadline);
    if (failure === null) return { ok: true, file, already: false, fresh, portTaken };
    await cluster.stopAll();
    if (fresh) for (const { id } of servers) cluster.layout.removeData(id);
    const outrun = (await firstBusyPort(servers)) !== null; // somebody took a port between our look and our use
    if (!outrun || performance.now() >= deadline) return { ok: false, failure };
  }
}

/** What runs here already; null when nothing does. Waits for the nodes of an owner that was killed: they are leaving. */
export async function fileOfRunning(cluster: LocalCluster): Promise<ClusterFile | null> {
  const file = cluster.file();
  if (file?.mode === "foreground") await waitUntil(performance.now() + orphanMs, () => cluster.running().length === 0);
  return cluster.running().length === 0 ? null : file;
}

/** Another command is at it, and does not come to an end. */
export function lockedError(cluster: LocalCluster, context: Context): ProaError {
  const { directory } = cluster.layout;
  return new ProaError("LOCAL_RESOURCE", `Cannot change the cluster in ${directory}: another command is at it`, {
    hint: `look at it with: ${demoCommand(cluster, "status", context)}`,
  });
}

/** Adds the nodes that do not run to those that do. */
async function startMissing(
  cluster: LocalCluster,
  file: ClusterFile,
  { nodes, transport, deadline }: StartTerms,
  context: Context,
): Promise<StartOutcome> {
  refuseOthers(cluster, file, { nodes, transport }, context);
  const already = cluster.running().length === file.servers.length;
  const failure = await cluster.start(file, deadline);
  if (failure === null) return { ok: true, file, already, fresh: false, portTaken: null };
  await cluster.stopChildren();
  return { ok: false, failure };
}

/** The cluster runs in somebody's foreground: waits until it serves, as if we had started it. */
async function joinOwner(
  cluster: LocalCluster,
  { nodes, transport, deadline }: StartTerms,
  context: Context,
): Promise<StartOutcome> {
  const file = cluster.file();
  if (file?.mode !== "foreground") throw lockedError(cluster, context);
  refuseOthers(cluster, file, { nodes, transport }, context);
  const failure = await cluster.becomesReady(file.servers, deadline);
  return failure === null ? { ok: true, file, already: true, fresh: false, portTaken: null } : { ok: false, failure };
}

/** What runs is not changed by a start. */
function refuseOthers(
  cluster: LocalCluster,
  running: ClusterFile,
  { nodes, transport }: Pick<StartTerms, "nodes" | "transport">,
  context: Context,
): void {
  const { directory } = cluster.layout;
  const count = running.servers.length;
  if (nodes !== undefined && nodes !== count) {
    throw new ProaError("USAGE", `Cannot start ${String(nodes)} nodes: ${String(count)} run in ${directory}`, {
      hint: `leave --nodes out, or start anew after: ${demoCommand(cluster, "down --wipe", context)}`,
    });
  }
  if (transport !== undefined && transport !== running.transport) {
    throw new ProaError(
      "USAGE",
      `Cannot use ${transport}: the nodes that run in ${directory} use ${running.transport}`,
      {
        hint: `leave --transport out, or start again after: ${demoCommand(cluster, "down", context)}`,
      },
    );
  }
}
