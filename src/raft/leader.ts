/** A leader takes proposals, decides what is committed, and gives its office up when it cannot hold or no longer wants it. */
import { assert } from "../lib/assert.ts";
import { entryChecksum } from "../lib/checksum.ts";
import { RingQueue } from "../lib/ring_queue.ts";
import { becomeFollower } from "./follower.ts";
import { Lease } from "./lease.ts";
import { membersOf } from "./membership.ts";
import { maybeBind, maybeEndChange } from "./membership_change.ts";
import type { ReadIndex } from "./message.ts";
import type { Progress } from "./progress.ts";
import { quorumValue } from "./quorum.ts";
import { type Reader, ReadRounds } from "./read_index.ts";
import type { Proposal, TransferStart } from "./ready.ts";
import { newProgress, replicateTo, sendHeartbeat } from "./replication.ts";
import type { RaftState } from "./state.ts";
import type { EntryKind, Index, Millis, NodeId } from "./types.ts";

export interface Leader {
  readonly kind: "leader";
  /** The empty entry that began the term: only what follows it is committed by counting (rule L2). */
  readonly firstIndex: Index;
  /** Everybody else who receives the log. */
  readonly progress: Map<NodeId, Progress>;
  /** Those whom a change of this term leaves out, until that is committed and they are told (rule M11). */
  readonly leaving: Set<NodeId>;
  /** Numbers the rounds of heartbeats of this term; the newest that was started. */
  round: number;
  roundStartedAt: Millis;
  /** Since when rounds have followed each other as they should: before it the silence of the others may be our own. */
  steadySince: Millis;
  heartbeatDeadline: Millis;
  /** From then on followers are told what is committed although there is nothing else to send. */
  newsFrom: Millis;
  readonly reads: ReadRounds;
  readonly lease: Lease;
  /** Makes the numbers of the sessions with followers (rule L11). */
  sessions: number;
  /** Own proposals that are not committed, for the bound of rule L12. */
  readonly proposed: RingQueue<{ readonly index: Index; readonly bytes: number }>;
  proposedBytes: number;
  transfer: Transfer | null;
  /** Where the log ended, so that it shows who keeps pace with it (rule M8): between one and two election timeouts ago, and later. */
  pastLastIndex: { readonly earlier: Index; readonly later: Index; readonly laterAt: Millis };
}

/** An office that is being handed over: nothing is proposed until it ends (rule T1). */
interface Transfer {
  readonly target: NodeId;
  /** For a leader that is left out it begins anew when the target is told: before that it is not the target that is late. */
  deadline: Millis;
  /** Whether the target was told to campaign; told again with each heartbeat, in case that was lost. */
  told: boolean;
  /** Whether it was ever told. */
  wasTold: boolean;
}

const noPayload = new Uint8Array(0);

/** Takes the office and marks the new term with an empty entry, through which all older ones commit (§5.4.2, rule L1). */
export function becomeLeader(state: RaftState): void {
  assert(state.role.kind === "candidate", "only a candidate can win");
  const { directories } = state.role;
  assert(state.hardStateDurable, "the vote for ourselves left before it was durable");
  const leader: Leader = {
    kind: "leader",
    firstIndex: state.log.lastIndex + 1,
    progress: new Map(),
    leaving: new Set(),
    round: 0,
    roundStartedAt: state.now,
    steadySince: state.now,
    heartbeatDeadline: state.now + state.options.heartbeatMs,
    newsFrom: state.now,
    reads: new ReadRounds(),
    lease: new Lease(),
    sessions: 0,
    proposed: new RingQueue(),
    proposedBytes: 0,
    transfer: null,
    pastLastIndex: { earlier: state.log.lastIndex, later: state.log.lastIndex, laterAt: state.now },
  };
  for (const id of membersOf(state.membership)) {
    if (id === state.id) continue;
    leader.progress.set(id, newProgress(state, { session: ++leader.sessions, directory: directories.get(id) ?? 0 }));
  }
  state.role = leader;
  state.preVotesWaiting.clear();
  append(state, "noop", noPayload);
}

/** Puts a payload into the log of this leader; what becomes of it shows when its index is committed. */
export function propose(state: RaftState, leader: Leader, payload: Uint8Array): Proposal {
  if (leader.transfer !== null) return { ok: false, reason: "transferring", leader: state.id };
  // A single payload always fits, so that the limit cannot block the log for ever.
  if (leader.proposedBytes > 0 && leader.proposedBytes + payload.length > state.options.uncommittedBytesMax) {
    return { ok: false, reason: "overloaded", leader: state.id };
  }
  append(state, "commands", payload);
  leader.proposed.push({ index: state.log.lastIndex, bytes: payload.length });
  leader.proposedBytes += payload.length;
  return { ok: true, id: state.log.last };
}

/** Appends an entry of this term. */
export function append(state: RaftState, kind: EntryKind, payload: Uint8Array): void {
  const entry = { index: state.log.lastIndex + 1, term: state.term, kind, payload };
  state.log.append({ ...entry, checksum: entryChecksum(entry) });
}

/** Moves the commit index to what a quorum has on disk, if that entry is of our term (§5.4.2, rule L2). */
export function maybeCommit(state: RaftState, leader: Leader): void {
  const { log } = state;
  const index = quorumIndex(state, leader);
  assert(index <= log.lastIndex, "a quorum cannot store more than the leader");
  if (index <= log.commitIndex) return;
  if (log.termAt(index) !== state.term) return; // an older term commits only through ours
  if (wasTold(state, leader)) leader.newsFrom = state.now + state.options.commitNewsMs;
  log.commitTo(index);
  for (
    let first = leader.proposed.peek();
    first !== undefined && first.index <= index;
    first = leader.proposed.peek()
  ) {
    leader.proposedBytes -= first.bytes;
    leader.proposed.shift();
  }
}

/** Whether all followers that may be sent to have been told what is committed. */
function wasTold({ log }: RaftState, leader: Leader): boolean {
  for (const { paused, commitIndexSent } of leader.progress.values())
    if (!paused && commitIndexSent < log.commitIndex) return false;
  return true;
}

/**
 * The last entry that a quorum has on disk. Which quorum, says the configuration in force at that entry, so that none is
 * committed by a configuration that does not decide about it (rule L15). Only of those that could be committed now: a node
 * that joined knows no configuration for what is older than itself.
 */
function quorumIndex(state: RaftState, leader: Leader): Index {
  const { log } = state;
  // Our own copy counts only once our own disk has it (rule P2).
  const stored = (id: NodeId): Index => (id === state.id ? log.stableIndex : matchIndex(leader, id));
  if (log.memberships.currentIndex <= log.commitIndex) return quorumValue(state.membership, stored);
  const range = { from: Math.max(log.commitIndex + 1, leader.firstIndex), to: log.lastIndex };
  for (const { membership, from, to } of log.memberships.reigns(range)) {
    const index = Math.min(quorumValue(membership, stored), to);
    if (index >= from) return index;
  }
  return log.commitIndex;
}

function matchIndex(leader: Leader, id: NodeId): Index {
  return leader.progress.get(id)?.matchIndex ?? 0;
}

/** Whether a quorum answered within the least election timeout: otherwise somebody else may lead by now (rules E2 and E5). */
export function hasQuorumContact(state: RaftState, leader: Leader): boolean {
  const contactAt = quorumValue(state.membership, (id) =>
    id === state.id ? state.now : (leader.progress.get(id)?.contactAt ?? 0),
  );
  return state.now - contactAt < state.options.electionTimeoutMs;
}

/**
 * Steps down without a quorum (thesis §6.2) or a disk (rule P16), ends a transfer that takes too long, and makes itself
 * heard. A leader that could not run for a while asked nobody in that time, and must not take it that nobody answered
 * (rule X2).
 */
export function tickLeader(state: RaftState, leader: Leader): void {
  const { electionTimeoutMs } = state.options;
  if (state.now - leader.roundStartedAt > electionTimeoutMs / 2) leader.steadySince = state.now;
  const isAlone = !hasQuorumContact(state, leader) && state.now - leader.steadySince >= electionTimeoutMs;
  if (isAlone || state.diskHangs) {
    becomeFollower(state, { term: state.term, leader: null });
    return;
  }
  if (leader.transfer !== null && state.now >= leader.transfer.deadline) {
    const { wasTold } = leader.transfer;
    leader.transfer = null;
    if (!state.isVoter && wasTold) {
      becomeFollower(state, { term: state.term, leader: null }); // nobody took over in time from a leader that was left out
      return;
    }
    if (!state.isVoter) appointSuccessor(state, leader); // perhaps another by now: its voters are slow, and it still leads them
  }
  if (state.now < leader.heartbeatDeadline) return;
  if (leader.transfer !== null) leader.transfer.told = false;
  startRound(state, leader);
}

/** Sends what the turn's inputs made necessary. */
export function flushLeader(state: RaftState, leader: Leader): void {
  maybeEndChange(state, leader);
  maybeBind(state, leader);
  if (state.now >= readsDeadline(state, leader)) startRound(state, leader);
  for (const [to, progress] of leader.progress) replicateTo(state, leader, { to, progress });
  tellTarget(state, leader);
}

/**
 * When the reads that wait begin a round of their own: at once if no other read has one under way, else they share the next
 * with all that come until that is answered. Whether it is late or lost is not known, so they wait no longer than
 * `readRoundMs`. Infinity if none waits, or none may be answered yet.
 */
export function readsDeadline(state: RaftState, { reads }: Leader): Millis {
  if (!reads.hasWaiting || !committedInTerm(state)) return Infinity;
  return reads.underWayFrom + state.options.readRoundMs;
}

/** Until an entry of its own term is committed, a leader does not know what is (rule R1). */
export function committedInTerm(state: RaftState): boolean {
  return state.log.termAt(state.log.commitIndex) === state.term;
}

/** Asks everybody whether this is still the leader. All reads that wait take part: they came before it (rule R2). */
function startRound(state: RaftState, leader: Leader): void {
  leader.round++;
  leader.roundStartedAt = state.now;
  leader.heartbeatDeadline = state.now + state.options.heartbeatMs;
  leader.lease.onRound({ round: leader.round, startedAt: state.now }, state.options.heartbeatMs);
  const { later, laterAt } = leader.pastLastIndex;
  if (state.now - laterAt >= state.options.electionTimeoutMs) {
    leader.pastLastIndex = { earlier: later, later: state.log.lastIndex, laterAt: state.now };
  }
  if (leader.reads.hasWaiting && committedInTerm(state))
    leader.reads.start({ round: leader.round, index: state.log.commitIndex, startedAt: state.now });
  for (const [to, progress] of leader.progress) sendHeartbeat(state, { to, progress, round: leader.round });
  confirmReads(state, leader); // alone, a leader needs nobody's word
}

/** The newest round of heartbeats that a quorum has acknowledged. */
function ackedRound(state: RaftState, leader: Leader): number {
  return quorumValue(state.membership, (id) =>
    id === state.id ? leader.round : (leader.progress.get(id)?.ackedRound ?? 0),
  );
}

/** Answers the reads whose round a quorum has acknowledged. */
export function confirmReads(state: RaftState, leader: Leader): void {
  for (const { index, readers } of leader.reads.confirm(ackedRound(state, leader))) {
    for (const reader of readers) answerRead(state, leader, { reader, index, lease: false });
  }
}

function answerRead(
  state: RaftState,
  leader: Leader,
  { reader, ...answer }: { readonly reader: Reader; readonly index: Index; readonly lease: boolean },
): void {
  if (reader.kind === "local") {
    state.reads.push({ token: reader.token, index: answer.index });
    return;
  }
  const { from, request, boot } = reader;
  leader.newsFrom = Math.min(leader.newsFrom, state.now); // it waits until it knows that so much is committed
  state.send({ kind: "ReadIndexResponse", ...state.envelope(from), request, boot, ...answer });
}

/** A read of this node or of a follower: the lease answers it at once if it may, else it waits for a round (rule R4). */
export function read(state: RaftState, leader: Leader, { reader, lease }: { reader: Reader; lease: boolean }): void {
  const isLeased =
    lease && committedInTerm(state) && leader.lease.holds(state.now, ackedRound(state, leader), state.options);
  if (isLeased) answerRead(state, leader, { reader, index: state.log.commitIndex, lease });
  else leader.reads.add(reader);
}

/** The read of a follower or a learner is like our own. Strangers would never see what they may read (rule M11). */
export function stepReadIndex(state: RaftState, leader: Leader, message: ReadIndex): void {
  if (!leader.progress.has(message.from)) return;
  const { from, request, boot, lease } = message;
  read(state, leader, { reader: { kind: "remote", from, request, boot }, lease });
}

/** Begins to hand the office to `target`, or to the most caught-up voter; it ends by itself within an election timeout. */
export function startTransfer(state: RaftState, leader: Leader, target: NodeId | null): TransferStart {
  const to = target ?? mostCaughtUp(state, leader);
  const refuse = (reason: "alreadyLeader" | "unknownNode" | "learner" | "transferring"): TransferStart => ({
    ok: false,
    reason,
    leader: state.id,
  });
  if (to === null) return refuse("unknownNode");
  if (to === state.id) return refuse("alreadyLeader");
  if (membersOf(state.membership).includes(to) && !state.membership.voters.includes(to)) return refuse("learner");
  if (!state.membership.voters.includes(to)) return refuse("unknownNode");
  if (leader.transfer !== null) return leader.transfer.target === to ? { ok: true } : refuse("transferring");
  leader.lease.end();
  leader.transfer = newTransfer(state, to);
  return { ok: true };
}

function newTransfer(state: RaftState, target: NodeId): Transfer {
  return { target, deadline: state.now + state.options.electionTimeoutMs, told: false, wasTold: false };
}

/**
 * A leader that the configuration leaves out hands over once that is committed: nothing new is proposed, and when all is
 * committed the best of the voters is told to campaign. Until it has won, there is still a leader (thesis §4.2.2, rule M9).
 */
export function appointSuccessor(state: RaftState, leader: Leader): void {
  if (leader.transfer !== null) return;
  const target = mostCaughtUp(state, leader);
  assert(target !== null, "there is always a voter, and it is somebody else");
  leader.lease.end();
  leader.transfer = newTransfer(state, target);
}

/** The voter that stores most; of equals the one that was heard last. */
function mostCaughtUp(state: RaftState, leader: Leader): NodeId | null {
  let best: { readonly id: NodeId; readonly progress: Progress } | null = null;
  for (const [id, progress] of leader.progress) {
    if (!state.membership.voters.includes(id)) continue;
    const ahead = best === null ? 1 : progress.matchIndex - best.progress.matchIndex;
    if (best === null || ahead > 0 || (ahead === 0 && progress.contactAt > best.progress.contactAt))
      best = { id, progress };
  }
  return best === null ? null : best.id;
}

/** Only a target that stores everything can win (thesis §3.10). */
function tellTarget(state: RaftState, leader: Leader): void {
  const { transfer } = leader;
  if (transfer === null || transfer.told) return;
  if (matchIndex(leader, transfer.target) !== state.log.lastIndex) return;
  // Whoever follows a leader that is left out does not send it its log: those who wait for it here would never hear.
  if (!state.isVoter && state.log.commitIndex < state.log.lastIndex) return;
  if (!state.isVoter && !transfer.wasTold) transfer.deadline = state.now + state.options.electionTimeoutMs;
  transfer.told = true;
  transfer.wasTold = true;
  state.send({ kind: "TimeoutNow", ...state.envelope(transfer.target) });
}
