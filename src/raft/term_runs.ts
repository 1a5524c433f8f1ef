/** The term of every entry of the log, as runs of equal terms: a few numbers instead of the log, so that no question about a term reads the disk. */
import { assert } from "../lib/assert.ts";
import type { EntryId, Index, Term } from "./types.ts";

/** Invariant: indexes and terms of the runs both rise strictly; the first run starts right behind the compacted entry. */
export class TermRuns {
  private readonly runs: EntryId[];

  constructor(
    private compacted: EntryId,
    runs: readonly EntryId[],
  ) {
    this.runs = [...runs];
    for (let i = 0; i < this.runs.length; i++) {
      const run = this.at(i);
      const before = i === 0 ? compacted : this.at(i - 1);
      assert(run.index > before.index, "term runs must rise in index");
      assert(run.term > before.term || (i === 0 && run.term === before.term), "term runs must rise in term");
    }
  }

  /** The term of entry `index`, which must be the compacted one or lie at or before the end of the log; 0 for index 0. */
  termAt(index: Index): Term {
    if (index === this.compacted.index) return this.compacted.term;
    const position = this.runOf(index);
    assert(position >= 0, "term of an entry that is compacted or was never there");
    return this.at(position).term;
  }

  /** Notes that the entry at `index` has `term`; indexes are appended in order. */
  append({ index, term }: EntryId): void {
    const last = this.runs.at(-1) ?? this.compacted;
    assert(term >= last.term && index > last.index, "terms in a log never fall");
    if (this.runs.length === 0 || last.term !== term) this.runs.push({ index, term });
  }

  /** Forgets everything from `index` on. */
  truncateFrom(index: Index): void {
    while (this.runs.length > 0 && this.at(this.runs.length - 1).index >= index) this.runs.pop();
  }

  /** Forgets everything up to `compacted`, an entry of the log, which ends at `lastIndex`. */
  compactTo({ compacted, lastIndex }: { readonly compacted: EntryId; readonly lastIndex: Index }): void {
    assert(this.termAt(compacted.index) === compacted.term, "compacted up to an entry that is not there");
    this.compacted = compacted;
    const index = compacted.index + 1;
    if (index > lastIndex) this.runs.length = 0;
    else this.runs.splice(0, this.runOf(index) + 1, { index, term: this.termAt(index) });
  }

  /** Forgets everything: the log begins anew behind `compacted`. */
  reset(compacted: EntryId): void {
    this.compacted = compacted;
    this.runs.length = 0;
  }

  /**
   * The last entry at or before `from.index` whose term is at most `from.term`: the only ones that can still agree
   * with a log whose entry `from.index` has term `from.term`. Whole runs are skipped, one probe a term (rule L9).
   */
  lastAtMost(from: EntryId): EntryId {
    let index = from.index;
    for (let i = this.runOf(index); i >= 0; i--) {
      const run = this.at(i);
      if (run.term <= from.term) return { index, term: run.term };
      index = run.index - 1;
    }
    return this.compacted;
  }

  private at(position: number): EntryId {
    const run = this.runs[position];
    assert(run !== undefined, "no such term run");
    return run;
  }

  /** The position of the run that holds `index`, or -1 when it lies before all runs. */
  private runOf(index: Index): number {
    let low = 0;
    let high = this.runs.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle).index <= index) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }
}
