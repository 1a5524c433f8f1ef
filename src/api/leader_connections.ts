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
  private readonly connections = new Map<NodeId, RpcConnection>();

  constructor(node: NodeService, clock: Clock) {
    this.node = node;
    this.clock = clock;
  }

  /** Sends `request` to `leader`. `done` is called exactly once, within the time that the request names. */
  forward(leader: NodeId, request: Omit<RpcRequest, "requestId">, done: (outcome: RpcOutcome) => void): void {
    const connection = this.connections.get(leader) ?? this.open(leader);
    if (connection === null) done({ kind: "notSent", reason: "its address is not known" });
    else connection.request(request, done);
  }

  close(): void {
    for (const connection of this.connections.values()) connection.close();
  }

  private open(leader: NodeId): RpcConnection | null {
    const server = this.node.servers.find(({ id }) => id === leader);
    if (server === undefined) return null;
    const connection = new RpcConnection({ endpoint: server.service, timers: this.clock, connectTimeoutMs });
    this.connections.set(leader, connection);
    return connection;
  }
}
