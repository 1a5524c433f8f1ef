/** The connections over which writes are handed to leaders: one for each node that ever led, opened when it is first needed. */
import { RpcConnection } from "../client/rpc_connection.ts";
import type { RpcOutcome } from "../client/rpc_connection.ts";
import type { Clock, NodeService } from "../node/mod.ts";
import type { NodeId } from "../raft/mod.ts";
import type { RpcRequest } from "../wire/mod.ts";

/** How long a connection may take to open: well below what clients wait, so that the next leader can still be asked. Milliseconds. */
const connectTimeoutMs = 1000;

export class LeaderConnections {
  private readonly node: NodeService;
  private readonly clock: Clock;
  /** By endpoint, so that a node which moved is reached where it is now. */
  private readonly connections = new Map<string, RpcConnection>();

  constructor(node: NodeService, clock: Clock) {
    this.node = node;
    this.clock = clock;
  }

  /** Sends `request` to `leader`. `done` is called exactly once, within the time that the request names. */
  forward(leader: NodeId, request: Omit<RpcRequest, "requestId">, done: (outcome: RpcOutcome) => void): void {
    const server = this.node.servers.find(({ id }) => id === leader);
    if (server === undefined) done({ kind: "notSent", reason: "its address is not known" });
    else this.connection(server.service).request(request, done);
  }

  close(): void {
    for (const connection of this.connections.values()) connection.close();
  }

  private connection(endpoint: string): RpcConnection {
    const open = this.connections.get(endpoint);
    if (open !== undefined) return open;
    const connection = new RpcConnection({ endpoint, timers: this.clock, connectTimeoutMs });
    this.connections.set(endpoint, connection);
    return connection;
  }
}
