/**
 * Real nodes with real service ports on ephemeral ports of this machine: memory storage and a memory network that
 * delivers by itself and can be partitioned. Time is real, elections are short.
 */
import { createService, defaultServiceLimits } from "../../src/api/mod.ts";
import type { Service, ServiceLimits } from "../../src/api/mod.ts";
import { assert } from "../../src/lib/assert.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { Store } from "../../src/kv/mod.ts";
import { defaultLimits, Node } from "../../src/node/mod.ts";
import { type Membership, newMembership, noMembership, type Message, type Server } from "../../src/raft/mod.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { systemClock } from "../../src/runtime/system_clock.ts";
import { MemorySnapshots, MemoryStorage } from "../../src/storage/mod.ts";
import { MemoryNetwork } from "../../src/transport/mod.ts";
import type { Transport } from "../../src/transport/mod.ts";

const clusterId = "0123456789abcdef0123456789abcdef";

/** Elections that are short, and still longer than what a busy machine loses now and then. */
const timings = { electionTimeoutMs: 150, heartbeatMs: 30 };
/** Nobody can be faster than a node that is alone. */
const loneTimings = { electionTimeoutMs: 15, heartbeatMs: 5 };

/** `serve` of the runtime that the tests run on. */
export const serve: Runtime["serve"] =
  "Deno" in globalThis
    ? (await import("../../src/runtime/deno_http.ts")).serveDeno
    : (await import("../../src/runtime/bun_http.ts")).serveBun;

export interface ClusterNode {
  readonly id: number;
  readonly node: Node;
  readonly service: Service;
  /** `http://127.0.0.1:port`. */
  readonly url: string;
}

export class ServiceCluster {
  readonly nodes: ClusterNode[] = [];
  readonly network = new MemoryNetwork({ random: seededRandom(1), clusterId, encode: false });
  private readonly servers: Server[] = [];
  private readonly limits: ServiceLimits;
  private readonly ids: number[];
  private readonly bootstrap: Membership;

  constructor(size: number, limits: Partial<ServiceLimits> = {}) {
    this.limits = { ...defaultServiceLimits, ...limits };
    this.ids = Array.from({ length: size }, (_, i) => i + 1);
    this.bootstrap = newMembership({ voters: this.ids });
    for (const id of this.ids) this.nodes.push(this.start(id, this.bootstrap));
  }

  /** Starts a new node that knows nothing of the cluster, and that the cluster does not know yet. */
  join(id: number): ClusterNode {
    const joined = this.start(id, noMembership);
    this.nodes.push(joined);
    return joined;
  }

  /** Where a node listens. */
  serverOf(id: number): Server {
    const server = this.servers.find((other) => other.id === id);
    assert(server !== undefined, `there is no node ${id}`);
    return server;
  }

  get one(): ClusterNode {
    return this.at(1);
  }

  at(id: number): ClusterNode {
    const found = this.nodes.find((candidate) => candidate.id === id);
    assert(found !== undefined, `there is no node ${id}`);
    return found;
  }

  /** The leader, once every node that `sees` it can serve; all nodes unless told. */
  async leader(sees: readonly number[] = this.ids): Promise<ClusterNode> {
    const nodes = sees.map((id) => this.at(id));
    await until(() => {
      const leaders = new Set(nodes.map(({ node }) => node.view(0).leader));
      return leaders.size === 1 && !leaders.has(null) && nodes.every(({ node }) => node.view(0).ready);
    });
    return this.at(nodes[0]?.node.view(0).leader ?? 0);
  }

  async follower(): Promise<ClusterNode> {
    const { id } = await this.leader();
    return this.at(this.ids.find((other) => other !== id) ?? 0);
  }

  /** Cuts `id` off from all others. */
  isolate(id: number): void {
    for (const other of this.ids) {
      this.network.block(id, other);
      this.network.block(other, id);
    }
  }

  /** Makes all nodes believe that the service port of `id` is at `endpoint`; returns how to undo that. */
  redirect(id: number, endpoint: string): () => void {
    const at = this.servers.findIndex((server) => server.id === id);
    const before = this.servers[at];
    assert(before !== undefined, `there is no node ${id}`);
    this.servers[at] = { ...before, service: endpoint };
    return () => {
      this.servers[at] = before;
    };
  }

  async stop(): Promise<void> {
    for (const { node } of this.nodes) node.stop();
    await Promise.all(this.nodes.map(({ service }) => service.stop()));
  }

  private start(id: number, bootstrap: Membership): ClusterNode {
    const node = new Node(
      {
        id,
        cluster: "test",
        clusterId,
        directoryNumber: id,
        version: "0.0.0",
        pid: id,
        servers: this.servers,
        bootstrap,
        limits: { ...defaultLimits, ...(this.ids.length === 1 ? loneTimings : timings) },
        transportKind: "memory",
        clusterKey: null,
      },
      {
        storage: new MemoryStorage({ autoComplete: true }),
        snapshots: new MemorySnapshots(),
        transport: delivering(this.network, this.network.attach(id)),
        clock: systemClock,
        random: seededRandom(id),
        logger: silentLogger,
        newMachine: () => new Store(),
      },
    );
    const service = createService({
      node,
      runtime: { serve },
      clock: systemClock,
      logger: silentLogger,
      limits: this.limits,
      hostname: "127.0.0.1",
      port: 0,
    });
    this.servers.push({ id, replicate: `127.0.0.1:${id}`, service: `127.0.0.1:${service.port}` });
    return { id, node, service, url: `http://127.0.0.1:${service.port}` };
  }
}

/** Runs `use` with a cluster of `size` nodes and stops it afterwards. */
export async function withCluster(
  size: number,
  use: (cluster: ServiceCluster) => Promise<void>,
  limits: Partial<ServiceLimits> = {},
): Promise<void> {
  const cluster = new ServiceCluster(size, limits);
  try {
    await use(cluster);
  } finally {
    await cluster.stop();
  }
}

/** Waits for `condition`, at most ten seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    assert(performance.now() < deadline, "the condition never came true");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** The code of the error that an answer holds. */
export async function errorOf(response: Response): Promise<Readonly<Record<string, unknown>>> {
  const body: unknown = await response.json();
  assert(typeof body === "object" && body !== null && "error" in body, "the answer holds no error");
  const { error } = body;
  assert(typeof error === "object" && error !== null, "the error is no object");
  return { ...error };
}

/** `transport`, whose messages arrive soon after they were sent. */
function delivering(network: MemoryNetwork, transport: Transport): Transport {
  return {
    send(messages: readonly Message[]) {
      transport.send(messages);
      systemClock.defer(() => {
        network.deliverAll();
      });
    },
    get onMessage() {
      return transport.onMessage;
    },
    set onMessage(receive) {
      transport.onMessage = receive;
    },
    counters: transport.counters,
    connected: (peer) => transport.connected(peer),
    close: () => {
      transport.close();
    },
  };
}
