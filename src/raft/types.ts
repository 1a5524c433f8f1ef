/** The nouns of the protocol. Indexes and terms are integers below 2^53; 0 means none. */

export type NodeId = number;
export type GroupId = number;
export type Index = number;
export type Term = number;
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
 * - `membership`: reserved for configuration changes.
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

/** Who votes and who only receives the log. The sets are disjoint and `voters` is never empty. */
export interface Membership {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
}

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** What storage knew when it was opened. */
export interface Restored {
  readonly hardState: HardState;
  readonly membership: Membership;
  /** How often this data directory was opened, this time included: tells messages of one life of a node from another (rule L11). */
  readonly boot: number;
  /** The last entry that compaction removed: index 0 and term 0 as long as the log starts at 1. */
  readonly compacted: EntryId;
  /** The terms of the log as runs, ascending: from `index` on, entries are of `term`. Empty for an empty log. */
  readonly termRuns: readonly EntryId[];
  readonly lastIndex: Index;
}

/** Reads entries that are durable. Synchronous: the core never awaits. */
export interface LogReader {
  /**
   * The entries from `from` up to `to`, both included, ending early once `bytesMax` payload bytes are exceeded, but
   * never empty. All of them are known to exist; a missing or damaged one throws and stops the process.
   */
  entries(range: { readonly from: Index; readonly to: Index; readonly bytesMax: number }): readonly Entry[];
}
