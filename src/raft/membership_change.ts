/**
 * The leader's part in a change of the configuration: what it refuses, how a change that has begun is brought to its end, and
 * what becomes of a leader that the change leaves out (thesis §4).
 */
import { append, appointSuccessor, committedInTerm, confirmReads, type Leader } from "./leader.ts";
import {
  directoryOf,
  isJoint,
  membersOf,
  membershipAfter,
  type MembershipTarget,
  membershipTowards,
  sameMembers,
  votersOf,
} from "./membership.ts";
import { majority } from "./quorum.ts";
import type { MembershipPlan, MembershipProposal, MembershipRefusal } from "./ready.ts";
import { newProgress } from "./replication.ts";
import type { RaftState } from "./state.ts";
import type { DirectoryNumber, Membership, NodeId } from "./types.ts";

/** The most members of a cluster, during a change, too: each costs the leader a stream, and majorities grow slow. */
const membersMax = 64;
/** The most ids that can have left, because a configuration carries them for ever. */
const retiredMax = 0xffff;

/** Puts the first step towards `target` into the log, where it acts at once (rule M1), or says why not. */
export function changeMembership(state: RaftState, leader: Leader, target: MembershipTarget): MembershipProposal {
  const refusal = refusalOf(state, leader, target);
  if (refusal !== null) return { ok: false, leader: state.id, ...refusal };
  adopt(state, leader, membershipTowards(state.membership, target));
  return { ok: true, id: state.log.last };
}

/** What {@link changeMembership} would say, and what the configuration would be in the end. Changes nothing. */
export function planMembership(state: RaftState, leader: Leader, target: MembershipTarget): MembershipPlan {
  const refusal = refusalOf(state, leader, target);
  if (refusal !== null) return { ok: false, leader: state.id, ...refusal };
  const next = membershipTowards(state.membership, target);
  return { ok: true, after: isJoint(next) ? membershipAfter(next) : next };
}

interface Refusal {
  readonly reason: MembershipRefusal;
  readonly nodes: readonly NodeId[];
}

function refusalOf(state: RaftState, leader: Leader, target: MembershipTarget): Refusal | null {
  const { membership, log } = state;
  const refuse = (reason: MembershipRefusal, nodes: readonly NodeId[] = []): Refusal => ({ reason, nodes });
  if (leader.transfer !== null) return refuse("transferring");
  if (!committedInTerm(state)) return refuse("notReady");
  // A configuration that only binds members to directories leaves all quorums as they are, and holds up nobody.
  if (isJoint(membership) || log.memberships.changedIndex > log.commitIndex) return refuse("changing");
  if (target.voters.length === 0) return refuse("noVoters");
  const retired = [...target.voters, ...target.learners].filter((id) => membership.retired.includes(id));
  if (retired.length > 0) return refuse("retired", retired);
  const next = membershipTowards(membership, target);
  if (sameMembers(next, membership)) return refuse("unchanged");
  if (membersOf(next).length > membersMax || next.retired.length + membersMax > retiredMax) return refuse("tooMany");
  return refusalOfVoters(state, leader, target.voters);
}

/** New voters must be ready to vote, and enough of all must be there: a cluster must never wait for those who may not come (rule M8). */
function refusalOfVoters(state: RaftState, leader: Leader, voters: readonly NodeId[]): Refusal | null {
  const added = voters.filter((id) => !state.membership.voters.includes(id));
  const behind = added.filter((id) => !isCaughtUp(state, leader, id));
  if (behind.length > 0) return { reason: "notCaughtUp", nodes: behind };
  const silent = voters.filter((id) => !isThere(state, leader, id));
  return voters.length - silent.length < majority(voters.length) ? { reason: "quorumLost", nodes: silent } : null;
}

/** Whether it answered within the least election timeout. */
function isThere(state: RaftState, leader: Leader, id: NodeId): boolean {
  if (id === state.id) return true;
  const progress = leader.progress.get(id);
  return progress !== undefined && state.now - progress.contactAt < state.options.electionTimeoutMs;
}

/**
 * Whether a learner may become a voter: it is there and stores all that the log held an election timeout ago, or the time
 * before. So its last round of catching up took no longer than an election (thesis §4.2.1).
 */
function isCaughtUp(state: RaftState, leader: Leader, id: NodeId): boolean {
  const progress = leader.progress.get(id);
  if (progress === undefined || !isThere(state, leader, id) || progress.boot === 0) return false;
  return progress.matchIndex >= leader.pastLastIndex.earlier;
}

/** Ends what is to be ended: a joint configuration that is committed, once (rule M5), and the office of a leader that was left out (rule M9). */
export function maybeEndChange(state: RaftState, leader: Leader): void {
  const { membership, log } = state;
  // A leader that has committed nothing cannot know by which quorum the joint configuration it found was committed.
  if (log.memberships.currentIndex > log.commitIndex || !committedInTerm(state)) return;
  sayFarewell(state, leader);
  if (!state.isVoter) appointSuccessor(state, leader);
  // While the office is being handed over nothing is proposed; whoever leads afterwards sees to it.
  else if (isJoint(membership) && leader.transfer === null) adopt(state, leader, membershipAfter(membership));
}

/** Those who have left would learn it only when they miss their leader; whoever asks them meanwhile would wait as long. */
function sayFarewell(state: RaftState, leader: Leader): void {
  for (const id of leader.leaving) {
    if (!state.hasLeft(id)) continue;
    leader.leaving.delete(id);
    state.send({ kind: "Removed", ...state.envelope(id) });
  }
}

/**
 * Binds the voters that were heard to their directories (rule P13): from then on, nobody counts them on any other. Voters and
 * therefore quorums stay as they are, so it needs no other entry to be committed first (rule M3), and holds up no
 * change; it only waits for what is under way, and so takes all together that were heard meanwhile.
 */
export function maybeBind(state: RaftState, leader: Leader): void {
  const { membership, log } = state;
  if (!hasHeardUnbound(state, leader, membership)) return;
  if (leader.transfer !== null || isJoint(membership) || log.memberships.currentIndex > log.commitIndex) return;
  adopt(state, leader, membership);
}

function hasHeardUnbound(state: RaftState, leader: Leader, membership: Membership): boolean {
  return votersOf(membership).some(
    (id) => directoryOf(membership, id) === 0 && heardDirectory(state, leader, id) !== 0,
  );
}

/** The directory that `id` was heard from by this leader; 0 if it was not. */
function heardDirectory(state: RaftState, leader: Leader, id: NodeId): DirectoryNumber {
  return id === state.id ? state.options.directory : (leader.progress.get(id)?.directory ?? 0);
}

/** `membership` with every voter bound that was heard. */
function bound(state: RaftState, leader: Leader, membership: Membership): Membership {
  if (!hasHeardUnbound(state, leader, membership)) return membership;
  const directories = new Map(membership.directories.map(({ id, directory }) => [id, directory]));
  for (const id of votersOf(membership)) {
    const directory = heardDirectory(state, leader, id);
    if (directory !== 0 && !directories.has(id)) directories.set(id, directory);
  }
  return {
    ...membership,
    directories: [...directories].map(([id, directory]) => ({ id, directory })).sort((a, b) => a.id - b.id),
  };
}

/** Appends a configuration, with what is known of directories, and lives by it. */
function adopt(state: RaftState, leader: Leader, membership: Membership): void {
  append(state, "membership", state.options.codec.encode(bound(state, leader, membership)));
  const members = new Set(membersOf(membership));
  for (const id of leader.progress.keys()) {
    if (members.has(id)) continue;
    leader.progress.delete(id);
    leader.leaving.add(id);
  }
  for (const id of members) {
    if (id === state.id || leader.progress.has(id)) continue;
    leader.progress.set(id, newProgress(state, { session: ++leader.sessions, directory: 0 }));
  }
  confirmReads(state, leader); // those who have left may have been all that were waited for, and nobody else may answer any more
}
