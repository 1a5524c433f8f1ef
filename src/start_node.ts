/** Gives every port of a node its body: disk, network, clock, service port. What it starts runs until it is stopped. */
import { createHash, randomBytes } from "node:crypto";
import { createService, defaultServiceLimits } from "./api/mod.ts";
import { Store } from "./kv/mod.ts";
import { ProaError } from "./lib/errors.ts";
import type { Logger } from "./lib/logger.ts";
import { seededRandom } from "./lib/random.ts";
import { removeNodeFile, writeNodeFile } from "./local/node_file.ts";
import { formatHostPort, type ServerAddress } from "./local/server_list.ts";
import { Node, type NodeLimits, type NodePorts } from "./node/mod.ts";
import { newMembership, type Server } from "./raft/mod.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { systemClock } from "./runtime/system_clock.ts";
import { openDataDirectory } from "./storage/mod.ts";
import { defaultDatagramLimits, defaultTcpLimits, TcpTransport, UdpTransport } from "./transport/mod.ts";

export interface NodeSettings {
  readonly id: number;
  /** All nodes of the cluster, this one included. */
  readonly servers: readonly ServerAddress[];
  /** An absolute path. */
  readonly directory: string;
  readonly cluster: string;
  readonly limits: NodeLimits;
  readonly transport: TransportSettings;
  readonly version: string;
}

/** What carries the messages between nodes. */
export interface TransportSettings {
  readonly kind: "tcp" | "udp";
  /** The largest datagram, in bytes; null lets the way to each peer decide. Only for `udp`. */
  readonly datagramBytes: number | null;
}

interface Surroundings {
  readonly runtime: Runtime;
  readonly logger: Logger;
}

/**
 * Starts a node. Disposing of what it returns answers all who wait, and lets go of ports and data. Throws a `ProaError`
 * that says what is in the way, and then leaves nothing running.
 */
export async function startNode(settings: NodeSettings, around: Surroundings): Promise<AsyncDisposableStack> {
  const { directory, id } = settings;
  const { runtime, logger } = around;
  const self = selfOf(settings);
  await using running = new AsyncDisposableStack();

  const expected = { clusterId: clusterIdOf(settings), cluster: settings.cluster, nodeId: id };
  const { identity, storage, snapshots } = openDataDirectory({ runtime, directory, expected });
  running.defer(() => {
    storage.close();
  });
  const transport = newTransport(settings, identity.clusterId, around);
  running.defer(() => {
    transport.close();
  });
  await transport.listen();
  const node = newNode(settings, identity.clusterId, { storage, snapshots, transport, logger });
  running.defer(() => {
    node.stop();
  });
  refuseOtherMembers(node, settings);
  const { host: hostname, port } = self.service;
  const service = createService({
    node,
    runtime,
    clock: systemClock,
    logger,
    limits: defaultServiceLimits,
    hostname,
    port,
  });
  running.defer(() => service.stop());
  publish(settings, addressesOf(self), logger);
  running.defer(() => {
    removeNodeFile(directory);
  });
  running.defer(() => handOver(node));
  return running.move();
}

/** A leader that stops on purpose hands its office over first, so that nobody has to wait for an election. */
function handOver(node: Node): Promise<void> {
  const somebodyCanLead = node.status(0).peers.some((peer) => peer.active);
  if (!somebodyCanLead) return Promise.resolve();
  return new Promise((resolve) => {
    node.transferLeader(0, null, () => {
      resolve(); // whatever came of it: an election does the same, only later
    });
  });
}

function newTransport(
  { id, servers, transport }: NodeSettings,
  clusterId: string,
  { runtime, logger }: Surroundings,
): TcpTransport | UdpTransport {
  const peers = servers.filter((server) => server.id !== id).map((server) => ({ id: server.id, ...server.replicate }));
  const shared = { self: id, clusterId, listen: selfOf({ id, servers }).replicate, peers, logger };
  if (transport.kind === "tcp") return new TcpTransport({ ...shared, limits: defaultTcpLimits });
  const { datagramBytes } = transport;
  return new UdpTransport({
    ...shared,
    datagramBytes,
    limits: defaultDatagramLimits,
    openUdp: (options) => runtime.openUdp(options),
  });
}

function newNode(
  settings: NodeSettings,
  clusterId: string,
  ports: Pick<NodePorts, "storage" | "snapshots" | "transport" | "logger">,
): Node {
  const { id, servers, cluster, limits, version } = settings;
  const voters = servers.map((server) => server.id);
  return new Node(
    {
      id,
      cluster,
      clusterId,
      version,
      pid: process.pid,
      servers: servers.map(addressesOf),
      bootstrap: newMembership({ voters, servers: servers.map(addressesOf) }),
      limits,
      transportKind: settings.transport.kind,
    },
    {
      ...ports,
      clock: systemClock,
      random: seededRandom(randomBytes(4).readUInt32BE()),
      newMachine: () => new Store(),
    },
  );
}

/** Tells other commands, and whoever reads the log, that the node serves. */
function publish({ directory }: NodeSettings, { id, replicate, service }: Server, logger: Logger): void {
  writeNodeFile(directory, { pid: process.pid, id, service, replicate, startedAt: new Date().toISOString() });
  logger.log("info", `node ${String(id)} serving http://${service} (replicate ${replicate}, data ${directory})`);
}

/**
 * The cluster id for a directory that has none yet: the same on all nodes, because all are started with the same list.
 * Directories that have one keep it, so that a cluster may move to other addresses.
 */
function clusterIdOf({ cluster, servers }: NodeSettings): string {
  const hash = createHash("sha256").update(`${cluster}\n`);
  for (const { id, replicate } of servers) hash.update(`${String(id)},${formatHostPort(replicate)}\n`);
  return hash.digest("hex").slice(0, 32);
}

/** The list says where nodes are; who belongs to the cluster is written in its log, and a list cannot change that. */
function refuseOtherMembers(node: Node, { id, servers, directory }: NodeSettings): void {
  const { voters, outgoing, learners } = node.status(0).members;
  const members = [...new Set([...voters, ...outgoing, ...learners])].sort((a, b) => a - b);
  const listed = servers.map((server) => server.id);
  if (members.join() === listed.join()) return;
  throw new ProaError(
    "DATA_FOREIGN",
    `Cannot start node ${String(id)}: the server list names nodes ${listed.join(", ")}, but ${directory} belongs to a cluster of ${members.join(", ")}`,
    { hint: "list exactly those nodes; only their addresses may change" },
  );
}

function selfOf({ id, servers }: Pick<NodeSettings, "id" | "servers">): ServerAddress {
  const self = servers.find((server) => server.id === id);
  if (self !== undefined) return self;
  throw new ProaError(
    "USAGE",
    `Cannot start node ${String(id)}: the server list names ${servers.map((server) => server.id).join(", ")}`,
    {
      hint: "add the node to --servers, or correct --id",
    },
  );
}

function addressesOf({ id, replicate, service }: ServerAddress): Server {
  return { id, replicate: formatHostPort(replicate), service: formatHostPort(service) };
}
