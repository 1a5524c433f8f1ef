/** A cluster for one run of `proa bench`: real nodes in a directory that is removed with them, however the run ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { LocalCluster, type StartFailure } from "../../src/local/cluster.ts";
import type { ClusterFile, TransportKind } from "../../src/local/cluster_file.ts";
import { LossyRelays } from "../../src/local/lossy_relays.ts";
import { freePorts } from "../../src/local/ports.ts";
import { formatHostPort, type ServerAddress } from "../../src/local/server_list.ts";

export interface BenchClusterPlan {
  readonly nodes: number;
  readonly transport: TransportKind;
  /** Which share of the packets between the nodes is lost, on the way through a relay; null: there is none. */
  readonly lossRate: number | null;
}

/** How long the nodes may take to serve. Milliseconds. */
const startMs = 30_000;
/** The largest datagram on a way that loses packets: such ways have packets of this size. Bytes. */
const datagramBytes = 1200;
/** The losses of one run are those of any other. */
const seed = 1;

export class BenchCluster {
  private readonly cluster: LocalCluster;
  private servers: readonly ServerAddress[] = [];
  private relays: LossyRelays | null = null;
  /** The end of the start, however it came. */
  private started: Promise<unknown> = Promise.resolve();
  private removed = false;

  constructor(private readonly context: Pick<Context, "runtime">) {
    this.cluster = new LocalCluster(mkdtempSync(join(tmpdir(), "proa-bench-")), context.runtime);
  }

  private get directory(): string {
    return this.cluster.layout.directory;
  }

  get endpoints(): readonly string[] {
    return this.servers.map(({ service }) => formatHostPort(service));
  }

  /** Starts nodes that end with this process, on ports that were free. Throws LOCAL_RESOURCE when they do not serve. */
  async start(plan: BenchClusterPlan): Promise<void> {
    const host = "127.0.0.1";
    const ports = await freePorts(host, 2 * plan.nodes);
    this.servers = Array.from({ length: plan.nodes }, (_, at) => ({
      id: at + 1,
      replicate: { host, port: ports[2 * at] ?? 0 },
      service: { host, port: ports[2 * at + 1] ?? 0 },
    }));
    const { transport } = plan;
    const file = { mode: "foreground", servers: this.servers, transport, startedAt: new Date().toISOString() } as const;
    const starting = this.startNodes(file, plan.lossRate);
    this.started = starting.catch(() => undefined);
    const failure = await starting;
    if (failure === null) return;
    throw new ProaError("LOCAL_RESOURCE", `Cannot start a cluster for the run: node ${failure.id} ${failure.reason}`, {
      hint: "see what its log says",
      tried: failure.log,
    });
  }

  /** Ends the nodes and removes all that they wrote, also in the middle of their start. */
  async remove(): Promise<void> {
    this.removed = true;
    await this.cluster.stopChildren();
    await this.started; // it has lost its nodes
    await this.cluster.stopChildren(); // those that it started while the others ended
    this.relays?.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async startNodes(file: ClusterFile, lossRate: number | null): Promise<StartFailure | null> {
    const failure = await this.cluster.start(file, performance.now() + startMs);
    if (failure !== null || lossRate === null || this.removed) return failure;
    // Nodes know each other by the list of their first start; from the second on a list only says where the others are.
    await this.cluster.stopChildren();
    await this.startBehindRelays(file, lossRate);
    return this.cluster.becomesReady(file.servers, performance.now() + startMs);
  }

  private async startBehindRelays(file: ClusterFile, lossRate: number): Promise<void> {
    const { transport, servers } = file;
    const { runtime } = this.context;
    const relays = new LossyRelays({ transport, lossRate, random: seededRandom(seed), runtime });
    this.relays = relays;
    const behind = await Promise.all(
      servers.map(async (server) => ({ ...server, replicate: await relays.open(server.replicate) })),
    );
    const flags = transport === "udp" ? ["--mtu", String(datagramBytes)] : [];
    for (const self of servers) {
      const list = behind.map((server) => (server.id === self.id ? self : server));
      if (!this.removed) await this.cluster.startNode(self.id, { ...file, servers: list }, flags);
    }
  }
}
