/** TCP transports on loopback, and bare sockets that misbehave towards them. */
import { connect, createServer, type Server, type Socket } from "node:net";
import { assert } from "../../src/lib/assert.ts";
import { silentLogger, type Logger } from "../../src/lib/logger.ts";
import type { NodeId } from "../../src/raft/mod.ts";
import { defaultTcpLimits, TcpTransport, type ClusterKey, type TcpLimits } from "../../src/transport/mod.ts";
import { freePort } from "../helpers/free_port.ts";
import { clusterId } from "../wire/sample_messages.ts";

export const host = "127.0.0.1";

/** Waits until `condition` holds, looking again whenever the event loop comes round; throws after ten seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const startedMs = performance.now();
  while (!condition()) {
    if (performance.now() - startedMs > 10_000) throw new Error(`never held: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

export interface NodeOptions {
  readonly self: NodeId;
  readonly port: number;
  /** The port of each peer by its id. */
  readonly peers: Readonly<Record<NodeId, number>>;
  readonly limits?: Partial<TcpLimits>;
  readonly clusterId?: string;
  readonly key?: ClusterKey;
  readonly logger?: Logger;
}

/** A transport that does not listen yet. */
export function tcpNode(options: NodeOptions): TcpTransport {
  return new TcpTransport({
    self: options.self,
    clusterId: options.clusterId ?? clusterId,
    listen: () => ({ host, port: options.port }),
    peers: Object.entries(options.peers).map(([id, port]) => ({ id: Number(id), host, port })),
    key: options.key ?? null,
    limits: { ...defaultTcpLimits, ...options.limits },
    logger: options.logger ?? silentLogger,
  });
}

/** A bare TCP server. `paused` sockets are accepted and never read. */
export async function listenRaw(options: {
  readonly port: number;
  readonly paused?: boolean;
  readonly onSocket: (socket: Socket) => void;
}): Promise<Server> {
  const server = createServer({ pauseOnConnect: options.paused ?? false }, (socket) => {
    socket.on("error", () => undefined);
    options.onSocket(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject);
    server.listen(options.port, host, resolve);
  });
  return server;
}

export function portOf(server: Server): number {
  const address = server.address();
  assert(address !== null && typeof address === "object", "not a TCP server");
  return address.port;
}

/** A bare connection, and whether the other side has ended it. */
export interface RawClient {
  readonly socket: Socket;
  closed: boolean;
}

export function connectRaw(port: number): Promise<RawClient> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const client: RawClient = { socket, closed: false };
    socket.on("error", reject); // after the connection is made, rejecting again does nothing
    socket.on("close", () => (client.closed = true));
    socket.on("connect", () => resolve(client));
    socket.resume();
  });
}

/** Runs `run` with node 2, which listens and whose peer 1 is nobody but the test. */
export async function withNode2(
  limits: Partial<TcpLimits>,
  run: (node: TcpTransport, port: number) => Promise<void>,
): Promise<void> {
  const port = await freePort();
  const node = tcpNode({ self: 2, port, peers: { 1: await freePort() }, limits });
  await node.listen();
  try {
    await run(node, port);
  } finally {
    node.close();
  }
}

/** Runs `run` with node 1, which listens and is connected to a bare server in the place of node 2. */
export async function withBarePeer(
  options: { readonly limits: Partial<TcpLimits>; readonly paused: boolean },
  run: (node: TcpTransport, sockets: readonly Socket[]) => Promise<void>,
): Promise<void> {
  const sockets: Socket[] = [];
  const server = await listenRaw({ port: 0, paused: options.paused, onSocket: (socket) => sockets.push(socket) });
  const node = tcpNode({ self: 1, port: await freePort(), peers: { 2: portOf(server) }, limits: options.limits });
  await node.listen();
  try {
    await until(() => node.connected(2) && sockets.length === 1);
    await run(node, sockets);
  } finally {
    node.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

/** Lets `durationMs` pass, where the test is that nothing happens meanwhile. */
export async function pause(durationMs: number): Promise<void> {
  const dueMs = performance.now() + durationMs;
  await until(() => performance.now() >= dueMs);
}
