/** What a running node offers to the service port. Callbacks come later or at once, each exactly once. */
import type { GroupId, Index, NodeId, Role, Server, Term } from "../raft/mod.ts";
import type { ImageSource } from "../kv/mod.ts";
import type { SnapshotMeta } from "../storage/snapshots.ts";
import type { MembershipOutcome, MembershipRequest } from "./membership.ts";
import type { ReadOutcome, TransferOutcome, WriteOutcome } from "./outcomes.ts";
import type { NodeStatus } from "./status.ts";

/**
 * - `linearizable`: at an index that the leader confirmed after the read arrived.
 * - `lease`: the same without a confirmation, as long as the leader holds a lease; linearizable if no clock runs wild (src/raft/lease.ts).
 * - `stale`: what this node has applied.
 */
export type Consistency = "linearizable" | "lease" | "stale";

export interface WriteRequest {
  /** As wire/command_codec has them, already validated. */
  readonly commands: Uint8Array;
  /** How many they are. */
  readonly count: number;
  /** Whether the node may keep `commands`, and write to the byte before them in their buffer. */
  readonly owned?: boolean;
}

export interface NodeService {
  readonly id: NodeId;
  /** This node's view of one group, cheap enough to ask for with every answer. */
  view(group: GroupId): GroupView;
  /** Never waits for anybody. */
  status(group: GroupId): NodeStatus;
  /**
   * Proposes commands as one unit: all of them land in one entry, in order. The bytes are copied before the call
   * returns, unless they are `owned`.
   */
  write(group: GroupId, request: WriteRequest, done: (outcome: WriteOutcome) => void): void;
  /** Answers `count` queries (wire/rpc_codec, already validated) at one index. The bytes must not change until `done`. */
  read(
    group: GroupId,
    request: { readonly queries: Uint8Array; readonly count: number; readonly consistency: Consistency },
    done: (outcome: ReadOutcome) => void,
  ): void;
  /** Hands leadership to `to`, or to the most caught-up voter when null. Only the leader can. Ends within an election timeout. */
  transferLeader(group: GroupId, to: NodeId | null, done: (outcome: TransferOutcome) => void): void;
  /**
   * Changes who votes and who learns. Only the leader can. With `plan` it only says what would become of the wish. Ends when
   * the new configuration is committed, whoever leads by then.
   */
  changeMembership(
    group: GroupId,
    request: MembershipRequest,
    options: { readonly plan: boolean },
    done: (outcome: MembershipOutcome) => void,
  ): void;
  /**
   * Opens an image of the whole state that this node has applied, at once; the caller closes it. Null where nothing of a
   * cluster is known yet.
   */
  openImage(group: GroupId): OpenImage | null;
  /** Calls `listener` after each change of leader, term, readiness or configuration; returns how to stop that. */
  onChange(listener: () => void): () => void;
  /** Calls `listener` after each turn in which the store of `group` got newer; returns how to stop that. */
  onRevision(group: GroupId, listener: () => void): () => void;
  /** Where the nodes of the cluster listen, as its configuration and this node's own start say. */
  readonly servers: readonly Server[];
}

/** A state, and where in the log it stands. */
export interface OpenImage {
  readonly meta: SnapshotMeta;
  readonly revision: number;
  readonly keys: number;
  readonly image: ImageSource;
}

export interface GroupView {
  readonly role: Role;
  readonly term: Term;
  readonly leader: NodeId | null;
  readonly revision: number;
  readonly appliedIndex: Index;
  /** Whether a linearizable request could be served now: a leader is known and it has committed in its term, as far as this node knows. */
  readonly ready: boolean;
  /** Whether this node has left the cluster for good, as far as it knows. */
  readonly removed: boolean;
}
