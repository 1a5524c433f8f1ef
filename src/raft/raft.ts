/**
 * One node's part in one Raft group: inputs change it, {@link Raft.ready} says what must happen. No I/O, no clock, no
 * promise, no chance of its own, so that every situation can be replayed.
 */
import { assert, unreachable } from "../lib/assert.ts";
import type { Random } from "../lib/random.ts";
import { onVoteDurable, stepCandidate, stepPreCandidate, tickCandidate } from "./candidate.ts";
import {
  askReads,
  becomeFollower,
  newFollower,
  stepFollower,
  stepReadIndexResponse,
  stepTimeoutNow,
  tickFollower,
} from "./follower.ts";
import {
  committedInTerm,
  flushLeader,
  maybeCommit,
  propose,
  read,
  readsDeadline,
  startTransfer,
  stepReadIndex,
  tickLeader,
} from "./leader.ts";
import { Log } from "./log.ts";
import type { Message } from "./message.ts";
import { changeMembership, planMembership } from "./membership_change.ts";
import type { MembershipTarget } from "./membership.ts";
import type {
  Compaction,
  MembershipPlan,
  MembershipProposal,
  Persist,
  Proposal,
  Ready,
  SoftState,
  TransferStart,
} from "./ready.ts";
import { isRefused, noteRefusal, refuseDirectory } from "./directories.ts";
import { stepReplication } from "./replication.ts";
import {
  canInstall,
  install,
  neededIndex,
  onSnapshotDamaged,
  refuseInstall,
  restoreSnapshot,
  takeSnapshot,
} from "./snapshots.ts";
import { RaftState, type RaftOptions } from "./state.ts";
import type { EntryId, Index, LogReader, Millis, Restored, SnapshotInfo } from "./types.ts";
import { answerPreVote, answerVote, answerWaitingPreVotes, hearsLeader } from "./voting.ts";

export class Raft {
  private readonly state: RaftState;
  private softState: SoftState;

  /** Starts as a follower of nobody, in the term that was restored, at time `now`. */
  constructor(options: RaftOptions, restored: Restored, log: LogReader, random: Random, now: Millis) {
    const { hardState, boot } = restored;
    assert(boot > 0, "boots are counted from 1");
    const role = newFollower();
    this.state = new RaftState(options, new Log(restored, log, options), boot, random, {
      hardState,
      role,
      now,
    });
    assert(this.state.log.last.term <= hardState.term, "an entry was stored before its term"); // rule P3
    this.state.resetElectionTimer();
    this.softState = { role: role.kind, term: hardState.term, leader: null };
  }

  /** Handles a message of a peer. It may be old, repeated or out of order, and is then harmless. */
  step(message: Message, now: Millis): void {
    this.advance(now);
    assert(message.to === this.state.id && message.group === this.state.options.group, "a message for somebody else");
    if (this.stepOutsideTerms(message)) return;
    if (message.term > this.state.term && !this.enterTermOf(message)) return;
    if (message.term < this.state.term) this.answerPastTerm(message);
    else this.stepInTerm(message);
  }

  /** What concerns those who have left (rule M11) or lost their directory (rule P13), whatever the terms. Returns whether that was all. */
  private stepOutsideTerms(message: Message): boolean {
    const { state } = this;
    if (refuseDirectory(state, message)) return true;
    switch (message.kind) {
      case "DirectoryRefused":
        noteRefusal(state, message);
        return true;
      case "Removed":
        state.toldRemoved = true;
        becomeFollower(state, { term: state.term, leader: null }); // whatever it waits for will not come
        return true;
      case "RequestPreVote":
      case "RequestVote":
      case "ReadIndex":
        if (!state.hasLeft(message.from)) return false;
        state.send({ kind: "Removed", ...state.envelope(message.from) });
        return true;
      default:
        return false;
    }
  }

  /**
   * The term rule, once for all roles (§5.1): a later term makes us a follower in it. Returns whether the message is
   * to be handled; it is then of our term, or a pre-vote.
   */
  private enterTermOf(message: Message): boolean {
    const { state } = this;
    switch (message.kind) {
      case "RequestPreVote":
        return true; // nobody is in that term yet (rule E3)
      case "RequestPreVoteResponse":
        if (message.granted) return true;
        break;
      case "RequestVote":
        if (!message.transfer && hearsLeader(state)) return false; // do not even take the term (rule E2)
        break;
      default:
    }
    const isLed = isFromLeader(message);
    if (!isLed && state.hasLeft(message.from)) return false; // a term that nobody else is in, from before it was told (rule M11)
    becomeFollower(state, { term: message.term, leader: isLed ? message.from : null });
    return true;
  }

  /** Somebody who lags: tell those who would otherwise never learn of our term (rule E4), ignore the rest. */
  private answerPastTerm(message: Message): void {
    const { state } = this;
    switch (message.kind) {
      case "AppendEntries":
      case "InstallSnapshot":
      case "Heartbeat":
        state.send({
          kind: "HeartbeatResponse",
          ...state.envelope(message.from),
          session: message.session,
          boot: state.boot,
          round: 0,
        });
        return;
      case "RequestPreVote":
        answerPreVote(state, message);
        return;
      case "RequestVote":
        state.send({ kind: "RequestVoteResponse", ...state.envelope(message.from), granted: false });
        return;
      default:
    }
  }

  private stepInTerm(message: Message): void {
    const { state } = this;
    const { role } = state;
    switch (message.kind) {
      case "RequestPreVote":
        answerPreVote(state, message);
        return;
      case "RequestVote":
        answerVote(state, message);
        return;
      case "RequestPreVoteResponse":
        if (role.kind === "preCandidate") stepPreCandidate(state, role, message);
        return;
      case "RequestVoteResponse":
        if (role.kind === "candidate") stepCandidate(state, role, message);
        return;
      case "AppendEntries":
      case "InstallSnapshot":
      case "Heartbeat":
        this.stepFromLeader(message);
        return;
      case "AppendEntriesResponse":
      case "InstallSnapshotResponse":
      case "HeartbeatResponse":
        if (role.kind === "leader") stepReplication(state, role, message);
        return;
      case "ReadIndex":
        if (role.kind === "leader") stepReadIndex(state, role, message);
        return;
      case "ReadIndexResponse":
        if (role.kind === "follower") stepReadIndexResponse(state, role, message);
        return;
      case "TimeoutNow":
        if (role.kind === "follower") stepTimeoutNow(state, role, message);
        return;
      case "Removed":
      case "DirectoryRefused":
        return; // seen to before the terms
      default:
        unreachable(message);
    }
  }

  private stepFromLeader(message: Message & { kind: "AppendEntries" | "InstallSnapshot" | "Heartbeat" }): void {
    const { state } = this;
    assert(state.role.kind !== "leader", "two leaders in one term");
    if (state.role.kind !== "follower") becomeFollower(state, { term: state.term, leader: message.from });
    assert(state.role.kind === "follower", "whoever hears a leader follows it");
    stepFollower(state, state.role, message);
  }

  /** Lets time pass. To be called no later than {@link deadline}; early or repeated calls do no harm. */
  tick(now: Millis): void {
    this.advance(now);
    answerWaitingPreVotes(this.state);
    const { role } = this.state;
    switch (role.kind) {
      case "follower":
        tickFollower(this.state, role);
        return;
      case "preCandidate":
      case "candidate":
        tickCandidate(this.state);
        return;
      case "leader":
        tickLeader(this.state, role);
        return;
      default:
        unreachable(role);
    }
  }

  /** When {@link tick} has something to do next. */
  get deadline(): Millis {
    const { role, options, preVotesWaiting } = this.state;
    if (role.kind === "leader") {
      const newsDeadline = role.newsFrom > this.state.now ? role.newsFrom : Infinity;
      return Math.min(
        role.heartbeatDeadline,
        newsDeadline,
        readsDeadline(this.state, role),
        role.transfer?.deadline ?? Infinity,
      );
    }
    const deadline = Math.min(
      this.state.electionDeadline,
      preVotesWaiting.size === 0 ? Infinity : this.state.votesFrom,
    );
    if (role.kind !== "follower") return deadline;
    return Math.min(deadline, role.readsAsked.size === 0 ? Infinity : role.readsAskedAt + options.heartbeatMs);
  }

  /** Puts a payload into the log, if this node leads. The bytes must not change afterwards. */
  propose(payload: Uint8Array): Proposal {
    const { state } = this;
    if (state.role.kind !== "leader") return { ok: false, reason: "notLeader", leader: state.leader };
    return propose(state, state.role, payload);
  }

  /**
   * Asks for an index at which a read is linearizable; the answer comes as a {@link ReadState} with `token`. With
   * `lease` the leader may answer at once while it holds a lease.
   */
  requestRead(request: { readonly token: number; readonly lease: boolean }, now: Millis): void {
    this.advance(now); // a lease is only as good as the time that it is held against (rule R7)
    const { state } = this;
    const { role, reads } = state;
    const { token, lease } = request;
    if (role.kind === "leader") read(state, role, { reader: { kind: "local", token }, lease });
    else if (role.kind === "follower" && role.leader !== null) role.readsWaiting.push(request);
    else reads.push({ token, index: null });
  }

  /** Begins to hand leadership over: to `target`, or to the most caught-up voter when null. */
  transferLeader(target: number | null, now: Millis): TransferStart {
    this.advance(now);
    const { state } = this;
    if (state.role.kind !== "leader") return { ok: false, reason: "notLeader", leader: state.leader };
    return startTransfer(state, state.role, target);
  }

  /** Begins to replace the configuration by `target`, if this node leads. Done once a configuration that is not joint is committed. */
  changeMembership(target: MembershipTarget, now: Millis): MembershipProposal {
    this.advance(now);
    const { state } = this;
    if (state.role.kind !== "leader") return { ok: false, reason: "notLeader", leader: state.leader, nodes: [] };
    return changeMembership(state, state.role, target);
  }

  /** What {@link changeMembership} would do, without doing it. */
  planMembership(target: MembershipTarget, now: Millis): MembershipPlan {
    this.advance(now);
    const { state } = this;
    if (state.role.kind !== "leader") return { ok: false, reason: "notLeader", leader: state.leader, nodes: [] };
    return planMembership(state, state.role, target);
  }

  /** Storage confirms every write up to `seq`. */
  persisted(seq: number): void {
    const { state } = this;
    assert(seq > state.persistedSeq && seq <= state.persistSeq, "storage confirmed a write out of order");
    state.persistedSeq = seq;
    state.diskHeardAt = state.now;
    state.log.persisted(seq);
    if (state.role.kind === "leader") maybeCommit(state, state.role);
    else if (state.role.kind === "candidate" && state.hardStateDurable) onVoteDurable(state, state.role);
  }

  /** The state machine has applied everything up to `index`. */
  applied(index: Index): void {
    this.state.log.applied(index);
  }

  /** The state machine was restored from the snapshot that storage had recorded: to be told before any other input. */
  snapshotRestored(snapshot: SnapshotInfo): void {
    restoreSnapshot(this.state, snapshot);
  }

  /** The driver has made a snapshot of what is applied, and it is durable: the log is compacted up to `compactTo` (rule S1). */
  snapshotTaken(snapshot: SnapshotInfo, compactTo: Index): void {
    takeSnapshot(this.state, snapshot, compactTo);
  }

  /** A snapshot was found damaged when it was read out to be sent; none of it is, and the driver takes another if that was the newest. */
  snapshotDamaged(snapshot: EntryId): void {
    onSnapshotDamaged(this.state, snapshot);
  }

  /** Whether the snapshot that has just arrived as a whole is still of use: to be asked before the state machine takes it over. */
  canInstall(snapshot: EntryId): boolean {
    return canInstall(this.state, snapshot);
  }

  /** The state machine took the snapshot over, which is durable; the log follows, in the next write (rule S3). */
  install(snapshot: SnapshotInfo): void {
    install(this.state, snapshot);
  }

  /** The snapshot that has just arrived as a whole is damaged. */
  refuseInstall(snapshot: EntryId): void {
    refuseInstall(this.state, snapshot);
  }

  /** What must now happen, or null. Each thing is told once. */
  ready(): Ready | null {
    const { state } = this;
    if (state.role.kind === "leader") flushLeader(state, state.role);
    else if (state.role.kind === "follower") askReads(state, state.role);
    const persist = this.takePersist();
    const { messages, reads, chunkOrders, chunks } = state;
    const { entries: committed, isCopy: committedIsCopy } = state.log.takeCommitted(state.options.applyBytesMax);
    const softState = this.takeSoftState();
    if (messages.length > 0) state.messages = [];
    if (reads.length > 0) state.reads = [];
    if (chunkOrders.length > 0) state.chunkOrders = [];
    if (chunks.length > 0) state.chunks = [];
    const count = messages.length + reads.length + committed.length + chunkOrders.length + chunks.length;
    const nothing = persist === null && count === 0 && softState === null;
    return nothing ? null : { messages, persist, committed, committedIsCopy, chunkOrders, chunks, reads, softState };
  }

  /** Whether the next call of {@link ready} has something to say without any further input. */
  get hasMore(): boolean {
    return this.state.log.handedOutIndex < this.state.log.commitIndex || this.state.compactionDue;
  }

  /** How far the log may be compacted without leaving behind a follower that is there; Infinity on all but the leader. */
  get neededIndex(): Index {
    return neededIndex(this.state);
  }

  private takePersist(): Persist | null {
    const { state } = this;
    const dirty = state.hardStateSeq === null;
    const mustWait = state.promises.length > 0 && state.persistedSeq < state.persistSeq;
    if (!dirty && !state.log.hasUnwritten && !state.compactionDue && !mustWait) {
      if (state.promises.length > 0) {
        state.messages.push(...state.promises); // everything they rest on is on disk already
        state.promises = [];
      }
      return null;
    }
    if (state.persistedSeq === state.persistSeq) state.diskHeardAt = state.now;
    const seq = ++state.persistSeq;
    const { truncateFrom, entries } = state.log.takeUnwritten(seq);
    if (dirty) state.hardStateSeq = seq;
    const thenSend = state.promises;
    state.promises = [];
    const hardState = dirty ? { term: state.term, vote: state.vote } : null;
    const compaction = this.takeCompaction();
    return { group: state.options.group, seq, hardState, truncateFrom, compaction, entries, thenSend };
  }

  private takeCompaction(): Compaction | null {
    const { state } = this;
    const { snapshot } = state;
    if (!state.compactionDue || snapshot === null) return null;
    state.compactionDue = false;
    const { index, term } = snapshot;
    const { compacted, memberships } = state.log;
    return { compacted, membership: memberships.at(compacted.index), snapshot: { index, term } };
  }

  private takeSoftState(): SoftState | null {
    const { role, term, leader } = this.state;
    const { softState } = this;
    if (softState.role === role.kind && softState.term === term && softState.leader === leader) return null;
    this.softState = { role: role.kind, term, leader };
    return this.softState;
  }

  /** What can be seen from outside, for status, tests and invariants; not to be changed. */
  get view(): Readonly<RaftState> {
    return this.state;
  }

  /** Whether this node leads and knows what is committed, so that reads need no further entry. */
  get leadsAndKnows(): boolean {
    return this.state.role.kind === "leader" && committedInTerm(this.state);
  }

  /** Whether this node must stop: its directory is not the one that the cluster knows it by (rule P13). */
  get isRefused(): boolean {
    return isRefused(this.state);
  }

  private advance(now: Millis): void {
    assert(now >= this.state.now, "the clock went back");
    this.state.now = now;
  }
}

/** Whether only the leader of its term sends such a message. */
function isFromLeader({ kind }: Message): boolean {
  return kind === "AppendEntries" || kind === "InstallSnapshot" || kind === "Heartbeat";
}
