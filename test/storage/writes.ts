/** Entries and writes for the tests of storage, in few words. */
import { entryChecksum } from "../../src/lib/checksum.ts";
import {
  newMembership,
  type Entry,
  type EntryKind,
  type HardState,
  type Index,
  type Persist,
  type Term,
} from "../../src/raft/mod.ts";
import type { Storage } from "../../src/storage/mod.ts";

export const group = 0;
export const threeVoters = newMembership({ voters: [1, 2, 3] });

export interface EntryPlan {
  readonly index: Index;
  readonly term: Term;
  readonly kind?: EntryKind;
  readonly payload?: Uint8Array;
}

/** An entry with a right checksum; its payload names its index and term unless it is given. */
export function entryOf(plan: EntryPlan): Entry {
  const { index, term, kind = "commands" } = plan;
  const payload = plan.payload ?? new TextEncoder().encode(`entry ${index} of term ${term}`);
  return { index, term, kind, payload, checksum: entryChecksum({ index, term, kind, payload }) };
}

/** Consecutive entries of one term. */
export function entriesOf(plan: { readonly from: Index; readonly to: Index; readonly term: Term }): readonly Entry[] {
  const { from, to, term } = plan;
  return Array.from({ length: to - from + 1 }, (_, i) => entryOf({ index: from + i, term }));
}

export function writeOf(seq: number, changes: Partial<Persist>): Persist {
  return { group, seq, hardState: null, truncateFrom: null, compaction: null, entries: [], thenSend: [], ...changes };
}

/** Numbers the writes of group 0 of one storage. */
export class Writer {
  seq = 0;

  constructor(private readonly storage: Storage) {}

  write(changes: Partial<Persist>): void {
    this.storage.persist([writeOf(++this.seq, changes)]);
  }

  /** Moves to `hardState` and appends `entries`, as a follower does that hears from a new leader. */
  append(hardState: HardState, entries: readonly Entry[]): void {
    this.write({ hardState, entries });
  }
}

/** Everything that a loaded storage holds of group 0 up to `lastIndex`. */
export function readAll(storage: Storage, lastIndex: Index): readonly Entry[] {
  if (lastIndex === 0) return [];
  return storage.reader(group).entries({ from: 1, to: lastIndex, bytesMax: Infinity });
}
