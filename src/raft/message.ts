/**
 * What nodes say to each other: one variant for each remote procedure call of the paper and each answer, nothing local.
 * Any message may be lost, repeated, delayed and reordered; nothing here relies on the transport.
 */
import type { DirectoryNumber, Entry, EntryId, GroupId, Index, Membership, NodeId, Term } from "./types.ts";

interface Envelope {
  readonly group: GroupId;
  readonly from: NodeId;
  readonly to: NodeId;
  /** The sender's current term, but for pre-votes: those carry the term that the sender would campaign in. */
  readonly term: Term;
  /** The data directory that the sender's promises are kept in (rule P13). */
  readonly directory: DirectoryNumber;
}

/** Asks whether an election could be won, and changes nothing at the receiver (thesis §9.6, rule E3). */
export interface RequestPreVote extends Envelope {
  readonly kind: "RequestPreVote";
  readonly lastLog: EntryId;
}

/** `term` is the campaign's when granted, else the receiver's own, so that a candidate that lags learns it (rule E4). */
export interface RequestPreVoteResponse extends Envelope {
  readonly kind: "RequestPreVoteResponse";
  readonly granted: boolean;
  /** The campaign this answers: the term that the request named. */
  readonly campaignTerm: Term;
}

/** §5.2. */
export interface RequestVote extends Envelope {
  readonly kind: "RequestVote";
  readonly lastLog: EntryId;
  /** Set by a candidate that the leader told to take over: receivers do not hold back for the live leader (rule T2). */
  readonly transfer: boolean;
}

/** Leaves only after the vote is on disk, a refusal too (rule P1). */
export interface RequestVoteResponse extends Envelope {
  readonly kind: "RequestVoteResponse";
  readonly granted: boolean;
}

/** §5.3. `entries` follow `previous` without a gap. Empty while the leader probes or only has to tell the commit index. */
export interface AppendEntries extends Envelope {
  readonly kind: "AppendEntries";
  readonly previous: EntryId;
  readonly entries: readonly Entry[];
  readonly commitIndex: Index;
  /**
   * Never sent: whoever took the message in says why there are no more entries, although more came. The next one was made by a
   * newer program, and must not reach the log of one that cannot apply it (rule X4).
   */
  readonly unreadable?: string;
  /** Names the leader's view of this receiver; echoed by answers, which count for no other (rule L11). */
  readonly session: number;
}

/**
 * What the receiver's log holds. Says what is stored, never which request it answers, so that repeats and
 * reordering do no harm (rule L7).
 */
export interface AppendEntriesResponse extends Envelope {
  readonly kind: "AppendEntriesResponse";
  readonly session: number;
  /** Which life of the receiver speaks (rule L11). */
  readonly boot: number;
  readonly outcome: AppendOutcome;
}

export type AppendOutcome =
  /** The log agrees with the leader's up to `matchIndex`, on disk. */
  | { readonly kind: "accepted"; readonly matchIndex: Index }
  /** The same, and the next entry is one that the receiver cannot read: it can take it no sooner than as another program. */
  | { readonly kind: "unreadable"; readonly matchIndex: Index }
  /**
   * No entry `previousIndex` of the leader's term there. `hint` is the last entry of the receiver that may still
   * agree: the leader skips all between at once (rule L9).
   */
  | { readonly kind: "rejected"; readonly previousIndex: Index; readonly hint: EntryId };

/**
 * A piece of the image of a snapshot, for a follower that needs entries which are gone (thesis §5.1, figure 5.3). Sender's
 * term, session and snapshot together name one transfer; each begins at offset 0 (rule S5).
 */
export interface InstallSnapshot extends Envelope {
  readonly kind: "InstallSnapshot";
  readonly session: number;
  /** The last entry that the snapshot stands for. */
  readonly snapshot: EntryId;
  /** The configuration there (rule M12). */
  readonly membership: Membership;
  /** The length of the whole image. */
  readonly bytes: number;
  /** Where `chunk` lies in it. */
  readonly offset: number;
  /** Never empty; the last one ends where the image does. */
  readonly chunk: Uint8Array;
}

/** Says how far a transfer has come. Its end is told by an {@link AppendEntriesResponse}: what counts is what the log holds. */
export interface InstallSnapshotResponse extends Envelope {
  readonly kind: "InstallSnapshotResponse";
  readonly session: number;
  readonly boot: number;
  /** Of the snapshot. */
  readonly index: Index;
  /** How much of the image the receiver holds, without a gap; null when it holds nothing and awaits the beginning. */
  readonly received: number | null;
}

/** Keeps followers from campaigning, and confirms the leader to waiting reads. */
export interface Heartbeat extends Envelope {
  readonly kind: "Heartbeat";
  /** Never above what the receiver is known to store (rule L3). */
  readonly commitIndex: Index;
  /** A number that the leader makes anew for each round, so that no older acknowledgement confirms a read (rule R2). */
  readonly round: number;
  readonly session: number;
}

export interface HeartbeatResponse extends Envelope {
  readonly kind: "HeartbeatResponse";
  readonly round: number;
  readonly session: number;
  readonly boot: number;
}

/** A follower asks the leader for an index at which its own reads are linearizable (thesis §6.4, rule R3). */
export interface ReadIndex extends Envelope {
  readonly kind: "ReadIndex";
  /** Numbers the questions of the asking node's life; echoed. A question that is repeated keeps its number. */
  readonly request: number;
  readonly boot: number;
  /** Whether the leader may answer from its lease, if it has one. */
  readonly lease: boolean;
}

/** Good for the question that it names and for all that were asked before, of those that allow a lease if it rests on one. */
export interface ReadIndexResponse extends Envelope {
  readonly kind: "ReadIndexResponse";
  readonly request: number;
  readonly boot: number;
  readonly index: Index;
  /** Whether it rests on the leader's lease: then it answers only those who trust that. */
  readonly lease: boolean;
}

/** Tells the receiver to campaign at once; valid only from the leader of exactly this term (thesis §3.10, rule T2). */
export interface TimeoutNow extends Envelope {
  readonly kind: "TimeoutNow";
}

/**
 * Answers whoever has left for good and asks for something: it may never learn that from its own log (rule M11). The term
 * means nothing.
 */
export interface Removed extends Envelope {
  readonly kind: "Removed";
}

/**
 * Answers a member that speaks from another data directory than the one that it is bound to, as the sender knows to be
 * committed: it has forgotten what it promised, and nobody counts it (rule P13). The term means nothing.
 */
export interface DirectoryRefused extends Envelope {
  readonly kind: "DirectoryRefused";
  /** The number that the receiver was heard with: an old message says nothing to a node on another directory. */
  readonly refused: DirectoryNumber;
}

export type Message =
  | RequestPreVote
  | RequestPreVoteResponse
  | RequestVote
  | RequestVoteResponse
  | AppendEntries
  | AppendEntriesResponse
  | InstallSnapshot
  | InstallSnapshotResponse
  | Heartbeat
  | HeartbeatResponse
  | ReadIndex
  | ReadIndexResponse
  | TimeoutNow
  | Removed
  | DirectoryRefused;

export type MessageKind = Message["kind"];
