/** `GET /v1/history`: the versions of a key that can be read (docs/http.md). */
import { jsonBytes } from "../client/key_text.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { ProaError } from "../lib/errors.ts";
import { type HistoryAnswer, type KeyState, readHistoryAnswer, writeHistory } from "../wire/mod.ts";
import { type Handler, submit } from "./exchange.ts";
import { jsonResponse } from "./responses.ts";
import { bytesParameter, choiceParameter, integerParameter, parseQuery, revisionParameter } from "./target.ts";

const limitMax = 0xffff_ffff;

export const getHistory: Handler = async (exchange) => {
  const query = parseQuery(exchange.target.query, ["key", "below", "limit", "consistency"]);
  const key = bytesParameter(query, "key");
  if (key === null) {
    throw new ProaError("INVALID_REQUEST", "Cannot read the history: no key is given", { hint: "?key=K in the query" });
  }
  const writer = new ByteWriter(key.length + 24);
  writeHistory(writer, {
    key,
    below: revisionParameter(query, "below"),
    limit: integerParameter(query, "limit", limitMax),
  });
  const consistency = choiceParameter(query, "consistency", ["linearizable", "lease", "stale"]) ?? "linearizable";
  const page = await submit(exchange, { kind: "read", consistency, count: 1, body: writer.peek() }, (answer, applied) =>
    historyPage(key, readHistoryAnswer(answer), applied),
  );
  return jsonResponse(exchange.context.node, { status: 200 }, page);
};

/** Copies everything it needs. */
function historyPage(key: Uint8Array, answer: HistoryAnswer, applied: number): Record<string, unknown> {
  const { revision, compactedRevision, more, versions } = answer;
  const oldest = versions.at(-1);
  return {
    revision,
    compacted_revision: compactedRevision,
    applied,
    ...jsonBytes("key", key),
    versions: versions.map(versionJson),
    more,
    ...(more && oldest !== undefined && { below: oldest.modRevision }),
  };
}

function versionJson(state: KeyState): Record<string, unknown> {
  if (state.version === 0) return { mod_revision: state.modRevision, deleted: true };
  return {
    mod_revision: state.modRevision,
    create_revision: state.createRevision,
    version: state.version,
    lease: state.lease,
    ...jsonBytes("value", state.value),
  };
}
