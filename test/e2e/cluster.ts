/** Three real processes of the compiled executable on ports of their own, for end-to-end tests and the measuring scripts. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { proaBinary, programOfNode } from "../helpers/binary.ts";
import { freePorts } from "../helpers/free_port.ts";
import { type Finished, run } from "../helpers/run.ts";
import { until } from "../helpers/until.ts";
import { drop } from "./packet_filter.ts";

export interface NodePorts {
  readonly replicate: number;
  readonly service: number;
}

/** Where the nodes of a cluster run; default: all on this machine, by the compiled executable. */
export interface Place {
  /** Told the ports before the first node starts. */
  readonly prepare?: (ports: readonly NodePorts[]) => void;
  /** What runs a node instead of the executable, with the first arguments. */
  readonly programs?: Readonly<Record<number, readonly string[]>>;
  /** The address of a node. */
  readonly hostOf?: (id: number) => string;
}

/** The part of `GET /api/status` that tests look at. */
export interface StatusView {
  readonly node_id: number;
  readonly role: string;
  readonly term: number;
  readonly leader: number | null;
  readonly removed: boolean;
  readonly applied_index: number;
  readonly first_index: number;
  readonly snapshot_index: number;
  readonly state_hash: string;
  readonly peers: readonly {
    readonly id: number;
    readonly lag: number;
    readonly active: boolean;
    readonly state: string;
  }[];
  readonly transport: {
    readonly messagesReceived: number;
    readonly framesCorrupt: number;
    readonly framesForeign: number;
    readonly datagramsLost: number;
    readonly datagramsRepeated: number;
    readonly datagramsStale: number;
  };
}

export class RealCluster {
  readonly directory = mkdtempSync(join(tmpdir(), "proa-e2e-"));
  private readonly children = new Map<number, ChildProcess>();
  /** Nodes that came later, and the endpoints through which they joined. */
  private readonly joined = new Map<number, string>();
  /** Lists of their own, of nodes that reach the others by other ways. */
  private readonly lists = new Map<number, string>();
  /** The server list that the first nodes are started with. */
  readonly servers: string;

  private constructor(
    private readonly ports: Map<number, NodePorts>,
    private readonly flags: readonly string[],
    private readonly place: Place,
  ) {
    this.servers = this.ids.map((id) => [id, ...this.addresses(id)].join()).join(";");
  }

  /** Starts `count` nodes, each with `flags`, and waits until one leads and all of them answer. */
  static async start(count = 3, flags: readonly string[] = [], place: Place = {}): Promise<RealCluster> {
    const free = await freePorts(2 * count);
    const ports = new Map<number, NodePorts>();
    for (let id = 1; id <= count; id++)
      ports.set(id, { replicate: free[2 * id - 2] ?? 0, service: free[2 * id - 1] ?? 0 });
    place.prepare?.([...ports.values()]);
    for (const { replicate } of ports.values()) silence(replicate);
    const cluster = new RealCluster(ports, flags, place);
    for (const id of cluster.ids) cluster.start(id);
    try {
      await cluster.leader();
      await until("each node answers", async () => (await cluster.statuses()).every((status) => status !== null));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** The nodes that there are, whether they run or not. */
  get ids(): readonly number[] {
    return [...this.ports.keys()];
  }

  get endpoints(): string {
    return this.ids.map((id) => this.endpoint(id)).join(",");
  }

  endpoint(id: number): string {
    return this.addresses(id)[1];
  }

  /** The process of a node that runs. */
  async pidOf(id: number): Promise<number> {
    const response = await fetch(`http://${this.endpoint(id)}/api/status`);
    return ((await response.json()) as { readonly pid: number }).pid;
  }

  /** Where a node listens, as the cluster is told of it: for other nodes, and for clients. */
  addresses(id: number): readonly [replicate: string, service: string] {
    const { replicate, service } = this.portsOf(id);
    const host = this.place.hostOf?.(id) ?? "127.0.0.1";
    return [`${host}:${replicate}`, `${host}:${service}`];
  }

  portsOf(id: number): NodePorts {
    const ports = this.ports.get(id);
    if (ports === undefined) throw new Error(`there is no node ${id}`);
    return ports;
  }

  data(id: number): string {
    return join(this.directory, `n${id}`);
  }

  /** What a node has logged; nothing if it was never started. */
  log(id: number): string {
    const path = join(this.directory, `n${id}.log`);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  /** Gives a new node ports and a name; the cluster must be told of it, and it must be started. */
  async reserve(id: number): Promise<void> {
    const [replicate = 0, service = 0] = await freePorts(2);
    silence(replicate);
    this.joined.set(id, this.endpoints);
    this.ports.set(id, { replicate, service });
  }

  /** Ends a node that has left, and forgets it. */
  async forget(id: number): Promise<void> {
    await this.kill(id);
    this.ports.delete(id);
  }

  /** From its next start on, node `id` reaches the others at these replicate ports. */
  reroute(id: number, ways: ReadonlyMap<number, number>): void {
    const list = this.ids.map((other) => {
      const [replicate, service] = this.addresses(other);
      const way = other === id ? undefined : ways.get(other);
      return `${other},${way === undefined ? replicate : `127.0.0.1:${way}`},${service}`;
    });
    this.lists.set(id, list.join(";"));
  }

  start(id: number): void {
    const through = this.joined.get(id);
    const membership = through === undefined ? ["--servers", this.lists.get(id) ?? this.servers] : ["--join", through];
    const [program, ...before] = this.place.programs?.[id] ?? [programOfNode(id)];
    if (program === undefined) throw new Error(`node ${id} has no program`);
    const args = [...before, "node", "start", "--id", `${id}`, ...membership, "--data", this.data(id), ...this.flags];
    const log = openSync(join(this.directory, `n${id}.log`), "a"); // its own: whoever sees it end can read its last words
    this.children.set(id, spawn(program, args, { stdio: ["ignore", "ignore", log], env: environment() }));
    closeSync(log);
  }

  /** Ends a node and waits until it is gone. */
  async kill(id: number, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.children.get(id);
    if (child === undefined) return;
    this.children.delete(id);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }

  /** Sends a signal to a node that outlives it. */
  signal(id: number, signal: "SIGSTOP" | "SIGCONT"): void {
    if (this.children.get(id)?.kill(signal) !== true) throw new Error(`node ${id} does not run`);
  }

  /** Whether a node was started and has not ended since. */
  isRunning(id: number): boolean {
    const child = this.children.get(id);
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Waits until a node that was started has ended by itself, and returns its exit status; null after a signal. */
  async exitOf(id: number): Promise<number | null> {
    const child = this.children.get(id);
    if (child === undefined) throw new Error(`node ${id} was not started`);
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    return child.exitCode;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.children.keys()].map((id) => this.kill(id)));
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Runs `proa` against this cluster. */
  proa(
    args: readonly string[],
    options: { readonly stdin?: string; readonly endpoints?: string } = {},
  ): Promise<Finished> {
    return run(proaBinary(), args, {
      env: { ...environment(), PROA_ENDPOINTS: options.endpoints ?? this.endpoints },
      ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
    });
  }

  /** What a node says of itself; null when it does not answer. */
  async status(id: number): Promise<StatusView | null> {
    try {
      const response = await fetch(`http://${this.endpoint(id)}/api/status`, { signal: AbortSignal.timeout(1000) });
      return (await response.json()) as StatusView;
    } catch {
      return null; // not up, or cut off in the middle: the caller asks again
    }
  }

  statuses(): Promise<readonly (StatusView | null)[]> {
    return Promise.all(this.ids.map((id) => this.status(id)));
  }

  /** The id of the node that leads the newest term and is ready to serve. */
  async leader(): Promise<number> {
    let leader = 0;
    await until("a leader is ready", async () => {
      const answers = await Promise.all(this.ids.map((id) => this.ready(id)));
      const statuses = await this.statuses();
      const leading = statuses
        .filter((status) => status?.role === "leader")
        .sort((a, b) => (b?.term ?? 0) - (a?.term ?? 0))[0];
      if (leading === undefined || leading === null || !answers[this.ids.indexOf(leading.node_id)]) return false;
      leader = leading.node_id;
      return true;
    });
    return leader;
  }

  /** Waits until every node that runs has applied the same, and the state is equal. */
  async caughtUp(): Promise<void> {
    await until("all nodes have the same state", async () => {
      const statuses = await this.statuses();
      const views = new Set(
        statuses.map((status) => (status === null ? "none" : `${status.applied_index} ${status.state_hash}`)),
      );
      return views.size === 1 && !views.has("none");
    });
  }

  private async ready(id: number): Promise<boolean> {
    try {
      return (await fetch(`http://${this.endpoint(id)}/readyz`, { signal: AbortSignal.timeout(1000) })).ok;
    } catch {
      return false; // not up yet
    }
  }
}

/** Runs `body` with a cluster that is gone afterwards. */
export async function withCluster(
  body: (cluster: RealCluster) => Promise<void>,
  count = 3,
  flags: readonly string[] = [],
): Promise<void> {
  const cluster = await RealCluster.start(count, flags);
  try {
    await body(cluster);
  } catch (error) {
    for (const id of cluster.ids) console.error(`--- node ${id}\n${cluster.log(id).slice(-2000)}`);
    throw error;
  } finally {
    await cluster.stop();
  }
}

/** Ours, without what would point the executable at some other cluster of the user. */
function environment(): Record<string, string | undefined> {
  return { ...process.env, PROA_ENDPOINTS: undefined, XDG_STATE_HOME: join(tmpdir(), "proa-e2e-no-demo-here") };
}

/**
 * Where nodes have only one protocol to talk by, drops what the other one sends to `port`: bench/end_to_end_over.ts runs
 * all of these tests so, in a network namespace.
 */
function silence(port: number): void {
  const only = process.env[onlyProtocol];
  if (only !== undefined) drop("INPUT", "-p", only === "udp" ? "tcp" : "udp", "--dport", `${port}`);
}

/** The variable that names it. */
export const onlyProtocol = "PROA_E2E_ONLY";
