/** How far back in the log a number of entries or bytes reaches, known roughly, from a few marks instead of every entry. */
import type { Entry, EntryId, Index } from "../raft/mod.ts";

/** A length of log, in entries or in bytes of payload: whichever is reached first. */
export interface Stretch {
  readonly entries: number;
  readonly bytes: number;
}

/** Into how many marks the longest stretch is divided. */
const marksMax = 64;

interface Mark {
  readonly index: Index;
  /** Payload from the beginning of the trail up to and with entry `index`. */
  readonly bytes: number;
}

export class Trail {
  /** Ascending. The first one is where the trail begins. */
  private readonly marks: Mark[];
  private last: Mark;

  /** The trail begins behind `start`, and reaches back at least `longest` once it is long enough. */
  constructor(
    private readonly longest: Stretch,
    start: Index,
  ) {
    this.last = { index: start, bytes: 0 };
    this.marks = [this.last];
  }

  /** The entry that follows the last one. */
  add(entry: EntryId & Pick<Entry, "payload">): void {
    this.last = { index: entry.index, bytes: this.last.bytes + entry.payload.length };
    const marked = this.marks.at(-1);
    const { entries, bytes } = this.longest;
    const isFar =
      marked === undefined ||
      entry.index - marked.index >= entries / marksMax ||
      this.last.bytes - marked.bytes >= bytes / marksMax;
    if (!isFar) return;
    this.marks.push(this.last);
    while (!isWithin(this.marks[0], this.last, this.longest)) this.marks.shift();
  }

  /** The first marked entry from which the end is no further than `stretch`; the beginning of the trail at the earliest. */
  back(stretch: Stretch): Index {
    return this.marks.find((mark) => isWithin(mark, this.last, stretch))?.index ?? this.last.index;
  }
}

function isWithin(mark: Mark | undefined, last: Mark, { entries, bytes }: Stretch): boolean {
  return mark !== undefined && last.index - mark.index <= entries && last.bytes - mark.bytes <= bytes;
}
