/** What nodes answer to clients, from bytes to values. */
import { assert } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import type { ReadOutcome } from "../node/mod.ts";
import { type CommandResult, keyText, readGetAnswer, readRangeAnswer, readResult, resultBytes } from "../wire/mod.ts";
import type { Query } from "./commands.ts";
import type { ReadAnswer } from "./history.ts";

/** The results of commands, one for each. */
export function resultsOf(bytes: Uint8Array): readonly CommandResult[] {
  const reader = new ByteReader(bytes);
  return Array.from({ length: bytes.length / resultBytes }, () => readResult(reader));
}

/** The same for a request with an id. */
export function onceResultsOf(bytes: Uint8Array): readonly CommandResult[] {
  const { status, body } = readResult(new ByteReader(bytes));
  assert(status === "ok" && body !== undefined, "no run has more requests than a store remembers");
  const reader = new ByteReader(body.slice());
  const results: CommandResult[] = [];
  while (reader.remaining > 0) results.push(readResult(reader));
  return results;
}

/** The answer to `query`. Copies it, because its bytes may change once the call is over. */
export function answerTo(query: Query, outcome: ReadOutcome & { kind: "answered" }): ReadAnswer {
  const reader = new ByteReader(outcome.answers.slice());
  if (query.kind === "get") {
    const { revision, state } = readGetAnswer(reader);
    return { index: outcome.appliedIndex, revision, found: state === null ? [] : [{ key: query.key, state }] };
  }
  const { revision, items } = readRangeAnswer(reader);
  return {
    index: outcome.appliedIndex,
    revision,
    found: items.map(({ key, state }) => ({ key: keyText(key), state })),
  };
}
