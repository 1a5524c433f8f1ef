/** What every store does when it reads its log: prove it whole, name the damage, end a range at its limit. Knows no disk. */
import { CorruptError } from "../lib/errors.ts";
import type { Entry, EntryId, GroupId, HardState } from "../raft/mod.ts";

/** What must hold before the first entry and beyond the last. */
export interface LogFrame {
  readonly group: GroupId;
  readonly compacted: EntryId;
  readonly hardState: HardState;
}

/**
 * Reads `entries` once, front to back, and keeps none but the configurations: they must follow the compacted one without a gap, in terms that
 * never fall and never exceed the stored term (rule P3). Returns where they end, their terms as runs, and the configurations. Throws
 * {@link CorruptError} naming the first index that breaks a rule.
 */
export function checkLog(
  frame: LogFrame,
  entries: Iterable<Entry>,
): { readonly last: EntryId; readonly termRuns: readonly EntryId[]; readonly memberships: readonly Entry[] } {
  const termRuns: EntryId[] = [];
  const memberships: Entry[] = [];
  let last = frame.compacted;
  for (const entry of entries) {
    const { index, term } = entry;
    if (index !== last.index + 1) throw damagedEntry(frame.group, last.index + 1, "missing");
    if (term < last.term) throw damagedEntry(frame.group, index, `term ${term} follows term ${last.term}`);
    if (term > frame.hardState.term) {
      throw damagedEntry(frame.group, index, `term ${term} is above the stored term ${frame.hardState.term}`);
    }
    if (entry.kind === "membership") memberships.push(entry);
    if (termRuns.at(-1)?.term !== term) termRuns.push({ index, term });
    last = { index, term };
  }
  return { last, termRuns, memberships };
}

/** The first of `entries`, as many as `bytesMax` bytes of payload allow, but at least one. */
export function takeEntries(entries: Iterable<Entry>, bytesMax: number): readonly Entry[] {
  const taken: Entry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    bytes += entry.payload.length;
    if (taken.length > 0 && bytes > bytesMax) break;
    taken.push(entry);
  }
  return taken;
}

/** The error that names a damaged entry. */
export function damagedEntry(group: GroupId, index: number, reason: string, cause?: unknown): CorruptError {
  return new CorruptError(`entry ${index} of group ${group}: ${reason}`, cause === undefined ? undefined : { cause });
}
