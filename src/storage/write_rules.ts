/** The rules that every write to a log must obey, whatever it is stored in. Pure: looks at positions, never at a disk. */
import { assert } from "../lib/assert.ts";
import { entryChecksum } from "../lib/checksum.ts";
import type { Compaction, Entry, EntryId, HardState, Index, Membership, Persist, Term } from "../raft/mod.ts";

/** Where the writes of one group have come to: all that the next one is judged by. */
export interface Position {
  /** The latest write of this life; 0 before the first. */
  readonly seq: number;
  readonly hardState: HardState;
  readonly last: EntryId;
  readonly compacted: EntryId;
  readonly snapshot: EntryId;
}

/** A new group has voters, or nobody at all where a node is to join one (rule M6: an empty set would agree to everything). */
export function assertBootstrap({ voters, outgoing, learners }: Membership): void {
  assert(voters.length > 0 || learners.length === 0, "a group must have a voter");
  assert(outgoing.length === 0, "a group does not begin in the middle of a change");
}

/** Whether the write changes the disk at all; if not, it is a barrier. */
export function changesDisk(write: Persist): boolean {
  const { hardState, truncateFrom, compaction, entries } = write;
  return hardState !== null || truncateFrom !== null || compaction !== null || entries.length > 0;
}

/**
 * The position after `write`, which must be a legal successor: a gap, a term that falls or a second vote would break a
 * promise to other nodes, so any of them stops the process. `termAt` is asked for entries at or before the last one.
 */
export function positionAfter(position: Position, write: Persist, termAt: (index: Index) => Term): Position {
  assert(write.seq === position.seq + 1, "the writes of a group must be numbered without a gap");
  const hardState = write.hardState ?? position.hardState;
  assertNoRegress(position.hardState, hardState);
  let last = write.truncateFrom === null ? position.last : lastBefore(position, write.truncateFrom, termAt);
  if (write.compaction !== null) last = lastBehind({ ...position, last }, write.compaction, termAt);
  const { compacted, snapshot } = write.compaction ?? position;
  for (const entry of write.entries) {
    assertFollows(last, entry);
    last = { index: entry.index, term: entry.term };
  }
  assert(last.term <= hardState.term, "an entry must not be stored before its term (rule P3)");
  return { seq: write.seq, hardState, last, compacted, snapshot };
}

function assertNoRegress(before: HardState, after: HardState): void {
  assert(Number.isSafeInteger(after.term), "a term is an integer below 2^53");
  assert(after.term >= before.term, "the stored term never falls");
  const sameVote = after.vote === before.vote;
  assert(after.term > before.term || before.vote === null || sameVote, "a vote is never changed inside its term");
}

/** The last entry once everything from `index` on is gone. */
function lastBefore({ last, compacted }: Position, index: Index, termAt: (index: Index) => Term): EntryId {
  assert(index > compacted.index, "a truncation must not reach into the compacted prefix");
  assert(index <= last.index + 1, "a truncation must begin inside the log or right behind it");
  if (index === last.index + 1) return last;
  if (index === compacted.index + 1) return compacted;
  return { index: index - 1, term: termAt(index - 1) };
}

/** The last entry once the beginning of the log is gone: the same, or the compacted one of a log that begins anew. */
function lastBehind(
  { last, compacted, snapshot }: Position,
  compaction: Compaction,
  termAt: (index: Index) => Term,
): EntryId {
  const next = compaction.compacted;
  assert(next.index >= compacted.index && compaction.snapshot.index >= snapshot.index, "a log never grows back");
  assert(next.index <= compaction.snapshot.index, "the snapshot must stand for all that is compacted (rule S1)");
  if (next.index > last.index) {
    assert(last.index === compacted.index, "only an empty log may begin anew");
    assert(next.index === compaction.snapshot.index, "a log begins anew where the snapshot ends");
    return next;
  }
  assert(compaction.snapshot.index <= last.index, "a snapshot stands for entries of the log");
  const term = next.index === compacted.index ? compacted.term : termAt(next.index);
  assert(next.term === term, "a compaction must name the entry that is there");
  return last;
}

function assertFollows(last: EntryId, entry: Entry): void {
  assert(entry.index === last.index + 1, "an entry must follow the last one without a gap");
  assert(Number.isSafeInteger(entry.term) && entry.term >= last.term, "the terms of a log never fall");
  assert(entry.checksum === entryChecksum(entry), "an entry must match its checksum before it is stored");
}
