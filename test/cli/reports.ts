/** What nodes of a cluster of three say about themselves, for tests. */
import type { NodeReport, PeerReport } from "../../src/client/node_status.ts";

export const servers = [1, 2, 3].map((id) => ({ id, service: `127.0.0.1:500${id}` }));

/** A node's report; what is left out is that of a healthy cluster whose last index is 1042. */
export function report(
  node: { readonly id: number; readonly role: string; readonly term: number; readonly leader: number | null },
  more: Partial<NodeReport> = {},
): NodeReport {
  return {
    cluster_id: "0123456789abcdef0123456789abcdef",
    cluster: "demo",
    node_id: node.id,
    version: "0.1.0",
    role: node.role,
    term: node.term,
    leader: node.leader,
    last_index: 1042,
    applied_index: 1042,
    members: { voters: [1, 2, 3], outgoing: [], learners: [] },
    servers,
    transport: { kind: "tcp", key: null },
    peers: [],
    ...more,
  };
}

/** What a leader says about a follower that has everything. */
export function peer(id: number, more: Partial<PeerReport> = {}): PeerReport {
  return { id, match: 1042, lag: 0, rtt_ms: 0.3, state: "replicate", active: true, ...more };
}
