/** The view that one node has of itself, as `GET /api/status` answers it. Field names are a contract. */
import type { NodeId, Role, Server } from "../raft/mod.ts";
import type { TransportCounters } from "../transport/mod.ts";

export interface NodeStatus {
  /** 32 hexadecimal digits. */
  readonly cluster_id: string;
  readonly cluster: string;
  readonly node_id: NodeId;
  /** How often this data directory was opened. */
  readonly boot: number;
  readonly version: string;
  readonly pid: number;
  readonly uptime_ms: number;
  readonly group: number;
  readonly role: Role;
  readonly term: number;
  readonly vote: NodeId | null;
  readonly leader: NodeId | null;
  readonly commit_index: number;
  readonly applied_index: number;
  readonly first_index: number;
  readonly last_index: number;
  readonly snapshot_index: number;
  readonly revision: number;
  readonly key_count: number;
  readonly state_hash: string;
  readonly members: {
    readonly voters: readonly NodeId[];
    readonly outgoing: readonly NodeId[];
    readonly learners: readonly NodeId[];
    /** Outgoing voters that become learners at the end of the change. */
    readonly learners_next: readonly NodeId[];
    /** Ids that have left for good. */
    readonly retired: readonly NodeId[];
  };
  /** Whether this node has left the cluster for good, as far as it knows. */
  readonly removed: boolean;
  /** Which entry of the leader this node cannot take, and why: a newer proa has made it. Null if there is none. */
  readonly unreadable: string | null;
  readonly servers: readonly Server[];
  /** On the leader: how far each other node has come. Empty elsewhere. */
  readonly peers: readonly PeerStatus[];
  readonly transport: { readonly kind: string; readonly key: string | null } & Readonly<TransportCounters>;
}

export interface PeerStatus {
  readonly id: NodeId;
  readonly match: number;
  readonly next: number;
  /** Entries that the leader has and the peer is not known to store. */
  readonly lag: number;
  /** Milliseconds of the latest heartbeat round trip; null before the first. */
  readonly rtt_ms: number | null;
  /**
   * `reverted`: its disk lost what it had acknowledged; `refused`: it speaks from another data directory than the one that
   * it is known by: in neither is it counted any more. `unreadable`: it runs a program that is too old for the next entry.
   */
  readonly state: "probe" | "replicate" | "snapshot" | "reverted" | "refused" | "unreadable";
  /** Whether it answered within the last election timeout. */
  readonly active: boolean;
}
