/** What the roles share: term and vote, log and output. {@link send} is the one place that decides what waits for the disk. */
import { assert, unreachable } from "../lib/assert.ts";
import type { Random } from "../lib/random.ts";
import type { Candidate, PreCandidate } from "./candidate.ts";
import type { Follower } from "./follower.ts";
import type { Leader } from "./leader.ts";
import type { Log } from "./log.ts";
import { directoryOf, isVoter, type MembershipCodec } from "./membership.ts";
import type { InstallSnapshot, Message, RequestPreVote } from "./message.ts";
import type { ChunkOrder, ReadState } from "./ready.ts";
import type {
  DirectoryNumber,
  GroupId,
  HardState,
  Index,
  Membership,
  Millis,
  NodeId,
  SnapshotInfo,
  Term,
} from "./types.ts";

/** The limits and times of one Raft group. */
export interface RaftOptions {
  readonly id: NodeId;
  readonly group: GroupId;
  /** That of this node's data directory. With 0, a node of tests, it is never bound to it. */
  readonly directory: DirectoryNumber;
  /** The least time without a leader before an election; each wait is drawn from [1, 2] times this. */
  readonly electionTimeoutMs: Millis;
  readonly heartbeatMs: Millis;
  /** How long followers may wait to hear that an entry is committed, for the next entry to tell them: it costs as many messages as an entry. */
  readonly commitNewsMs: Millis;
  /** How long reads may wait for the round of earlier ones to be answered before they begin another. */
  readonly readRoundMs: Millis;
  /** How many times as fast as another's the clock of any node may run, at most: leases trust this, and nothing else does (rule R4). */
  readonly clockRatioMax: number;
  /** How much earlier than it could a lease ends, for the grain of clocks. */
  readonly leaseMarginMs: Millis;
  /** The most payload in one AppendEntries, but always at least one entry. */
  readonly appendBytesMax: number;
  /** The window of one follower, in appends and in payload bytes (rule L10). */
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  /** The most payload proposed and not committed (rule L12). */
  readonly uncommittedBytesMax: number;
  /** The most payload that the newest entries keep in memory. */
  readonly tailBytesMax: number;
  /** The most committed payload that one {@link Ready} hands out, but always at least one entry. */
  readonly applyBytesMax: number;
  /** The most that one message carries of a snapshot. */
  readonly chunkBytesMax: number;
  /** The most chunks of a snapshot that are on their way to one follower. */
  readonly inflightChunksMax: number;
  readonly codec: MembershipCodec;
}

/** How long a leader waits for its disk, in election timeouts: no disk that works takes that long for a write. */
const diskTimeouts = 2;

/** A role's data; it dies with the role. */
export type RoleState = Follower | PreCandidate | Candidate | Leader;

export class RaftState {
  term: Term;
  vote: NodeId | null;
  role: RoleState;
  /** The clock at the input being handled. Never goes back. */
  now: Millis;
  /** When a node that is not leader campaigns. Never before `votesFrom`, unless the leader asks for it. */
  electionDeadline: Millis = 0;
  /**
   * Until then candidates are ignored, terms and all: one election timeout after a leader was last heard, in whatever
   * term, or after this node was started again and does not know whom it had heard (rules E2, R4 and R6). The leader
   * that was heard may rely on it.
   */
  votesFrom: Millis;
  /** Pre-votes that were asked for before `votesFrom` while nobody led: answered then, by candidate. */
  readonly preVotesWaiting = new Map<NodeId, RequestPreVote>();
  /** Messages that promise nothing about our disk. */
  messages: Message[] = [];
  /** Messages that wait for what is written by now. */
  promises: Message[] = [];
  /** Reads that were decided and not yet handed out. */
  reads: ReadState[] = [];
  /** Chunks to read and send, and chunks to keep, that were not handed out. */
  chunkOrders: ChunkOrder[] = [];
  chunks: InstallSnapshot[] = [];
  /** The newest durable snapshot. Invariant: it stands for all that is compacted. */
  snapshot: SnapshotInfo | null = null;
  /** Whether it was found damaged, so that nothing of it is sent until there is another (rule P12). */
  snapshotIsDamaged = false;
  /** Whether the beginning of the log or the snapshot changed since storage was told. */
  compactionDue = false;
  /** Numbers the writes handed to storage. */
  persistSeq = 0;
  /** The write that holds the current hard state: 0 when it came from disk, null while it has not been handed out. */
  hardStateSeq: number | null = 0;
  persistedSeq = 0;
  /** Whether another node said that this one has left: its own log may never tell it. */
  toldRemoved = false;
  /** Who said that this node is bound to another directory than its own (rule P13). */
  readonly refusedBy = new Map<NodeId, boolean>();
  /** The next entry that the leader has and this node cannot take, because a newer program made it (rule X4); null if there is none. */
  unreadable: { readonly index: Index; readonly reason: string } | null = null;
  /** When the disk last confirmed something, or was given something after it had confirmed all. */
  diskHeardAt: Millis;
  /** Makes the ids of this node's own ReadIndex requests, across roles, so that none is ever reused. */
  readRequest = 0;

  constructor(
    readonly options: RaftOptions,
    readonly log: Log,
    readonly boot: number,
    readonly random: Random,
    start: { readonly hardState: HardState; readonly role: RoleState; readonly now: Millis },
  ) {
    this.term = start.hardState.term;
    this.vote = start.hardState.vote;
    this.role = start.role;
    this.now = start.now;
    this.diskHeardAt = start.now;
    // In its first life a node can have promised nothing, and nobody needs to wait for the first leader of a cluster.
    this.votesFrom = boot > 1 ? start.now + options.electionTimeoutMs : start.now;
  }

  get id(): NodeId {
    return this.options.id;
  }

  /** The configuration that acts: that of the newest such entry in the log, committed or not (rule M1). */
  get membership(): Membership {
    return this.log.memberships.current;
  }

  /** What is known to be committed of the configuration. */
  get committedMembership(): Membership {
    return this.log.memberships.at(this.log.commitIndex);
  }

  /**
   * The directory on which `id` counts; 0 while on any. A binding acts when it is appended, as the configuration that it
   * is part of (rule M1); who is being removed stays bound until that is committed.
   */
  directoryOf(id: NodeId): DirectoryNumber {
    const directory = directoryOf(this.membership, id);
    return directory === 0 ? directoryOf(this.committedMembership, id) : directory;
  }

  /** Whether this node is bound to another directory than its own: then it promises nothing (rule P13). */
  get isElsewhere(): boolean {
    const directory = this.directoryOf(this.id);
    return directory !== 0 && directory !== this.options.directory;
  }

  /** Whether this node decides, as far as it knows. */
  get isVoter(): boolean {
    return isVoter(this.membership, this.id);
  }

  /**
   * Whether this node may ask for votes (rule E8). Until the configuration that removes it is known to be committed, it may be
   * the only one that can lead to that; it does not count itself then (thesis §4.2.2).
   */
  get mayCampaign(): boolean {
    if (this.isRemoved || this.isElsewhere) return false;
    return (
      this.isVoter || this.log.memberships.since(this.log.commitIndex).some((members) => isVoter(members, this.id))
    );
  }

  /** Whether this node has left for good, as far as it knows. */
  get isRemoved(): boolean {
    return this.toldRemoved || this.hasLeft(this.id);
  }

  /** Whether it is committed that `id` has left: true for ever (rule M11). */
  hasLeft(id: NodeId): boolean {
    return this.committedMembership.retired.includes(id);
  }

  /**
   * Whether the disk has confirmed nothing for so long that this node should not lead: it acknowledges nothing more, and
   * heartbeats alone would keep everybody else from taking its place (rule P16).
   */
  get diskHangs(): boolean {
    const waits = this.persistedSeq < this.persistSeq;
    return waits && this.now - this.diskHeardAt >= diskTimeouts * this.options.electionTimeoutMs;
  }

  /** Whether term and vote are on disk as they are now. */
  get hardStateDurable(): boolean {
    return this.hardStateSeq !== null && this.hardStateSeq <= this.persistedSeq;
  }

  /** The leader of this term, as far as this node knows. */
  get leader(): NodeId | null {
    switch (this.role.kind) {
      case "follower":
        return this.role.leader;
      case "preCandidate":
      case "candidate":
        return null;
      case "leader":
        return this.id;
      default:
        return unreachable(this.role);
    }
  }

  /** Moves to a higher term, in which nobody has our vote. The only way that `term` changes. */
  enterTerm(term: Term): void {
    assert(term > this.term, "the term never falls");
    this.term = term;
    this.vote = null;
    this.hardStateSeq = null;
    // What an earlier leader gave us may be overwritten before it is written: then nothing acknowledges it any more (rule P2).
    this.promises = this.promises.filter((message) => message.kind !== "AppendEntriesResponse");
  }

  /** Gives the vote of this term away, once (rule P4). */
  voteFor(candidate: NodeId): void {
    assert(this.vote === null || this.vote === candidate, "one vote a term");
    if (this.vote === candidate) return;
    this.vote = candidate;
    this.hardStateSeq = null;
  }

  /** Draws a fresh timeout, so that two nodes seldom campaign together again (§5.2). */
  resetElectionTimer(): void {
    const { electionTimeoutMs } = this.options;
    this.electionDeadline = this.now + electionTimeoutMs + this.random.integer(0, electionTimeoutMs);
  }

  /**
   * Sends a message, now or once everything before it is on disk (§3.8 of the thesis, rules P1 and P2). A vote, a
   * vote request (which rests on our vote for ourselves) and an acknowledged append promise what a crash must not undo.
   */
  send(message: Message): void {
    switch (message.kind) {
      case "RequestVote":
      case "RequestVoteResponse":
        this.promises.push(message);
        return;
      case "AppendEntriesResponse":
        this.sendAcknowledgement(message);
        return;
      case "RequestPreVoteResponse":
      case "HeartbeatResponse":
      case "InstallSnapshotResponse":
        // They speak of a term: a restart must not take it back.
        if (this.hardStateDurable) this.messages.push(message);
        else this.promises.push(message);
        return;
      case "RequestPreVote":
      case "AppendEntries":
      case "InstallSnapshot":
      case "Heartbeat":
      case "ReadIndex":
      case "ReadIndexResponse":
      case "TimeoutNow":
      case "Removed":
      case "DirectoryRefused":
        this.messages.push(message);
        return;
      default:
        unreachable(message);
    }
  }

  /** Acknowledgements are cumulative: of those that wait for the same write, the leader only needs the greatest. */
  private sendAcknowledgement(message: Message & { kind: "AppendEntriesResponse" }): void {
    const previous = this.promises.at(-1);
    if (
      message.outcome.kind === "accepted" &&
      previous?.kind === "AppendEntriesResponse" &&
      previous.outcome.kind === "accepted" &&
      previous.session === message.session
    ) {
      assert(previous.term === message.term, "an acknowledgement outlived its term");
      this.promises.pop();
      const matchIndex = Math.max(previous.outcome.matchIndex, message.outcome.matchIndex);
      this.promises.push({ ...message, outcome: { kind: "accepted", matchIndex } });
      return;
    }
    this.promises.push(message);
  }

  /** The fields that every message of ours shares. */
  envelope(to: NodeId): { group: GroupId; from: NodeId; to: NodeId; term: Term; directory: DirectoryNumber } {
    const { group, directory } = this.options;
    return { group, from: this.id, to, term: this.term, directory };
  }
}
