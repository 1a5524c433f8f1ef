/** What watches read: the history from a place on, as far as one answer goes. */
import type { ByteWriter } from "../lib/byte_writer.ts";
import type { Change, ChangesPlace, ChangesQuery } from "../wire/mod.ts";
import {
  changeBytes,
  changesAnswerBytesMax,
  changesScanMax,
  writeChangesAnswer,
  writeUnreadable,
} from "../wire/mod.ts";
import type { History } from "./history.ts";
import type { KeySpace } from "./key_space.ts";
import { lowerBound, upperBound } from "./key_table.ts";
import { type Row, noRow } from "./rows.ts";

/** Ends before the change that would exceed the limit of answers, but never before the first. */
export function answerChanges(keys: KeySpace, query: ChangesQuery, answers: ByteWriter): void {
  const { history, revision } = keys;
  const { compactedRevision } = history;
  if (query.from.revision <= compactedRevision) {
    writeUnreadable(answers, { revision, asked: query.from.revision, compactedRevision });
    return;
  }
  const isWanted = filterOf(keys, query);
  const changes: Change[] = [];
  const begin = firstFrom(history, query.from);
  const end = Math.min(history.length, begin + changesScanMax);
  let bytes = 0;
  let offset = begin;
  for (; offset < end; offset++) {
    const row = history.at(offset);
    if (!isWanted(row)) continue;
    const change = changeOf(keys, row, query);
    bytes += changeBytes(change);
    if (changes.length > 0 && bytes > changesAnswerBytesMax) break;
    changes.push(change);
  }
  writeChangesAnswer(answers, { revision, next: placeOf(keys, offset, query.from), changes });
}

function firstFrom(history: History, { revision, skip }: ChangesPlace): number {
  const first = history.firstFrom(revision);
  return skip === 0 ? first : Math.min(first + skip, history.firstFrom(revision + 1));
}

/** Where to go on: at the change `offset`, or behind all that there is; never before `from`, which may be in the future. */
function placeOf({ history, revision, versions }: KeySpace, offset: number, from: ChangesPlace): ChangesPlace {
  if (offset === history.length) return { revision: Math.max(revision + 1, from.revision), skip: 0 };
  const next = versions.rows.modRevision(history.at(offset));
  return { revision: next, skip: offset - history.firstFrom(next) };
}

function filterOf({ table, versions }: KeySpace, range: ChangesQuery): (row: Row) => boolean {
  const { only } = range;
  table.setBounds(range);
  return (row) => {
    const key = versions.rows.key(row);
    if (table.compare(key, lowerBound) < 0) return false;
    if (range.end !== null && table.compare(key, upperBound) >= 0) return false;
    return only === null || versions.isTombstone(row) === (only === "delete");
  };
}

function changeOf({ table, versions }: KeySpace, row: Row, { previous: wantsPrevious }: ChangesQuery): Change {
  const previous = versions.rows.previous(row);
  const isShown = wantsPrevious && previous !== noRow && !versions.isTombstone(previous);
  return {
    key: table.bytes(versions.rows.key(row)),
    state: versions.state(row),
    previous: isShown ? versions.state(previous) : null,
  };
}
