/** How queries are answered: from the latest records, changing nothing. */
import type { ByteWriter } from "../lib/byte_writer.ts";
import type { GetQuery, RangeItem, RangeQuery } from "../wire/mod.ts";
import {
  keyBytes,
  keyText,
  rangeAnswerBytesMax,
  rangeItemBytes,
  writeGetAnswer,
  writeRangeAnswer,
} from "../wire/mod.ts";
import type { KeySpace } from "./key_space.ts";

export function answerGet(keys: KeySpace, query: GetQuery, answers: ByteWriter): void {
  writeGetAnswer(answers, { revision: keys.revision, state: keys.get(keyText(query.key)) });
}

/** Stops before the item that would exceed the limit of the query or of answers, but never before the first. */
export function answerRange(keys: KeySpace, query: RangeQuery, answers: ByteWriter): void {
  const { keysOnly } = query;
  const range = { start: keyText(query.start), end: query.end === null ? null : keyText(query.end) };
  const items: RangeItem[] = [];
  let bytes = 0;
  let more = false;
  keys.scan(range, (key, state) => {
    bytes += rangeItemBytes({ keyLength: key.length, valueLength: keysOnly ? 0 : state.value.length });
    more = items.length === query.limit || (items.length > 0 && bytes > rangeAnswerBytesMax);
    if (!more) items.push({ key: keyBytes(key), state });
    return !more;
  });
  writeRangeAnswer(answers, { revision: keys.revision, more, items }, { keysOnly });
}
