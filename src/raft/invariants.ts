/** What must hold of one node after every step, and between two steps; on in tests and in the simulator, too slow for production. */
import { assert } from "../lib/assert.ts";
import { sameMembers } from "./membership.ts";
import type { RaftState } from "./state.ts";
import type { Index, NodeId, Role, Term } from "./types.ts";

/** What {@link checkStep} compares with the next step. */
export interface Snapshot {
  readonly term: Term;
  readonly vote: NodeId | null;
  readonly role: Role;
  readonly commitIndex: Index;
  readonly appliedIndex: Index;
  readonly lastIndex: Index;
  readonly commitTerm: Term;
  readonly compactedIndex: Index;
}

/** The facts of a node that the next step is measured against. */
export function snapshotOf(state: Readonly<RaftState>): Snapshot {
  const { log } = state;
  return {
    term: state.term,
    vote: state.vote,
    role: state.role.kind,
    commitIndex: log.commitIndex,
    appliedIndex: log.appliedIndex,
    lastIndex: log.lastIndex,
    commitTerm: log.termAt(log.commitIndex),
    compactedIndex: log.compacted.index,
  };
}

/** Asserts what must hold of a node at any moment. */
export function checkState(state: Readonly<RaftState>): void {
  const { log, role } = state;
  assert(log.firstIndex <= log.appliedIndex + 1, "applied lies before the log");
  assert(log.appliedIndex <= log.handedOutIndex, "applied more than was handed out");
  assert(log.handedOutIndex <= log.commitIndex, "handed out more than is committed");
  assert(log.commitIndex <= log.lastIndex, "committed more than the log holds");
  assert(log.stableIndex <= log.writtenIndex, "durable before it was written");
  assert(log.writtenIndex <= log.lastIndex, "written more than the log holds");
  assert(log.last.term <= state.term, "an entry of a future term");
  const snapshotIndex = state.snapshot?.index ?? 0;
  assert(log.firstIndex <= snapshotIndex + 1, "a compacted entry is in no snapshot (S1)");
  assert(snapshotIndex <= log.appliedIndex, "a snapshot of what is not applied (S1)");
  if (role.kind === "candidate") assert(state.vote === state.id, "a candidate votes for itself");
  if (role.kind !== "leader") return;
  assert(state.vote === state.id, "a leader voted for itself");
  assert(log.last.term === state.term, "a leader's log ends in its own term");
  const known = log.commitIndex > 0 && log.termAt(log.commitIndex) === state.term;
  const memberships = log.memberships.since(log.commitIndex);
  const changes = memberships.filter((members, at) => !sameMembers(members, memberships[at - 1] ?? members));
  if (known) assert(changes.length <= 1, "two changes at once (I11)");
  for (const progress of role.progress.values()) {
    assert(progress.matchIndex < progress.nextIndex, "matchIndex must stay below nextIndex");
    assert(progress.matchIndex <= log.lastIndex, "a follower cannot match more than the leader has");
    assert(progress.nextIndex <= log.lastIndex + 1, "nextIndex lies beyond the log");
    assert(progress.commitIndexSent <= log.commitIndex, "told a follower more than is committed");
    assert(
      (progress.state === "snapshot") === (progress.sending !== null),
      "a snapshot is sent where the log cannot help",
    );
  }
}

/** Asserts what must hold between two moments of one life of a node. */
export function checkStep(before: Snapshot, state: Readonly<RaftState>): void {
  const { log } = state;
  assert(state.term >= before.term, "the term fell (I6)");
  if (state.term === before.term && before.vote !== null)
    assert(state.vote === before.vote, "the vote changed within a term (I6)");
  assert(log.commitIndex >= before.commitIndex, "the commit index fell");
  assert(log.appliedIndex >= before.appliedIndex, "the applied index fell");
  assert(log.compacted.index >= before.compactedIndex, "the log grew back at its beginning");
  if (before.commitIndex >= log.compacted.index)
    assert(log.termAt(before.commitIndex) === before.commitTerm, "a committed entry changed (I4)");
  if (before.role === "leader" && state.role.kind === "leader" && before.term === state.term) {
    assert(log.lastIndex >= before.lastIndex, "a leader shortened its log (I2)");
  }
}
