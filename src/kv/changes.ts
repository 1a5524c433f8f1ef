/** What watches read: the history from a place on, as far as one answer goes. */
import type { ByteWriter } from "../lib/byte_writer.ts";
import type { Change, ChangesPlace, ChangesQuery } from "../wire/mod.ts";
import {
  changeBytes,
  changesAnswerBytesMax,
  changesScanMax,
  keyBytes,
  keyText,
  writeChangesAnswer,
  writeUnreadable,
} from "../wire/mod.ts";
import type { History } from "./history.ts";
import type { KeyRecord } from "./key_record.ts";
import { isTombstone } from "./key_record.ts";
import type { KeySpace } from "./key_space.ts";

/** Ends before the change that would exceed the limit of answers, but never before the first. */
export function answerChanges(keys: KeySpace, query: ChangesQuery, answers: ByteWriter): void {
  const { history, revision } = keys;
  const { compactedRevision } = history;
  if (query.from.revision <= compactedRevision) {
    writeUnreadable(answers, { revision, asked: query.from.revision, compactedRevision });
    return;
  }
  const isWanted = filterOf(query);
  const changes: Change[] = [];
  const begin = firstFrom(history, query.from);
  const end = Math.min(history.length, begin + changesScanMax);
  let bytes = 0;
  let offset = begin;
  for (; offset < end; offset++) {
    const record = history.at(offset);
    if (!isWanted(record)) continue;
    const change = changeOf(record, query);
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
function placeOf({ history, revision }: KeySpace, offset: number, from: ChangesPlace): ChangesPlace {
  if (offset === history.length) return { revision: Math.max(revision + 1, from.revision), skip: 0 };
  const next = history.at(offset).modRevision;
  return { revision: next, skip: offset - history.firstFrom(next) };
}

function filterOf({ start, end, only }: ChangesQuery): (record: KeyRecord) => boolean {
  const [from, to] = [keyText(start), end === null ? null : keyText(end)];
  return (record) => {
    if (record.key < from || (to !== null && record.key >= to)) return false;
    return only === null || isTombstone(record) === (only === "delete");
  };
}

function changeOf(record: KeyRecord, { previous: wantsPrevious }: ChangesQuery): Change {
  const { key, previous } = record;
  const shown = wantsPrevious && previous !== null && !isTombstone(previous) ? previous : null;
  return { key: keyBytes(key), state: record, previous: shown };
}
