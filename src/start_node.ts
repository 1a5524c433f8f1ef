/** Gives every port of a node its body: disk, network, clock, service port. What it starts runs until it is stopped. */
import { createHash, randomBytes } from "node:crypto";
import { assert } from "./lib/assert.ts";
import { createService, defaultServiceLimits } from "./api/mod.ts";
import { Store } from "./kv/mod.ts";
import { ProaError } from "./lib/errors.ts";
import type { Logger } from "./lib/logger.ts";
import { seededRandom } from "./lib/random.ts";
import { removeNodeFile, writeNodeFile } from "./local/node_file.ts";
import { formatHostPort, parseServers, type HostPort, type ServerAddress } from "./local/server_list.ts";
import { Node, type NodeLimits, type NodePorts } from "./node/mod.ts";
import { membersOf, newMembership, noMembership, type Server } from "./raft/mod.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { systemClock } from "./runtime/system_clock.ts";
import {
  openDataDirectory,
  openInThread,
  readIdentity,
  type DataDirectory,
  type Identity,
  type Owner,
} from "./storage/mod.ts";
import {
  defaultDatagramLimits,
  defaultTcpLimits,
  isLoopback,
  readClusterKey,
  TcpTransport,
  UdpTransport,
  type ClusterKey,
} from "./transport/mod.ts";

export interface NodeSettings {
  readonly id: number;
  /** Where nodes listen, as far as the operator says so; a new cluster needs all of them, a node that was started before needs none. */
  readonly servers: readonly ServerAddress[];
  /** Who of `servers` only learns in a new cluster. */
  readonly observers: readonly number[];
  /** The running cluster that a new node is to join: it starts with an empty configuration and learns the rest from the log. */
  readonly joins: { readonly clusterId: string; readonly servers: readonly Server[] } | null;
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
  /** A file with the secret of the cluster; null where there is none, and whoever reaches the port may speak. */
  readonly keyFile: string | null;
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
  refuseNowhere(settings);
  await using running = new AsyncDisposableStack();

  const expected = { clusterId: clusterIdOf(settings), cluster: settings.cluster, nodeId: id };
  const { identity, storage, snapshots } = openDirectory(runtime, { directory, expected });
  running.defer(() => {
    storage.close();
  });
  const { keyFile } = settings.transport;
  const key = keyFile === null ? null : readClusterKey(keyFile);
  const listen = (): HostPort => selfOf(node, settings).replicate;
  const transport = newTransport(settings, { clusterId: identity.clusterId, listen, key }, around);
  running.defer(() => {
    transport.close();
  });
  const node = newNode(settings, { identity, key }, { storage, snapshots, transport, logger });
  running.defer(() => {
    node.stop();
  });
  refuseOtherMembers(node, settings);
  const self = selfOf(node, settings);
  if (key === null) warnOfOpenDoor(self, logger);
  const meetPeers = (): void => {
    const others = node.servers.filter((server) => server.id !== id);
    transport.setPeers(others.map((server) => ({ id: server.id, ...parseAddress(server).replicate })));
  };
  meetPeers();
  node.onChange(meetPeers);
  await transport.listen();
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

/** On a thread of its own where there is one: the node does not stand still while its disk syncs. */
function openDirectory(
  runtime: Runtime,
  options: { readonly directory: string; readonly expected: Owner },
): DataDirectory {
  const { startStorageThread: start } = runtime;
  return start === null ? openDataDirectory({ runtime, ...options }) : openInThread({ start, ...options });
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

/** Whoever reaches a replicate port without a key can read and change everything. */
function warnOfOpenDoor({ replicate }: ServerAddress, logger: Logger): void {
  if (isLoopback(replicate.host)) return;
  const reason = "without --cluster-key-file everybody who reaches the replicate port can read and change all data";
  logger.log("warn", "no cluster key", { replicate: formatHostPort(replicate), reason });
}

function newTransport(
  { id, transport }: NodeSettings,
  how: { readonly clusterId: string; readonly listen: () => HostPort; readonly key: ClusterKey | null },
  { runtime, logger }: Surroundings,
): TcpTransport | UdpTransport {
  const shared = { ...how, self: id, peers: [], logger };
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
  { identity, key }: { readonly identity: Identity; readonly key: ClusterKey | null },
  ports: Pick<NodePorts, "storage" | "snapshots" | "transport" | "logger">,
): Node {
  const { id, cluster, limits, version, joins, observers } = settings;
  const servers = serversOf(settings);
  const voters = servers.map((server) => server.id).filter((server) => !observers.includes(server));
  const bootstrap =
    joins === null && voters.length > 0 ? newMembership({ voters, learners: observers, servers }) : noMembership;
  return new Node(
    {
      id,
      cluster,
      clusterId: identity.clusterId,
      directoryNumber: identity.directoryNumber,
      version,
      pid: process.pid,
      servers,
      bootstrap,
      limits,
      transportKind: settings.transport.kind,
      clusterKey: key?.fingerprint ?? null,
    },
    {
      ...ports,
      clock: systemClock,
      random: seededRandom(randomBytes(4).readUInt32BE()),
      newMachine: () => new Store(randomBytes(4).readInt32BE()),
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
function clusterIdOf({ cluster, servers, joins }: NodeSettings): string {
  if (joins !== null) return joins.clusterId;
  const hash = createHash("sha256").update(`${cluster}\n`);
  for (const { id, replicate } of servers) hash.update(`${String(id)},${formatHostPort(replicate)}\n`);
  return hash.digest("hex").slice(0, 32);
}

/**
 * A list with a slip in it must not pass unnoticed in a cluster that is as it was made. Once its members have changed, the
 * list only says where nodes are: who belongs to the cluster is written in its log.
 */
function refuseOtherMembers(node: Node, { id, servers, directory }: NodeSettings): void {
  const { memberships } = node.inspect(0).log;
  const members = membersOf(memberships.current);
  const listed = servers.map((server) => server.id);
  const isAsMade = memberships.changedIndex === 0 && members.length > 0;
  if (!isAsMade || listed.length === 0 || members.join() === listed.join()) return;
  throw new ProaError(
    "DATA_FOREIGN",
    `Cannot start node ${String(id)}: the server list names nodes ${listed.join(", ")}, but ${directory} belongs to a cluster of ${members.join(", ")}`,
    { hint: "list exactly those nodes; only their addresses may change" },
  );
}

/** A new node must be told whom it belongs to. */
function refuseNowhere(settings: NodeSettings): void {
  const { directory, servers, joins, id } = settings;
  if (joins !== null || readIdentity(directory) !== null) return;
  if (servers.length > 0) {
    if (!servers.some((server) => server.id === id)) throw notListed(id, servers);
    return;
  }
  throw new ProaError("USAGE", `Cannot start node ${String(id)}: ${directory} is new, and no cluster is named`, {
    hint: "name all nodes of a new cluster with --servers, or a running one with --join host:port",
  });
}

function selfOf(node: Node, { id, servers }: NodeSettings): ServerAddress {
  const self = node.servers.find((server) => server.id === id);
  if (self !== undefined) return parseAddress(self);
  const own = servers.find((server) => server.id === id);
  if (own !== undefined) return own;
  throw notListed(id, node.servers);
}

function notListed(id: number, servers: readonly { readonly id: number }[]): ProaError {
  const names = servers.map((server) => server.id).join(", ");
  return new ProaError("USAGE", `Cannot start node ${String(id)}: the server list names ${names}`, {
    hint: `add the node to --servers, or correct --id; a running cluster is told by: proa cluster add ${String(id)} host:port`,
  });
}

/** Where nodes listen, as the operator and the cluster that is joined say. */
function serversOf({ servers, joins }: NodeSettings): readonly Server[] {
  const book = new Map((joins?.servers ?? []).map((server) => [server.id, server]));
  for (const server of servers) book.set(server.id, addressesOf(server));
  return [...book.values()].sort((a, b) => a.id - b.id);
}

function parseAddress({ id, replicate, service }: Server): ServerAddress {
  const [address] = parseServers(`${String(id)},${replicate},${service}`);
  assert(address !== undefined, "an address is one element of a server list");
  return address;
}

function addressesOf({ id, replicate, service }: ServerAddress): Server {
  return { id, replicate: formatHostPort(replicate), service: formatHostPort(service) };
}
