/** A follower takes the log from the leader of its term, and campaigns when it hears none (§5.2, §5.3). */
import { assert, unreachable } from "../lib/assert.ts";
import { campaign } from "./candidate.ts";
import type { Log } from "./log.ts";
import type {
  AppendEntries,
  AppendOutcome,
  Heartbeat,
  InstallSnapshot,
  ReadIndexResponse,
  TimeoutNow,
} from "./message.ts";
import { stepInstallSnapshot } from "./snapshots.ts";
import type { RaftState } from "./state.ts";
import type { EntryId, Millis, NodeId, Term } from "./types.ts";

export interface Follower {
  readonly kind: "follower";
  /** Who leads this term; null until it makes itself heard. */
  leader: NodeId | null;
  /** Reads of this node that wait to be sent to the leader, all of one turn together. */
  readsWaiting: WaitingRead[];
  /** Reads sent to the leader, by the number of the question that carries them, in order. An answer settles all up to its own. */
  readonly readsAsked: Map<number, Question>;
  /** When the newest question was last sent. */
  readsAskedAt: Millis;
  /** The snapshot that is arriving. While it does, this node does not campaign (rule E8). */
  receiving: Receiving | null;
}

/** A snapshot of which some has arrived and the end has not been installed. */
export interface Receiving {
  readonly session: number;
  readonly snapshot: EntryId;
  /** What has arrived, without a gap. */
  bytes: number;
}

interface WaitingRead {
  readonly token: number;
  readonly lease: boolean;
}

interface Question {
  readonly tokens: readonly number[];
  /** Whether the leader's lease is good enough for them. */
  readonly lease: boolean;
}

/** A follower that knows of no leader yet. */
export function newFollower(): Follower {
  return {
    kind: "follower",
    leader: null,
    readsWaiting: [],
    readsAsked: new Map(),
    readsAskedAt: 0,
    receiving: null,
  };
}

/** Follows `leader`, or nobody yet, in `term`; in a new term with no vote given. Whatever role it had dies here. */
export function becomeFollower(state: RaftState, { term, leader }: { term: Term; leader: NodeId | null }): void {
  assert(term >= state.term, "cannot follow in a past term");
  giveUpReads(state);
  if (term > state.term) state.enterTerm(term);
  // Everybody else's timer is running, and a term alone must not buy its candidate time (rule E7).
  if (state.role.kind === "leader") state.resetElectionTimer();
  state.role = { ...newFollower(), leader };
}

/** Handles a message of the leader of this term. */
export function stepFollower(
  state: RaftState,
  follower: Follower,
  message: AppendEntries | InstallSnapshot | Heartbeat,
): void {
  assert(follower.leader === null || follower.leader === message.from, "two leaders in one term");
  follower.leader = message.from;
  state.votesFrom = state.now + state.options.electionTimeoutMs;
  state.preVotesWaiting.clear();
  state.resetElectionTimer();
  switch (message.kind) {
    case "AppendEntries":
      state.send({
        kind: "AppendEntriesResponse",
        ...state.envelope(message.from),
        session: message.session,
        boot: state.boot,
        outcome: append(state, message),
      });
      return;
    case "InstallSnapshot":
      stepInstallSnapshot(state, follower, message);
      return;
    case "Heartbeat":
      // The leader vouches only for what it knows us to store; still never believe in more than there is (rule P15).
      commitUpTo(state, Math.min(message.commitIndex, state.log.lastIndex));
      state.send({
        kind: "HeartbeatResponse",
        ...state.envelope(message.from),
        session: message.session,
        boot: state.boot,
        round: message.round,
      });
      return;
    default:
      unreachable(message);
  }
}

/** Brings the log in line with the leader's (§5.3, AppendEntries steps 2 to 5). */
function append(state: RaftState, message: AppendEntries): AppendOutcome {
  const { log } = state;
  const { previous, entries } = message;
  // What is committed agrees with every later leader: an old message about it must not rewind anything (rule L6).
  if (previous.index < log.commitIndex) {
    for (const id of [previous, ...entries]) assertAgreesWithCommitted(log, id);
    return { kind: "accepted", matchIndex: log.commitIndex };
  }
  if (!log.matches(previous)) {
    return { kind: "rejected", previousIndex: previous.index, hint: log.conflictHint(previous) };
  }
  for (const entry of entries) {
    // Entries that are there already stay, and so does what follows them, unless it really conflicts (rule L4).
    if (log.matches(entry)) continue;
    if (entry.index <= log.lastIndex) log.truncate(entry.index);
    log.append(entry);
  }
  // Only up to here is the log known to be the leader's; beyond it may lie a stale tail (rule L3).
  const matchIndex = previous.index + entries.length;
  commitUpTo(state, Math.min(message.commitIndex, matchIndex));
  if (message.unreadable !== undefined) {
    state.unreadable = { index: matchIndex + 1, reason: message.unreadable };
    return { kind: "unreadable", matchIndex };
  }
  if (state.unreadable !== null && state.unreadable.index <= matchIndex) state.unreadable = null; // another leader had another one there
  return { kind: "accepted", matchIndex };
}

/** Whoever contradicts what is committed does not speak Raft: stop rather than follow or ignore it (rule L5). */
export function assertAgreesWithCommitted(log: Log, id: EntryId): void {
  if (id.index < log.firstIndex || id.index > log.commitIndex) return;
  assert(log.matches(id), "an append contradicts a committed entry");
}

/** A snapshot that the log has caught up with is not awaited any more. */
export function commitUpTo(state: RaftState, index: number): void {
  const { log, role } = state;
  if (index > log.commitIndex) log.commitTo(index);
  if (role.kind === "follower" && role.receiving !== null && role.receiving.snapshot.index <= log.commitIndex)
    role.receiving = null;
}

/** Campaigns at once, without asking first: the leader itself wants to hand over (thesis §3.10, rule T2). Who has left meanwhile does not. */
export function stepTimeoutNow(state: RaftState, follower: Follower, message: TimeoutNow): void {
  if (follower.leader !== message.from || !state.isVoter || !state.mayCampaign || follower.receiving !== null) return;
  campaign(state, { transfer: true });
}

/** Nobody leads: campaign. Otherwise repeat the newest question, which the leader may not have got. */
export function tickFollower(state: RaftState, follower: Follower): void {
  if (state.now >= state.electionDeadline) {
    if (state.mayCampaign && follower.receiving === null) campaign(state, { transfer: false });
    else loseLeader(state, follower);
    return;
  }
  // Said as in `Raft.deadline`: the difference of the times may be rounded below what their sum promised.
  if (follower.readsAsked.size > 0 && state.now >= follower.readsAskedAt + state.options.heartbeatMs)
    sendReadIndex(state, follower, { lease: false });
}

/**
 * Who does not vote never campaigns, and who waits for a snapshot lacks what is committed (rule E8): they only stop believing in a
 * leader that they no longer hear, and in a snapshot that came from it.
 */
function loseLeader(state: RaftState, follower: Follower): void {
  giveUpReads(state);
  follower.leader = null;
  follower.receiving = null;
  state.resetElectionTimer();
}

/** Sends the reads of this turn to the leader: those that trust a lease in one question, the others in another (rule R3). */
export function askReads(state: RaftState, follower: Follower): void {
  if (follower.readsWaiting.length === 0) return;
  const waiting = follower.readsWaiting;
  follower.readsWaiting = [];
  for (const lease of [true, false]) {
    const tokens = waiting.filter((read) => read.lease === lease).map((read) => read.token);
    if (tokens.length === 0) continue;
    follower.readsAsked.set(++state.readRequest, { tokens, lease });
    sendReadIndex(state, follower, { lease });
  }
}

/**
 * Sends the newest question, for the first time or again. A copy keeps its number, so that a slow answer to an earlier
 * one still counts; it asks without a lease, so that its answer settles whatever was asked before.
 */
function sendReadIndex(state: RaftState, follower: Follower, { lease }: { lease: boolean }): void {
  assert(follower.leader !== null, "reads wait only where a leader is known");
  // Answers to leased questions settle no others, so they must not put off the repetition of one that was lost.
  if (!lease || follower.readsAsked.size === 1) follower.readsAskedAt = state.now;
  const { readRequest: request, boot } = state;
  state.send({ kind: "ReadIndex", ...state.envelope(follower.leader), request, boot, lease });
}

/**
 * The leader confirmed itself after it got our question: what it had committed by then is enough to answer, also all
 * that was asked before.
 */
export function stepReadIndexResponse(state: RaftState, follower: Follower, message: ReadIndexResponse): void {
  if (message.boot !== state.boot || follower.leader !== message.from || message.request > state.readRequest) return;
  for (const [request, { tokens, lease }] of follower.readsAsked) {
    if (request > message.request) return;
    if (message.lease && !lease) continue; // they did not want to trust anybody's clock
    follower.readsAsked.delete(request);
    for (const token of tokens) state.reads.push({ token, index: message.index });
  }
}

/** Tells those who wait for a read that this node's view has changed and they must ask again (rules R2 and R3). */
export function giveUpReads(state: RaftState): void {
  for (const token of takeWaitingReads(state)) state.reads.push({ token, index: null });
}

function takeWaitingReads(state: RaftState): readonly number[] {
  const { role } = state;
  switch (role.kind) {
    case "follower": {
      const asked = [...role.readsAsked.values()].flatMap((question) => question.tokens);
      const tokens = [...asked, ...role.readsWaiting.map((read) => read.token)];
      role.readsAsked.clear();
      role.readsWaiting = [];
      return tokens;
    }
    case "preCandidate":
    case "candidate":
      return [];
    case "leader":
      return role.reads.takeAll();
    default:
      return unreachable(role);
  }
}
