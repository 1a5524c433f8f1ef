/** How queries are answered: changing nothing, from the latest versions of keys or from older ones. */
import type { ByteWriter } from "../lib/byte_writer.ts";
import type { GetQuery, HistoryQuery, KeyState, RangeItem, RangeQuery } from "../wire/mod.ts";
import {
  historyItemBytes,
  rangeAnswerBytesMax,
  rangeItemBytes,
  writeGetAnswer,
  writeHistoryAnswer,
  writeRangeAnswer,
  writeUnreadable,
} from "../wire/mod.ts";
import type { KeySpace } from "./key_space.ts";
import { type KeyNumber, type Row, noRow } from "./rows.ts";

export function answerGet(keys: KeySpace, query: GetQuery, answers: ByteWriter): void {
  const { revision } = keys;
  if (query.revision === null) writeGetAnswer(answers, revision, keys.show(keys.find(query.key)));
  else if (isReadable(keys, query.revision, answers))
    writeGetAnswer(answers, revision, keys.show(keys.findAt(query.key, query.revision)));
}

/** Stops before the item that would exceed the limit of the query or of answers, but never before the first. */
export function answerRange(keys: KeySpace, query: RangeQuery, answers: ByteWriter): void {
  const { keysOnly, revision } = query;
  if (revision !== null && !isReadable(keys, revision, answers)) return;
  const { table, versions } = keys;
  const items: RangeItem[] = [];
  let bytes = 0;
  let more = false;
  const visit = (key: KeyNumber, row: Row): boolean => {
    const valueLength = keysOnly ? 0 : versions.rows.length(row);
    bytes += rangeItemBytes({ keyLength: table.length(key), valueLength });
    more = items.length === query.limit || (items.length > 0 && bytes > rangeAnswerBytesMax);
    if (!more) items.push({ key: table.bytes(key), state: versions.state(row) });
    return !more;
  };
  if (revision === null) keys.scan(query, visit);
  else keys.scanAt(revision, query, visit);
  writeRangeAnswer(answers, { revision: keys.revision, more, items }, { keysOnly });
}

/** Stops as {@link answerRange} does. */
export function answerHistory(keys: KeySpace, query: HistoryQuery, answers: ByteWriter): void {
  const { below, limit } = query;
  const { compactedRevision } = keys.history;
  const { versions } = keys;
  const newest = keys.newest(query.key);
  const shown: KeyState[] = [];
  let bytes = 0;
  let more = false;
  let row = below === null ? newest : versions.at(newest, below - 1);
  for (; row !== noRow; row = versions.rows.previous(row)) {
    const state = versions.state(row);
    if (state.version === 0 && state.modRevision <= compactedRevision) break; // no revision that can be read shows it
    bytes += historyItemBytes(state.value.length);
    more = shown.length === limit || (shown.length > 0 && bytes > rangeAnswerBytesMax);
    if (more) break;
    shown.push(state);
  }
  writeHistoryAnswer(answers, { revision: keys.revision, compactedRevision, more, versions: shown });
}

/** Whether `revision` can be read; writes an answer that says why not. */
function isReadable(keys: KeySpace, revision: number, answers: ByteWriter): boolean {
  const { compactedRevision } = keys.history;
  if (revision >= compactedRevision && revision <= keys.revision) return true;
  writeUnreadable(answers, { revision: keys.revision, asked: revision, compactedRevision });
  return false;
}
