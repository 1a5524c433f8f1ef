/** Answers candidates, the same in every role: who may have our vote, and who is not even heard (§5.2, §5.4.1). */
import { refuseDirectory } from "./directories.ts";
import { hasQuorumContact } from "./leader.ts";
import type { RequestPreVote, RequestVote } from "./message.ts";
import type { RaftState } from "./state.ts";
import type { EntryId } from "./types.ts";

/**
 * Whether a leader may be alive: this node heard one within the least election timeout, may have heard one before it
 * was restarted, or is one with a quorum behind it. Then candidates are ignored, terms and all, so that a node that was
 * cut off cannot disturb (thesis §4.2.3, rule E2), and so that a leader can rely on those that it heard (rules R4 and R6).
 */
export function hearsLeader(state: RaftState): boolean {
  const { role } = state;
  return role.kind === "leader" ? hasQuorumContact(state, role) : state.now < state.votesFrom;
}

/** Says whether `message.from` could have our vote in the term that it names; changes nothing here (rule E3). */
export function answerPreVote(state: RaftState, message: RequestPreVote): void {
  if (message.term > state.term && hearsLeader(state)) {
    // Nobody leads as far as we know, and we only have to wait: the candidate need not ask again.
    if (state.leader === null) state.preVotesWaiting.set(message.from, message);
    return;
  }
  const granted = !state.isElsewhere && message.term > state.term && isUpToDate(state, message.lastLog);
  state.send({
    kind: "RequestPreVoteResponse",
    ...state.envelope(message.from),
    term: granted ? message.term : state.term, // a refusal tells a candidate that lags in which term we are (rule E4)
    campaignTerm: message.term,
    granted,
  });
}

/** Answers the pre-votes that came too early, once they may be given. */
export function answerWaitingPreVotes(state: RaftState): void {
  if (state.preVotesWaiting.size === 0 || hearsLeader(state)) return;
  const waiting = [...state.preVotesWaiting.values()];
  state.preVotesWaiting.clear();
  for (const message of waiting) if (!refuseDirectory(state, message)) answerPreVote(state, message);
}

/** Gives the vote of this term, if it is still ours to give and the candidate's log is as complete as ours. */
export function answerVote(state: RaftState, message: RequestVote): void {
  const free = state.vote === message.from || (state.vote === null && state.leader === null);
  // A term may have come to us from elsewhere; that we heard a leader in an earlier one binds us all the same (rule R4).
  const bound = !message.transfer && hearsLeader(state);
  const granted = !state.isElsewhere && free && !bound && isUpToDate(state, message.lastLog);
  if (granted) {
    state.voteFor(message.from);
    state.resetElectionTimer(); // only a vote that was given buys the candidate time (rule E7)
  }
  state.send({ kind: "RequestVoteResponse", ...state.envelope(message.from), granted });
}

/** §5.4.1: the later last term wins, then the longer log. */
function isUpToDate(state: RaftState, candidate: EntryId): boolean {
  const own = state.log.last;
  return candidate.term > own.term || (candidate.term === own.term && candidate.index >= own.index);
}
