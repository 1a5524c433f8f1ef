/**
 * The log as the core sees it: its newest entries in memory, its terms as runs, and its positions. Decides nothing;
 * asserts what must hold between the positions.
 *
 *     compacted < firstIndex ≤ appliedIndex + 1 ≤ commitIndex + 1 ≤ lastIndex + 1,   stableIndex ≤ lastIndex
 */
import { assert } from "../lib/assert.ts";
import { RingQueue } from "../lib/ring_queue.ts";
import type { MembershipCodec } from "./membership.ts";
import { MembershipHistory } from "./membership_history.ts";
import { TermRuns } from "./term_runs.ts";
import type { Entry, EntryId, Index, LogReader, Membership, Restored, Term } from "./types.ts";

/** A write that storage has not confirmed. */
interface PendingWrite {
  readonly seq: number;
  /** The last entry that this write makes durable. Lowered when the log is truncated while it is under way (rule P6). */
  lastIndex: Index;
}

export class Log {
  private readonly terms: TermRuns;
  readonly memberships: MembershipHistory;
  /** The newest entries. Invariant: `tail[i].index === tailStart + i`, up to `lastIndex`. */
  private tail: Entry[] = [];
  private tailStart: Index;
  private tailBytes = 0;
  private readonly writes = new RingQueue<PendingWrite>();
  private start: EntryId;
  /** The last compacted entry that storage was told of. Never above the real one. */
  private compactedWritten: Index;

  lastIndex: Index;
  /** Known to be stored by a quorum. Only rises. */
  commitIndex: Index;
  /** Handed out to be applied. Only rises; never above `commitIndex`. */
  handedOutIndex: Index;
  /** Reported as applied. Only rises; never above `handedOutIndex`. */
  appliedIndex: Index;
  /** Durable here: what this node may promise. Falls only with a truncation. */
  stableIndex: Index;
  /** Handed out to storage. Falls only with a truncation. */
  writtenIndex: Index;
  /** Where the next write must cut the durable log first, or null. */
  truncateFrom: Index | null = null;

  constructor(
    restored: Restored,
    private readonly reader: LogReader,
    private readonly options: { readonly tailBytesMax: number; readonly codec: MembershipCodec },
  ) {
    this.start = restored.compacted;
    this.compactedWritten = restored.compacted.index;
    this.terms = new TermRuns(restored.compacted, restored.termRuns);
    this.memberships = new MembershipHistory(restored, options.codec);
    this.lastIndex = restored.lastIndex;
    this.stableIndex = restored.lastIndex;
    this.writtenIndex = restored.lastIndex;
    this.tailStart = restored.lastIndex + 1;
    // The commit index is never persisted: after a restart only a leader can tell what is committed (rule P15),
    // but for what a snapshot holds.
    this.commitIndex = restored.snapshot.index;
    this.handedOutIndex = restored.snapshot.index;
    this.appliedIndex = restored.snapshot.index;
    assert(restored.snapshot.index >= restored.compacted.index, "a compacted entry is in no snapshot");
    assert(this.lastIndex >= restored.snapshot.index, "the log ends before its snapshot");
  }

  /** The last entry that is gone. */
  get compacted(): EntryId {
    return this.start;
  }

  get firstIndex(): Index {
    return this.start.index + 1;
  }

  /** Also right for a log that is empty behind its compacted prefix (rule E1). */
  get last(): EntryId {
    return { index: this.lastIndex, term: this.terms.termAt(this.lastIndex) };
  }

  termAt(index: Index): Term {
    assert(index >= this.start.index && index <= this.lastIndex, "term of an entry outside the log");
    return this.terms.termAt(index);
  }

  /** Whether the log has this very entry. */
  matches({ index, term }: EntryId): boolean {
    return index >= this.start.index && index <= this.lastIndex && this.terms.termAt(index) === term;
  }

  /** See {@link TermRuns.lastAtMost}; positions beyond the end count as the end. */
  conflictHint(from: EntryId): EntryId {
    return this.terms.lastAtMost({ index: Math.min(from.index, this.lastIndex), term: from.term });
  }

  /** Appends one entry right behind the last. */
  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, "an entry must follow the last one");
    this.terms.append(entry);
    if (entry.kind === "membership") this.memberships.append(entry);
    this.tail.push(entry);
    this.tailBytes += entry.payload.length;
    this.lastIndex = entry.index;
  }

  /** Drops everything from `index` on: only uncommitted entries may go, whatever a message says (rule L5). */
  truncate(index: Index): void {
    assert(index > this.commitIndex, "cannot truncate committed entries");
    assert(index <= this.lastIndex, "nothing to truncate");
    this.terms.truncateFrom(index);
    this.memberships.truncateFrom(index);
    this.lastIndex = index - 1;
    if (index <= this.tailStart) {
      this.tail = [];
      this.tailStart = index;
      this.tailBytes = 0;
    } else {
      for (const dropped of this.tail.splice(index - this.tailStart)) this.tailBytes -= dropped.payload.length;
    }
    if (index <= this.writtenIndex) {
      this.truncateFrom = index; // below any earlier cut, which has lowered writtenIndex
      this.writtenIndex = index - 1;
    }
    this.stableIndex = Math.min(this.stableIndex, index - 1);
    // A write under way may still bring the old entries to disk; its completion must not vouch for their successors (rule P6).
    for (let i = 0; i < this.writes.length; i++) {
      const write = this.writes.at(i);
      write.lastIndex = Math.min(write.lastIndex, index - 1);
    }
  }

  /** Forgets everything up to `index`: a snapshot stands for it. Only what is applied may go (rule S1). */
  compactTo(index: Index): void {
    assert(index >= this.start.index, "what is compacted does not come back");
    assert(index <= this.appliedIndex && index <= this.writtenIndex, "only applied entries are compacted");
    this.start = { index, term: this.terms.termAt(index) };
    this.terms.compactTo({ compacted: this.start, lastIndex: this.lastIndex });
    this.memberships.compactTo(index);
    this.dropFromTail(index + 1 - this.tailStart);
  }

  /** Begins anew behind `snapshot`, a state that the log does not lead to: nothing in it can be kept (rule S2). */
  restart(snapshot: EntryId & { readonly membership: Membership }): void {
    assert(snapshot.index > this.commitIndex, "a snapshot never takes the log back");
    assert(!this.matches(snapshot), "a log that leads to the snapshot keeps what follows it");
    // Cuts all that storage holds, so that the new beginning finds an empty log.
    if (this.writtenIndex > this.compactedWritten || this.truncateFrom !== null)
      this.truncateFrom = this.compactedWritten + 1;
    this.start = { index: snapshot.index, term: snapshot.term };
    this.terms.reset(this.start);
    this.memberships.reset(snapshot);
    this.tail = [];
    this.tailStart = snapshot.index + 1;
    this.tailBytes = 0;
    this.lastIndex = snapshot.index;
    this.writtenIndex = snapshot.index;
    this.commitIndex = snapshot.index;
    this.handedOutIndex = snapshot.index;
    this.appliedIndex = snapshot.index;
    // What is under way or durable belongs to the old log; it vouches for nothing of the new one (rule P6).
    this.stableIndex = 0;
    for (let i = 0; i < this.writes.length; i++) this.writes.at(i).lastIndex = 0;
  }

  commitTo(index: Index): void {
    assert(index >= this.commitIndex, "the commit index never falls");
    assert(index <= this.lastIndex, "cannot commit what is not in the log");
    this.commitIndex = index;
  }

  /** The entries that storage has not been given, with the cut that comes first; afterwards they count as given. */
  takeUnwritten(seq: number): { readonly truncateFrom: Index | null; readonly entries: readonly Entry[] } {
    const entries = this.tail.slice(this.writtenIndex + 1 - this.tailStart);
    const { truncateFrom } = this;
    this.truncateFrom = null;
    this.writtenIndex = this.lastIndex;
    this.compactedWritten = this.start.index;
    this.writes.push({ seq, lastIndex: this.lastIndex });
    return { truncateFrom, entries };
  }

  get hasUnwritten(): boolean {
    return this.writtenIndex < this.lastIndex || this.truncateFrom !== null;
  }

  /** Writes that storage has not confirmed. */
  get hasPendingWrites(): boolean {
    return this.writes.length > 0;
  }

  /** Storage confirmed every write up to `seq`. */
  persisted(seq: number): void {
    for (let write = this.writes.peek(); write !== undefined && write.seq <= seq; write = this.writes.peek()) {
      this.stableIndex = Math.max(this.stableIndex, write.lastIndex);
      this.writes.shift();
    }
    assert(this.stableIndex <= this.lastIndex, "more is durable than the log holds");
    this.trimTail();
  }

  /** The next committed entries to apply, at most `bytesMax` of payload but at least one; empty if there are none. Copies are those from disk. */
  takeCommitted(bytesMax: number): { readonly entries: readonly Entry[]; readonly isCopy: boolean } {
    if (this.handedOutIndex === this.commitIndex) return nothingCommitted;
    const from = this.handedOutIndex + 1;
    const entries = this.entries({ from, to: this.commitIndex, bytesMax });
    this.handedOutIndex += entries.length;
    return { entries, isCopy: from < this.tailStart };
  }

  applied(index: Index): void {
    assert(index >= this.appliedIndex && index <= this.handedOutIndex, "applied what was not handed out");
    this.appliedIndex = index;
    this.trimTail();
  }

  /** Entries of the log from memory, or from disk where they are older: both ends included, at least one, about `bytesMax` of payload and some thousands at most. */
  entries(range: { readonly from: Index; readonly to: Index; readonly bytesMax: number }): readonly Entry[] {
    const { from, bytesMax } = range;
    assert(from >= this.firstIndex && from <= range.to && range.to <= this.lastIndex, "entries outside the log");
    const to = Math.min(range.to, from + entriesAtOnceMax - 1);
    if (from < this.tailStart) return this.reader.entries({ from, to: Math.min(to, this.tailStart - 1), bytesMax });
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to; index++) {
      const entry = this.tail[index - this.tailStart];
      assert(entry !== undefined, "the tail has a hole");
      bytes += entry.payload.length;
      if (entries.length > 0 && bytes > bytesMax) break;
      entries.push(entry);
    }
    return entries;
  }

  /** Lets go of the oldest entries in memory that are durable and applied, until half of the limit is left. */
  private trimTail(): void {
    const { tailBytesMax } = this.options;
    if (this.tailBytes <= tailBytesMax && this.tail.length <= tailEntriesMax) return;
    const dispensable = Math.min(this.stableIndex, this.handedOutIndex) + 1 - this.tailStart;
    let count = 0;
    while (
      count < dispensable &&
      (this.tailBytes > tailBytesMax / 2 || this.tail.length - count > tailEntriesMax / 2)
    ) {
      this.tailBytes -= this.tail[count]?.payload.length ?? 0;
      count++;
    }
    this.tail.splice(0, count);
    this.tailStart += count;
  }

  private dropFromTail(count: number): void {
    if (count <= 0) return;
    for (const dropped of this.tail.splice(0, count)) this.tailBytes -= dropped.payload.length;
    this.tailStart += count;
  }
}

const nothingCommitted = { entries: [], isCopy: false };

/** Entries weigh more than their payload: this keeps thousands of empty ones from adding up to a message that no frame can carry (rule L13). */
const entriesAtOnceMax = 8192;

/** Small entries cost memory beyond their payload: this bounds their number in the tail. */
const tailEntriesMax = 65_536;
