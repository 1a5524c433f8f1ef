/** How a request to a node can end: as values, because none of these is exceptional. */
import type { Index, NodeId } from "../raft/mod.ts";

/** Why a node refused a request before it could take effect. */
export type RefusalReason =
  /** Another node leads; `leader` names it. */
  | "notLeader"
  /** Nobody is known to lead. */
  | "noLeader"
  /** Leadership is being handed over. */
  | "transferring"
  /** A limit of memory or of waiting requests is reached. */
  | "overloaded"
  /** This node is shutting down. */
  | "stopping"
  /** This node has left the cluster for good. */
  | "removed";

export interface Refusal {
  readonly kind: "notApplied";
  readonly reason: RefusalReason;
  readonly leader: NodeId | null;
}

/** The three ends of a write (rule C2). */
export type WriteOutcome =
  /** Committed and applied. `results` holds one encoded result for each command and is valid only during the call. */
  | { readonly kind: "applied"; readonly results: Uint8Array; readonly index: Index }
  | Refusal
  /** It was in the log of a leader that lost its office before it could tell: it may or may not commit. */
  | { readonly kind: "unknown"; readonly reason: "leadershipLost" | "stopping" };

/** The ends of a read. `answers` holds one encoded answer for each query and is valid only during the call. */
export type ReadOutcome =
  { readonly kind: "answered"; readonly answers: Uint8Array; readonly appliedIndex: Index } | Refusal;

/** The ends of a leader transfer. */
export type TransferOutcome =
  | { readonly kind: "transferred"; readonly leader: NodeId; readonly term: number }
  | { readonly kind: "refused"; readonly reason: "alreadyLeader" | "unknownNode" | "learner" | "transferring" }
  | { readonly kind: "timedOut"; readonly leader: NodeId | null }
  | Refusal;
