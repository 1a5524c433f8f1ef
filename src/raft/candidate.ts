/** A node without a leader asks whether it could win, and only then starts a term of its own (§5.2, thesis §9.6). */
import { assert } from "../lib/assert.ts";
import { becomeFollower, giveUpReads } from "./follower.ts";
import { becomeLeader } from "./leader.ts";
import { votersOf } from "./membership.ts";
import type { RequestPreVoteResponse, RequestVoteResponse } from "./message.ts";
import { tally } from "./quorum.ts";
import type { RaftState } from "./state.ts";
import type { DirectoryNumber, NodeId } from "./types.ts";

/** Asks for promises that bind nobody; its own term stays as it is (rule E3). */
export interface PreCandidate {
  readonly kind: "preCandidate";
  readonly votes: Map<NodeId, boolean>;
}

/** Asks for votes in a term of its own. Its vote for itself counts once that is on disk (rule E7). */
export interface Candidate {
  readonly kind: "candidate";
  readonly votes: Map<NodeId, boolean>;
  /** On which directories the votes are kept that were given: the winner binds them to those (rule P13). */
  readonly directories: Map<NodeId, DirectoryNumber>;
}

/** Starts an election: with a pre-vote, or at once when the leader asked for it. Only some may (rule E8). */
export function campaign(state: RaftState, { transfer }: { transfer: boolean }): void {
  assert(state.mayCampaign, "only voters campaign");
  assert(state.role.kind !== "leader", "a leader has nothing to win");
  giveUpReads(state);
  if (transfer) becomeCandidate(state, { transfer });
  else becomePreCandidate(state);
}

function becomePreCandidate(state: RaftState): void {
  const votes = new Map([[state.id, true]]);
  state.role = { kind: "preCandidate", votes };
  state.resetElectionTimer();
  for (const to of peers(state)) {
    state.send({ kind: "RequestPreVote", ...state.envelope(to), term: state.term + 1, lastLog: state.log.last });
  }
  if (tally(state.membership, votes) === "won") becomeCandidate(state, { transfer: false });
}

function becomeCandidate(state: RaftState, { transfer }: { transfer: boolean }): void {
  state.enterTerm(state.term + 1);
  state.voteFor(state.id);
  state.role = { kind: "candidate", votes: new Map(), directories: new Map() };
  state.resetElectionTimer();
  for (const to of peers(state)) {
    state.send({ kind: "RequestVote", ...state.envelope(to), lastLog: state.log.last, transfer });
  }
}

/** Counts a pre-vote, if it answers this very campaign: a late one from an earlier campaign does not (rule E3). */
export function stepPreCandidate(state: RaftState, candidate: PreCandidate, message: RequestPreVoteResponse): void {
  if (message.campaignTerm !== state.term + 1) return;
  candidate.votes.set(message.from, message.granted);
  const outcome = tally(state.membership, candidate.votes);
  if (outcome === "won") becomeCandidate(state, { transfer: false });
  else if (outcome === "lost") becomeFollower(state, { term: state.term, leader: null });
}

/** Counts a real vote. */
export function stepCandidate(state: RaftState, candidate: Candidate, message: RequestVoteResponse): void {
  // What one directory has voted must not be taken for the vote of another.
  const { from, granted, directory } = message;
  if ((candidate.directories.get(from) ?? directory) !== directory) return;
  candidate.directories.set(from, directory);
  candidate.votes.set(from, granted);
  decide(state, candidate);
}

/** Counts the candidate's own vote, which has just become durable. */
export function onVoteDurable(state: RaftState, candidate: Candidate): void {
  assert(state.vote === state.id, "a candidate votes for itself");
  if (candidate.votes.has(state.id)) return;
  candidate.votes.set(state.id, true);
  decide(state, candidate);
}

function decide(state: RaftState, candidate: Candidate): void {
  const outcome = tally(state.membership, candidate.votes);
  if (outcome === "won") becomeLeader(state);
  else if (outcome === "lost") becomeFollower(state, { term: state.term, leader: null });
}

/** The election was not decided in time: try again, beginning with the pre-vote. */
export function tickCandidate(state: RaftState): void {
  if (state.now >= state.electionDeadline) campaign(state, { transfer: false });
}

function peers(state: RaftState): readonly NodeId[] {
  return votersOf(state.membership).filter((id) => id !== state.id);
}
