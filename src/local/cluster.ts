/**
 * A cluster of node processes on this machine. The truth is on disk, in files and locks, so that any number of
 * processes may look at one cluster and act on it; this class remembers only the children that it started.
 */
import { mkdirSync, rmSync } from "node:fs";
import { assert } from "../lib/assert.ts";
import { ProaError } from "../lib/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { lockDirectory, type DirectoryLock } from "../storage/mod.ts";
import { readClusterFile, writeClusterFile, type ClusterFile } from "./cluster_file.ts";
import { Layout } from "./layout.ts";
import { LogFile } from "./log_file.ts";
import type { NodeFile } from "./node_file.ts";
import { findNode, killNode, stopNode, stopPatienceMs } from "./node_process.ts";
import { nodeIsReady, nodeView, type NodeView } from "./probe.ts";
import { formatHostPort, formatServers, type ServerAddress } from "./server_list.ts";
import { spawnNode, type NodeChild } from "./spawn.ts";
import { replaceFile } from "./state_file.ts";
import { waitFor, waitUntil } from "./wait.ts";

/** One node as it is now. */
export interface NodeState {
  readonly server: ServerAddress;
  /** The process that serves its data; null when none does. */
  readonly process: NodeFile | null;
  /** What it says; null when it does not run or does not answer. */
  readonly view: NodeView | null;
}

/** Why a node could not be started, with the end of its log. */
export interface StartFailure {
  readonly id: number;
  /** To follow "node N": "ended with status 9". */
  readonly reason: string;
  readonly log: readonly string[];
}

/** The name that local clusters give themselves. */
const clusterName = "demo";
/** How much of its log tells why a node failed. Lines. */
const failureLogLines = 10;

export class LocalCluster {
  readonly layout: Layout;
  private readonly runtime: Pick<Runtime, "self" | "openSqlite">;
  private readonly children = new Map<number, NodeChild>();
  /** What each child has logged and nobody has read. */
  private readonly logs = new Map<number, LogFile>();

  /** `directory` is absolute; it is created when the cluster is started. */
  constructor(directory: string, runtime: Pick<Runtime, "self" | "openSqlite">) {
    this.layout = new Layout(directory);
    this.runtime = runtime;
  }

  /** What was last started here; null when nothing was. Says nothing about what still runs. */
  file(): ClusterFile | null {
    return readClusterFile(this.layout);
  }

  /**
   * The right to start and stop nodes, until it is released or its holder dies; null while another
   * process has it. Creates the directory.
   */
  tryLock(): DirectoryLock | null {
    const { directory } = this.layout;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    try {
      return lockDirectory({ runtime: this.runtime, directory });
    } catch (error) {
      if (error instanceof ProaError && error.code === "DATA_LOCKED") return null;
      throw error;
    }
  }

  /** The same, but waits until `deadline`; null when another process still has it then. */
  lock(deadline: number): Promise<DirectoryLock | null> {
    return waitFor(deadline, () => this.tryLock());
  }

  /** Whether the nodes belong to a process that runs in some foreground. */
  hasOwner(): boolean {
    if (this.file()?.mode !== "foreground") return false;
    const lock = this.tryLock();
    lock?.release();
    return lock === null;
  }

  /** The process that serves node `id`; null when none does. */
  process(id: number): NodeFile | null {
    return findNode(this.runtime, this.layout.nodeDirectory(id));
  }

  /** The processes of the nodes that run, whoever started them. */
  running(): readonly NodeFile[] {
    return (this.file()?.servers ?? []).flatMap(({ id }) => this.process(id) ?? []);
  }

  /** Looks at every node, and asks those that run. */
  async states(): Promise<readonly NodeState[]> {
    const servers = this.file()?.servers ?? [];
    return Promise.all(
      servers.map(async (server) => {
        const process = this.process(server.id);
        const view = process === null ? null : await nodeView(process.service);
        return { server, process, view: view?.pid === process?.pid ? view : null };
      }),
    );
  }

  /** The child that serves or served node `id`; null when another process started it. */
  child(id: number): NodeChild | null {
    return this.children.get(id) ?? null;
  }

  /**
   * Writes down what is about to run, starts the nodes that do not run yet, and waits until all of them can serve.
   * At `deadline` a majority is enough. The lock must be held. Null when it worked.
   */
  async start(file: ClusterFile, deadline: number): Promise<StartFailure | null> {
    writeClusterFile(this.layout, file);
    for (const { id } of file.servers) {
      if (this.process(id) === null) await this.startNode(id, file);
    }
    const failure = await this.becomesReady(file.servers, deadline);
    if (failure === null) this.publishEndpoints(file.servers);
    return failure;
  }

  /** Waits until all nodes can serve linearizable requests; at `deadline` a majority is enough. Null when they can. */
  async becomesReady(servers: readonly ServerAddress[], deadline: number): Promise<StartFailure | null> {
    const waiting = new Map(servers.map((server) => [server.id, formatHostPort(server.service)]));
    const decided = async (): Promise<boolean> => {
      if (servers.some(({ id }) => this.ended(id) !== null)) return true;
      const asked = [...waiting].map(async ([id, service]) => ({ id, ready: await nodeIsReady(service) }));
      for (const { id, ready } of await Promise.all(asked)) if (ready) waiting.delete(id);
      return waiting.size === 0;
    };
    await waitUntil(deadline, decided);
    for (const { id } of servers) {
      const reason = this.ended(id);
      if (reason !== null) return this.failure(id, reason);
    }
    const [late] = waiting.keys();
    if (late === undefined || waiting.size < servers.length / 2) return null;
    return this.failure(late, "could not serve in time");
  }

  /** Starts one node that does not run, with `flags` besides those that all local nodes have. The lock must be held. */
  async startNode(
    id: number,
    { servers, mode, transport }: Pick<ClusterFile, "servers" | "mode" | "transport">,
    flags: readonly string[] = [],
  ): Promise<NodeChild> {
    const command = [...this.runtime.self, "node", "start", "--id", String(id), "--servers", formatServers(servers)];
    command.push("--data", this.layout.nodeDirectory(id), "--cluster", clusterName, "--transport", transport, ...flags);
    const attached = mode === "foreground";
    if (attached) command.push("--exit-with-parent");
    const log = new LogFile(this.layout.nodeLog(id));
    log.skipToEnd();
    this.logs.set(id, log);
    const child = await spawnNode({ command, log: this.layout.nodeLog(id), attached });
    this.children.set(id, child);
    return child;
  }

  /** Waits until a node that {@link startNode} started answers, with or without a leader. Null when it does. */
  async nodeServes({ id, service }: ServerAddress, deadline: number): Promise<StartFailure | null> {
    const child = this.children.get(id);
    assert(child !== undefined, "only a child is waited for");
    const serves = async (): Promise<boolean> => (await nodeView(formatHostPort(service)))?.pid === child.pid;
    const decided = await waitUntil(deadline, async () => this.ended(id) !== null || (await serves()));
    const reason = this.ended(id) ?? (decided ? null : "did not answer in time");
    return reason === null ? null : this.failure(id, reason);
  }

  /** A failure of node `id`, with what it logged last: since we have started it, if we have. */
  failure(id: number, reason: string): StartFailure {
    const lines = this.logs.get(id)?.newLines() ?? new LogFile(this.layout.nodeLog(id)).lastLines(failureLogLines);
    return { id, reason, log: lines.slice(-failureLogLines) };
  }

  /** Ends nodes as a power cut would. Throws LOCAL_RESOURCE when one is still there at `deadline`. */
  async kill(nodes: readonly NodeFile[], deadline: number): Promise<void> {
    const gone = await Promise.all(nodes.map((node) => killNode(node, deadline)));
    if (gone.includes(false)) throw cannotEnd(nodes.filter((_, at) => gone[at] === false));
  }

  /** Ends nodes in order, and by force those that take too long. Throws LOCAL_RESOURCE when that does not help. */
  async stop(nodes: readonly { readonly pid: number }[]): Promise<void> {
    const ended = await Promise.all(nodes.map((node) => stopNode(node, performance.now() + stopPatienceMs)));
    const stubborn = nodes.filter((_, at) => ended[at] === false);
    const gone = await Promise.all(stubborn.map((node) => killNode(node, performance.now() + stopPatienceMs)));
    if (gone.includes(false)) throw cannotEnd(stubborn.filter((_, at) => gone[at] === false));
  }

  /** Ends the nodes that this process started. */
  async stopChildren(): Promise<void> {
    await this.stop([...this.children.values()].filter(({ end }) => end === null));
  }

  /** Ends all nodes, whoever started them, and tells other commands that nothing runs here. */
  async stopAll(): Promise<void> {
    rmSync(this.layout.endpointsFile, { force: true });
    const file = this.file();
    if (file !== null) writeClusterFile(this.layout, { ...file, mode: "down" });
    await this.stopChildren(); // some may serve nothing yet
    await this.stop(this.running());
  }

  private publishEndpoints(servers: readonly ServerAddress[]): void {
    replaceFile(this.layout.endpointsFile, servers.map(({ service }) => `${formatHostPort(service)}\n`).join(""));
  }

  /** How our child for node `id` ended, to follow "node N"; null while it runs or when it is not ours. */
  private ended(id: number): string | null {
    const end = this.children.get(id)?.end ?? null;
    if (end === null) return null;
    return end.signal === null ? `ended with status ${String(end.code)}` : `was ended by ${end.signal}`;
  }
}

/** The node that leads: of those that say so, the one with the newest term. Null when none does. */
export function leaderOf(states: readonly NodeState[]): number | null {
  const leaders = states.flatMap(({ view }) => (view?.role === "leader" ? [view] : []));
  return leaders.toSorted((a, b) => b.term - a.term)[0]?.id ?? null;
}

function cannotEnd(processes: readonly { readonly pid: number }[]): ProaError {
  const pids = processes.map(({ pid }) => pid).join(", ");
  return new ProaError("LOCAL_RESOURCE", `Cannot end process ${pids}: it is still there after SIGKILL`, {
    hint: "its disk may hang; look at it with `ps -o pid,stat,wchan,args -p PID`",
  });
}
