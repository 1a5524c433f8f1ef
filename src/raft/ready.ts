/** What the core wants done after its inputs: data for the driver to carry out, with no effect of its own. */
import type { InstallSnapshot, Message } from "./message.ts";
import type { Entry, EntryId, GroupId, HardState, Index, Membership, NodeId, Role, Term } from "./types.ts";

/** What must now happen. Everything in it is handed out exactly once. */
export interface Ready {
  /** Promise nothing about our disk: may leave at once. */
  readonly messages: readonly Message[];
  /** The next ordered write. */
  readonly persist: Persist | null;
  /** To apply, in index order, without gaps. */
  readonly committed: readonly Entry[];
  /** Whether `committed` was read back for this alone: nobody else holds its payloads, so they may go once it is applied. */
  readonly committedIsCopy: boolean;
  /** To read from the snapshot that each names, and to send. */
  readonly chunkOrders: readonly ChunkOrder[];
  /**
   * Pieces of snapshots that arrived, each right behind the one before or the beginning of another transfer: to keep, and with
   * the last one to see whether the whole can be installed.
   */
  readonly chunks: readonly InstallSnapshot[];
  /** Reads that are decided: answer once applied ≥ index. */
  readonly reads: readonly ReadState[];
  /** Only when something in it changed. */
  readonly softState: SoftState | null;
}

/** One ordered write of one group. */
export interface Persist {
  readonly group: GroupId;
  /** Writes of a group are first in, first out; `persisted(seq)` confirms all up to `seq`. */
  readonly seq: number;
  readonly hardState: HardState | null;
  /** Drop the log from here before appending. */
  readonly truncateFrom: Index | null;
  /** What the log loses at its beginning, after the cut and before the entries. */
  readonly compaction: Compaction | null;
  /** Follow what is left of the log without a gap. */
  readonly entries: readonly Entry[];
  /** Promises that rest on these bytes and those before: votes, our own vote request, acknowledgements. Sent by the driver. */
  readonly thenSend: readonly Message[];
}

/**
 * A new beginning of the log, recorded in one step with the snapshot that stands for what is gone (rule S3). The snapshot is
 * durable before this is written (rule S1).
 */
export interface Compaction {
  /** The last entry that is gone. Behind the end of the log only if a cut has emptied it: then the log begins anew here. */
  readonly compacted: EntryId;
  /** The configuration at `compacted`. */
  readonly membership: Membership;
  /** What the snapshot to start from stands for: nothing between it and `compacted` is missing from the log. */
  readonly snapshot: EntryId;
}

/** A message that lacks its chunk: the `length` bytes at its offset of the image. */
export interface ChunkOrder {
  readonly message: Omit<InstallSnapshot, "chunk">;
  readonly length: number;
}

/** The fate of a read: answer it at `index`, or tell the caller that this node could not confirm a leader. */
export interface ReadState {
  readonly token: number;
  /** Null when the read was given up: the leader changed or was lost (rule R3). */
  readonly index: Index | null;
}

/** What others may want to know and no promise rests on. */
export interface SoftState {
  readonly role: Role;
  readonly term: Term;
  readonly leader: NodeId | null;
}

/** The answer to a proposal: accepted says only that it is in this leader's log, not that it is committed. */
export type Proposal =
  | { readonly ok: true; readonly id: EntryId }
  | {
      readonly ok: false;
      readonly reason: "notLeader" | "transferring" | "overloaded";
      readonly leader: NodeId | null;
    };

/** The answer to the wish for another configuration: accepted says that its first step is in this leader's log. */
export type MembershipProposal =
  | { readonly ok: true; readonly id: EntryId }
  | {
      readonly ok: false;
      readonly reason: MembershipRefusal;
      readonly leader: NodeId | null;
      /** Whom the reason is about; nobody for some. */
      readonly nodes: readonly NodeId[];
    };

/** What would become of a wish for another configuration. */
export type MembershipPlan =
  { readonly ok: true; readonly after: Membership } | Exclude<MembershipProposal, { readonly ok: true }>;

/** Why a configuration is not changed. Nothing was proposed. */
export type MembershipRefusal =
  | "notLeader"
  | "transferring"
  /** The leader has not committed in its term: an earlier one may have begun a change that is not known here (rule M3). */
  | "notReady"
  /** Another change is under way (rules M2 and M6). */
  | "changing"
  | "unchanged"
  /** Nobody would vote (rule M6). */
  | "noVoters"
  /** An id that has left does not come back (rule P13). */
  | "retired"
  | "tooMany"
  /** A voter to be that is no learner, is silent, or stores less than what is old news (rule M8). */
  | "notCaughtUp"
  /** Too few of the voters to be are there: it could be the last change ever (rule M8). */
  | "quorumLost";

/** The answer to a request to hand over leadership. */
export type TransferStart =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly reason: "notLeader" | "alreadyLeader" | "unknownNode" | "learner" | "transferring";
      readonly leader: NodeId | null;
    };
