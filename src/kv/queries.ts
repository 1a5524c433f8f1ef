/** How queries are answered: changing nothing, from the latest versions of keys or from older ones. */
import type { ByteWriter } from "../lib/byte_writer.ts";
import type { GetQuery, HistoryQuery, KeyState, RangeItem, RangeQuery } from "../wire/mod.ts";
import {
  historyItemBytes,
  keyBytes,
  keyText,
  rangeAnswerBytesMax,
  rangeItemBytes,
  writeGetAnswer,
  writeHistoryAnswer,
  writeRangeAnswer,
  writeUnreadable,
} from "../wire/mod.ts";
import { type KeyRecord, isTombstone, versionAt } from "./key_record.ts";
import type { KeySpace } from "./key_space.ts";

export function answerGet(keys: KeySpace, query: GetQuery, answers: ByteWriter): void {
  const { revision } = keys;
  if (query.revision === null) writeGetAnswer(answers, revision, keys.find(query.key));
  else if (isReadable(keys, query.revision, answers))
    writeGetAnswer(answers, revision, keys.getAt(keyText(query.key), query.revision));
}

/** Stops before the item that would exceed the limit of the query or of answers, but never before the first. */
export function answerRange(keys: KeySpace, query: RangeQuery, answers: ByteWriter): void {
  const { keysOnly, revision } = query;
  if (revision !== null && !isReadable(keys, revision, answers)) return;
  const range = { start: keyText(query.start), end: query.end === null ? null : keyText(query.end) };
  const items: RangeItem[] = [];
  let bytes = 0;
  let more = false;
  const visit = (key: string, state: KeyState): boolean => {
    bytes += rangeItemBytes({ keyLength: key.length, valueLength: keysOnly ? 0 : state.value.length });
    more = items.length === query.limit || (items.length > 0 && bytes > rangeAnswerBytesMax);
    if (!more) items.push({ key: keyBytes(key), state });
    return !more;
  };
  if (revision === null) keys.scan(range, visit);
  else keys.scanAt(revision, range, visit);
  writeRangeAnswer(answers, { revision: keys.revision, more, items }, { keysOnly });
}

/** Stops as {@link answerRange} does. */
export function answerHistory(keys: KeySpace, query: HistoryQuery, answers: ByteWriter): void {
  const { below, limit } = query;
  const { compactedRevision } = keys.history;
  const latest = keys.latest(keyText(query.key));
  const versions: KeyState[] = [];
  let bytes = 0;
  let more = false;
  let record: KeyRecord | null = below === null ? latest : versionAt(latest, below - 1);
  for (; record !== null; record = record.previous) {
    if (isTombstone(record) && record.modRevision <= compactedRevision) break; // no revision that can be read shows it
    bytes += historyItemBytes(record.value.length);
    more = versions.length === limit || (versions.length > 0 && bytes > rangeAnswerBytesMax);
    if (more) break;
    versions.push(record);
  }
  writeHistoryAnswer(answers, { revision: keys.revision, compactedRevision, more, versions });
}

/** Whether `revision` can be read; writes an answer that says why not. */
function isReadable(keys: KeySpace, revision: number, answers: ByteWriter): boolean {
  const { compactedRevision } = keys.history;
  if (revision >= compactedRevision && revision <= keys.revision) return true;
  writeUnreadable(answers, { revision: keys.revision, asked: revision, compactedRevision });
  return false;
}
