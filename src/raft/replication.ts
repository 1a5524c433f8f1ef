/** Moves the leader's log to its followers: what is sent to each, and what their answers say (§5.3). */
import { unreachable } from "../lib/assert.ts";
import { confirmReads, type Leader, maybeCommit } from "./leader.ts";
import { isVoter } from "./membership.ts";
import type { AppendEntriesResponse, HeartbeatResponse, InstallSnapshotResponse } from "./message.ts";
import { Progress } from "./progress.ts";
import { onChunkAnswered, onSnapshotLook, sendSnapshot } from "./snapshots.ts";
import type { RaftState } from "./state.ts";
import type { DirectoryNumber, Entry, NodeId } from "./types.ts";

type Answer = AppendEntriesResponse | InstallSnapshotResponse | HeartbeatResponse;

/** A new leader knows nothing of the others' logs and begins at its own end (§5.3). */
export function newProgress(
  state: RaftState,
  { session, directory }: { readonly session: number; readonly directory: DirectoryNumber },
): Progress {
  return new Progress({
    nextIndex: state.log.lastIndex + 1,
    session,
    directory,
    now: state.now,
    inflightMessagesMax: state.options.inflightMessagesMax,
    inflightBytesMax: state.options.inflightBytesMax,
  });
}

/** Sends a follower all that it lacks, as far as its window allows, or the news of what is committed if that has waited long enough. */
export function replicateTo(
  state: RaftState,
  leader: Leader,
  { to, progress }: { to: NodeId; progress: Progress },
): void {
  if (progress.nextIndex < state.log.firstIndex || progress.state === "snapshot") {
    sendSnapshot(state, leader, { to, progress });
    return;
  }
  while (!progress.paused && progress.nextIndex <= state.log.lastIndex) {
    const { nextIndex } = progress;
    const range = { from: nextIndex, to: state.log.lastIndex, bytesMax: state.options.appendBytesMax };
    sendAppend(state, { to, progress, entries: state.log.entries(range) });
  }
  if (progress.paused) return;
  const isNews = progress.commitIndexSent < state.log.commitIndex && state.now >= leader.newsFrom;
  if (progress.state === "probe" || isNews) {
    sendAppend(state, { to, progress, entries: [] });
  }
}

function sendAppend(
  state: RaftState,
  { to, progress, entries }: { to: NodeId; progress: Progress; entries: readonly Entry[] },
): void {
  const previousIndex = progress.nextIndex - 1;
  state.send({
    kind: "AppendEntries",
    ...state.envelope(to),
    previous: { index: previousIndex, term: state.log.termAt(previousIndex) },
    entries,
    commitIndex: state.log.commitIndex,
    session: progress.session,
  });
  progress.commitIndexSent = state.log.commitIndex;
  const bytes = entries.reduce((sum, entry) => sum + entry.payload.length, 0);
  progress.onSent({ count: entries.length, lastIndex: previousIndex + entries.length, bytes });
}

/** The commit index in a heartbeat must not exceed what the follower is known to store (rule L3). */
export function sendHeartbeat(
  state: RaftState,
  { to, progress, round }: { to: NodeId; progress: Progress; round: number },
): void {
  const commitIndex = Math.min(progress.matchIndex, state.log.commitIndex);
  state.send({ kind: "Heartbeat", ...state.envelope(to), commitIndex, round, session: progress.session });
}

/** Learns from a follower's answer, unless it speaks of another session or another life of it (rule L11). */
export function stepReplication(state: RaftState, leader: Leader, message: Answer): void {
  const progress = leader.progress.get(message.from);
  if (progress === undefined || message.session !== progress.session) return;
  if (message.directory !== progress.directory && !takeDirectory(state, leader, { progress, message })) return;
  if (message.boot < progress.boot) return;
  if (message.boot > progress.boot) {
    if (progress.boot !== 0) {
      const { firstIndex } = state.log;
      progress.onRestarted({ boot: message.boot, session: ++leader.sessions, firstIndex });
      return;
    }
    progress.boot = message.boot;
  }
  progress.isRefused = false;
  if (progress.hasReverted) return;
  progress.contactAt = state.now;
  switch (message.kind) {
    case "AppendEntriesResponse":
      onAppendAnswered(state, leader, { progress, message });
      return;
    case "InstallSnapshotResponse":
      onChunkAnswered(state, leader, { progress, message });
      return;
    case "HeartbeatResponse":
      onHeartbeatAnswered(state, leader, { progress, message });
      return;
    default:
      unreachable(message);
  }
}

/**
 * A follower answers from a directory that the leader has not heard it from. Returns whether it is to be counted on it from
 * now on: a voter is, if it has not been counted on another one. A learner has promised nothing that anybody counted,
 * so it may begin anew on another directory, with nothing said before that still counts.
 */
function takeDirectory(
  state: RaftState,
  leader: Leader,
  { progress, message: { from, directory } }: { readonly progress: Progress; readonly message: Answer },
): boolean {
  if (progress.directory === 0) {
    progress.directory = directory;
    return true;
  }
  if (!isVoter(state.membership, from))
    leader.progress.set(from, newProgress(state, { session: ++leader.sessions, directory }));
  return false;
}

function onAppendAnswered(
  state: RaftState,
  leader: Leader,
  { progress, message }: { progress: Progress; message: AppendEntriesResponse },
): void {
  const { outcome } = message;
  switch (outcome.kind) {
    case "accepted":
    case "unreadable":
      // More than we ever had cannot agree with us: such an answer is broken and says nothing.
      if (outcome.matchIndex > state.log.lastIndex) return;
      if (progress.onAccepted(outcome.matchIndex, state.log.firstIndex)) maybeCommit(state, leader);
      if (outcome.kind === "unreadable") progress.onUnreadable(outcome.matchIndex);
      return;
    case "rejected": {
      progress.onTold(outcome.hint.index);
      if (progress.hasReverted) return;
      // The follower skipped its entries of later terms; skip ours that are later than its hint (rule L9).
      const agree = state.log.conflictHint(outcome.hint);
      progress.onRejected({ previousIndex: outcome.previousIndex, agreeIndex: agree.index });
      return;
    }
    default:
      unreachable(outcome);
  }
}

function onHeartbeatAnswered(
  state: RaftState,
  leader: Leader,
  { progress, message }: { progress: Progress; message: HeartbeatResponse },
): void {
  if (message.round > leader.round) return; // nobody can have answered what was not asked
  if (message.round === leader.round) progress.rttMs = state.now - leader.roundStartedAt;
  if (message.round > progress.ackedRound) progress.ackedRound = message.round;
  const windowLost = progress.onHeartbeatAnswered({ now: state.now, heartbeatMs: state.options.heartbeatMs });
  if (windowLost) nudge(state, { to: message.from, progress });
  onSnapshotLook(state, leader, progress);
  confirmReads(state, leader);
}

/** Shows the follower where the window ends: if what was in it is lost, it will refuse and so restart the stream (rule L10). */
function nudge(state: RaftState, { to, progress }: { to: NodeId; progress: Progress }): void {
  if (progress.nextIndex < state.log.firstIndex) return; // only a snapshot helps, and that leaves anyway
  const previousIndex = progress.nextIndex - 1;
  state.send({
    kind: "AppendEntries",
    ...state.envelope(to),
    previous: { index: previousIndex, term: state.log.termAt(previousIndex) },
    entries: [],
    commitIndex: state.log.commitIndex,
    session: progress.session,
  });
}
