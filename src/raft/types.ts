/** The nouns of the protocol. Indexes and terms are integers below 2^53; 0 means none. */

export type NodeId = number;
export type GroupId = number;
export type Index = number;
export type Term = number;
/** The random number that a data directory was given when it was made, from 1 up to 2^53 - 1; 0 stands for none. */
export type DirectoryNumber = number;
/** Milliseconds on a clock that never goes back and knows no date (rule X1). */
export type Millis = number;

/** Where an entry stands and which leader made it; two logs that agree here agree on everything before (§5.3). */
export interface EntryId {
  readonly index: Index;
  readonly term: Term;
}

/**
 * - `noop`: empty, the first entry of each term (rule L1).
 * - `commands`: a sealed batch of client commands; the core never looks inside.
 * - `membership`: a whole {@link Membership}, in force from the moment it is appended (rule M1).
 */
export type EntryKind = "noop" | "commands" | "membership";

/** One slot of the log. The payload is shared by the log, frames, rows and apply: nobody writes to it. */
export interface Entry extends EntryId {
  readonly kind: EntryKind;
  readonly payload: Uint8Array;
  /** {@link entryChecksum} of this entry, made once by the leader and verified wherever it is read back (rule P12). */
  readonly checksum: number;
}

/** What a node's promises rest on; durable before any message that promises it (§3.8 of the thesis, rule P1). */
export interface HardState {
  readonly term: Term;
  /** Whom this node voted for in `term`. Never cleared inside a term (rule P4). */
  readonly vote: NodeId | null;
}

/**
 * Who decides and who only receives the log. Each list ascends and names nobody twice.
 *
 * While `outgoing` names anybody the configuration is joint: a majority of `voters` and one of `outgoing` must agree on
 * everything (thesis §4.3). Nobody has to ask for its end: once a joint configuration is committed, the leader of the day
 * proposes the one without its outgoing half (rule M5).
 */
export interface Membership {
  /** Elect and commit. Empty only on a node that is to join and has not yet received the log: it waits and never campaigns. */
  readonly voters: readonly NodeId[];
  /** The voters of the configuration that is being left; empty but during a change. */
  readonly outgoing: readonly NodeId[];
  /** Receive the log and never count (rule M7). Neither voters nor outgoing. */
  readonly learners: readonly NodeId[];
  /** Outgoing voters that become learners at the end of the change; until then they decide. */
  readonly learnersNext: readonly NodeId[];
  /** Ids that have left. None comes back: its disk would have forgotten what it promised (rule P13). */
  readonly retired: readonly NodeId[];
  /** Where members listen, by id. Carried along in log and snapshots for the driver; a member may be missing. */
  readonly servers: readonly Server[];
  /** On which data directory a member counts (rule P13), by id. Who is missing was not heard as a voter yet, and counts on any. */
  readonly directories: readonly Binding[];
}

/** A member and the data directory that holds what it has promised. Never changes while it is a member. */
export interface Binding {
  readonly id: NodeId;
  readonly directory: DirectoryNumber;
}

/** The two addresses of a node, each `host:port`. */
export interface Server {
  readonly id: NodeId;
  /** For the other nodes. */
  readonly replicate: string;
  /** For clients. */
  readonly service: string;
}

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** A snapshot that is durable here: what it stands for, and how long its image is. */
export interface SnapshotInfo extends EntryId {
  /** The configuration at `index` (rule M12). */
  readonly membership: Membership;
  readonly bytes: number;
}

/** What storage knew when it was opened. */
export interface Restored {
  readonly hardState: HardState;
  /** The configuration at `compacted`. */
  readonly membership: Membership;
  /** The `membership` entries of the log, in order. */
  readonly memberships: readonly Entry[];
  /** How often this data directory was opened, this time included: tells messages of one life of a node from another (rule L11). */
  readonly boot: number;
  /** The last entry that compaction removed: index 0 and term 0 as long as the log starts at 1. */
  readonly compacted: EntryId;
  /** What the snapshot to start from stands for, at or behind `compacted`: index 0 and term 0 as long as there is none. */
  readonly snapshot: EntryId;
  /** The terms of the log as runs, ascending: from `index` on, entries are of `term`. Empty for an empty log. */
  readonly termRuns: readonly EntryId[];
  readonly lastIndex: Index;
}

/** Reads entries that are durable. Synchronous: the core never awaits. */
export interface LogReader {
  /**
   * The entries from `from` up to `to`, both included, ending early once `bytesMax` payload bytes are exceeded, but
   * never empty. All of them are known to exist; a missing or damaged one throws and stops the process. Whoever asks gets
   * payloads of his own.
   */
  entries(range: { readonly from: Index; readonly to: Index; readonly bytesMax: number }): readonly Entry[];
}
