/** A follower takes the log from the leader of its term, and campaigns when it hears none (§5.2, §5.3). */
import { assert, unreachable } from "../lib/assert.ts";
import { campaign } from "./candidate.ts";
import type { AppendEntries, AppendOutcome, Heartbeat, ReadIndexResponse, TimeoutNow } from "./message.ts";
import type { RaftState } from "./state.ts";
import type { Millis, NodeId, Term } from "./types.ts";

export interface Follower {
  readonly kind: "follower";
  /** Who leads this term; null until it makes itself heard. */
  leader: NodeId | null;
  /** When the leader was last heard. */
  leaderContactAt: Millis;
  /** Reads of this node that wait to be sent to the leader, all of one turn together. */
  readsWaiting: number[];
  /** Reads sent to the leader, by the request that carries them. */
  readonly readsAsked: Map<number, AskedReads>;
}

interface AskedReads {
  readonly tokens: readonly number[];
  readonly askedAt: Millis;
}

/** A follower that knows of no leader yet. */
export function newFollower(): Follower {
  return { kind: "follower", leader: null, leaderContactAt: 0, readsWaiting: [], readsAsked: new Map() };
}

/** Follows `leader`, or nobody yet, in `term`; in a new term with no vote given. Whatever role it had dies here. */
export function becomeFollower(state: RaftState, { term, leader }: { term: Term; leader: NodeId | null }): void {
  assert(term >= state.term, "cannot follow in a past term");
  giveUpReads(state);
  if (term > state.term) state.enterTerm(term);
  // Everybody else's timer is running, and a term alone must not buy its candidate time (rule E7).
  if (state.role.kind === "leader") state.resetElectionTimer();
  state.role = { ...newFollower(), leader, leaderContactAt: state.now };
}

/** Handles a message of the leader of this term. */
export function stepFollower(state: RaftState, follower: Follower, message: AppendEntries | Heartbeat): void {
  assert(follower.leader === null || follower.leader === message.from, "two leaders in one term");
  follower.leader = message.from;
  follower.leaderContactAt = state.now;
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
  if (previous.index < log.commitIndex) return { kind: "accepted", matchIndex: log.commitIndex };
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
  return { kind: "accepted", matchIndex };
}

function commitUpTo(state: RaftState, index: number): void {
  if (index > state.log.commitIndex) state.log.commitTo(index);
}

/** Campaigns at once, without asking first: the leader itself wants to hand over (thesis §3.10, rule T2). */
export function stepTimeoutNow(state: RaftState, follower: Follower, message: TimeoutNow): void {
  if (follower.leader !== message.from || !state.isVoter) return;
  campaign(state, { transfer: true });
}

/** Nobody leads: campaign. Otherwise repeat questions that the leader may not have got. */
export function tickFollower(state: RaftState, follower: Follower): void {
  if (state.now >= state.electionDeadline) {
    if (state.isVoter) campaign(state, { transfer: false });
    else loseLeader(state, follower);
    return;
  }
  for (const [request, asked] of follower.readsAsked) {
    if (state.now - asked.askedAt < state.options.heartbeatMs) continue;
    follower.readsAsked.delete(request); // asked anew under a new id: an answer to the old one is too old to count
    follower.readsWaiting.push(...asked.tokens);
  }
}

/** A learner never campaigns (rule E8); it only stops believing in a leader that it no longer hears. */
function loseLeader(state: RaftState, follower: Follower): void {
  giveUpReads(state);
  follower.leader = null;
  state.resetElectionTimer();
}

/** Sends the reads of this turn to the leader in one question (rule R3). */
export function askReads(state: RaftState, follower: Follower): void {
  if (follower.readsWaiting.length === 0 || follower.leader === null) return;
  const request = ++state.readRequest;
  follower.readsAsked.set(request, { tokens: follower.readsWaiting, askedAt: state.now });
  follower.readsWaiting = [];
  state.send({ kind: "ReadIndex", ...state.envelope(follower.leader), request, boot: state.boot });
}

/** The leader confirmed itself after it got our question: what it had committed by then is enough to answer. */
export function stepReadIndexResponse(state: RaftState, follower: Follower, message: ReadIndexResponse): void {
  if (message.boot !== state.boot) return;
  const asked = follower.readsAsked.get(message.request);
  if (asked === undefined || follower.leader !== message.from) return;
  follower.readsAsked.delete(message.request);
  for (const token of asked.tokens) state.reads.push({ token, index: message.index });
}

/** Tells those who wait for a read that this node's view has changed and they must ask again (rules R2 and R3). */
export function giveUpReads(state: RaftState): void {
  for (const token of takeWaitingReads(state)) state.reads.push({ token, index: null });
}

function takeWaitingReads(state: RaftState): readonly number[] {
  const { role } = state;
  switch (role.kind) {
    case "follower": {
      const tokens = [...[...role.readsAsked.values()].flatMap((asked) => asked.tokens), ...role.readsWaiting];
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
