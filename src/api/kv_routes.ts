/** The routes under /v1/kv: one key, or a range of keys, as HTTP has it (docs/http.md). */
import { ByteWriter } from "../lib/byte_writer.ts";
import { ProaError } from "../lib/errors.ts";
import {
  leaseError,
  prefixEnd,
  readGetAnswer,
  readGranted,
  readRangeAnswer,
  ttlProblem,
  writeDelete,
  writeDeleteRange,
  writeGetAt,
  writePut,
  writeRange,
} from "../wire/mod.ts";
import type { CommandResult, KeyRange } from "../wire/mod.ts";
import { revisionCondition, tagOfRevision } from "./conditions.ts";
import { submit } from "./exchange.ts";
import type { Batch, Exchange, Handler } from "./exchange.ts";
import { rangePage } from "./kv_json.ts";
import { ttlOfText } from "./lease_routes.ts";
import { submitCommand } from "./once.ts";
import { bytesResponse, jsonResponse } from "./responses.ts";
import {
  bytesParameter,
  choiceParameter,
  decodedBytes,
  integerParameter,
  isFoldable,
  parseQuery,
  revisionParameter,
} from "./target.ts";
import type { Query } from "./target.ts";

/** Where the path of a key begins. */
export const keyPathPrefix = "/v1/kv/";

const consistencies = ["linearizable", "lease", "stale"] as const;
const booleans = ["true", "false"] as const;
const leaseParameters = ["lease", "ttl"];
const rangeParameters = ["prefix", "start", "end"];
const limitMax = 0xffff_ffff;

/** `GET|PUT|DELETE /v1/kv/{key}`: the key is in the path. */
export const getKeyInPath: Handler = (exchange) =>
  getKey(exchange, keyInPath(exchange), parseQuery(exchange.target.query, ["consistency", "revision"]));
export const putKeyInPath: Handler = (exchange) =>
  putKey(exchange, keyInPath(exchange), parseQuery(exchange.target.query, leaseParameters));
export const deleteKeyInPath: Handler = (exchange) => deleteKey(exchange, keyInPath(exchange, []));

/** `GET /v1/kv`: one key with `?key=`, else a range. */
export const getInQuery: Handler = (exchange) => {
  const query = parseQuery(exchange.target.query, [
    "key",
    ...rangeParameters,
    "limit",
    "keys_only",
    "consistency",
    "revision",
  ]);
  const key = keyInQuery(query);
  return key === null ? listRange(exchange, query) : getKey(exchange, key, query);
};

/** `PUT /v1/kv?key=`. */
export const putInQuery: Handler = (exchange) => {
  const query = parseQuery(exchange.target.query, ["key", ...leaseParameters]);
  const key = bytesParameter(query, "key");
  if (key === null) throw invalid("Cannot put: no key is given", "PUT /v1/kv/{key}, or ?key= in the query");
  return putKey(exchange, key, query);
};

/** `DELETE /v1/kv`: one key with `?key=`, else a range. */
export const deleteInQuery: Handler = (exchange) => {
  const query = parseQuery(exchange.target.query, ["key", ...rangeParameters]);
  const key = keyInQuery(query);
  return key === null ? deleteRange(exchange, query) : deleteKey(exchange, key);
};

async function getKey(exchange: Exchange, key: Uint8Array, query: Query): Promise<Response> {
  const writer = new ByteWriter(key.length + 16);
  const revision = revisionParameter(query, "revision");
  writeGetAt(writer, { key, revision });
  const state = await submit(exchange, read(query, writer), (answer) => {
    const found = readGetAnswer(answer).state;
    return found === null ? null : { ...found, value: new Uint8Array(found.value) };
  });
  if (state === null) {
    const when = revision === null ? "" : ` at revision ${revision}`;
    throw new ProaError("NOT_FOUND", `Cannot get: there is no such key${when}`, { hint: "proa kv ls lists the keys" });
  }
  const headers = {
    etag: tagOfRevision(state.modRevision),
    "x-proa-create-revision": String(state.createRevision),
    "x-proa-mod-revision": String(state.modRevision),
    "x-proa-version": String(state.version),
    "x-proa-lease": String(state.lease),
  };
  return bytesResponse(exchange.context.node, { status: 200, headers }, state.value);
}

async function putKey(exchange: Exchange, key: Uint8Array, query: Query): Promise<Response> {
  const { context, request, deadline } = exchange;
  const hanging = hangingOf(query);
  const ifRevision = revisionCondition(request.headers, { action: "put", mayBeAbsent: true });
  const bytesMax = context.limits.valueBytesMax;
  const value = await context.bodies.receive(request, { action: "put", what: "the value", bytesMax, deadline });
  const writer = new ByteWriter(key.length + value.length + 16);
  writePut(writer, { key, value, ifRevision, ...hanging });
  const result = await write(exchange, writer, "put");
  const written = { revision: result.revision, mod_revision: result.modRevision };
  const lease = "ttlMs" in hanging ? { lease: readGranted(result).id } : {};
  return jsonResponse(context.node, { status: 200 }, { ...written, ...lease });
}

/** What the key is to hang on. */
function hangingOf(query: Query): { readonly lease?: number } | { readonly ttlMs: number } {
  const lease = integerParameter(query, "lease", Number.MAX_SAFE_INTEGER);
  const ttl = query.get("ttl");
  if (ttl === undefined) return lease === null ? {} : { lease };
  if (lease !== null) throw invalid("Cannot put: lease and ttl exclude each other", "ttl grants a lease of its own");
  const ttlMs = ttlOfText("put", ttl);
  const problem = ttlProblem("put", ttlMs);
  if (problem !== null) throw invalid(problem.message);
  return { ttlMs };
}

async function deleteKey(exchange: Exchange, key: Uint8Array): Promise<Response> {
  const ifRevision = revisionCondition(exchange.request.headers, { action: "delete", mayBeAbsent: false });
  const writer = new ByteWriter(key.length + 16);
  writeDelete(writer, { key, ifRevision });
  const { revision, changed } = await write(exchange, writer, "delete");
  return jsonResponse(exchange.context.node, { status: 200 }, { revision, deleted: changed });
}

async function listRange(exchange: Exchange, query: Query): Promise<Response> {
  const range = rangeOf(query, "list") ?? { start: new Uint8Array(0), end: null };
  const limit = integerParameter(query, "limit", limitMax);
  const keysOnly = choiceParameter(query, "keys_only", booleans) === "true";
  const writer = new ByteWriter();
  writeRange(writer, { ...range, limit, keysOnly, revision: revisionParameter(query, "revision") });
  const page = await submit(exchange, read(query, writer), (answer, applied) =>
    rangePage(readRangeAnswer(answer), { applied, keysOnly }),
  );
  return jsonResponse(exchange.context.node, { status: 200 }, page);
}

async function deleteRange(exchange: Exchange, query: Query): Promise<Response> {
  const range = rangeOf(query, "delete");
  if (range === null)
    throw invalid("Cannot delete: neither a key nor a range is given", "?key=K, ?prefix=P, or ?start=A&end=B");
  if (query.get("prefix") === "") throw invalid("Cannot delete: the prefix is empty", "to delete every key: ?start=");
  if (exchange.request.headers.has("if-match") || exchange.request.headers.has("if-none-match")) {
    throw invalid("Cannot delete: a range has no revision to match", "leave out If-Match and If-None-Match");
  }
  const writer = new ByteWriter();
  writeDeleteRange(writer, range);
  const { revision, changed } = await write(exchange, writer, "delete");
  return jsonResponse(exchange.context.node, { status: 200 }, { revision, deleted: changed });
}

function read(query: Query, writer: ByteWriter): Batch {
  const consistency = choiceParameter(query, "consistency", consistencies) ?? "linearizable";
  return { kind: "read", consistency, count: 1, body: writer.peek() };
}

async function write(exchange: Exchange, writer: ByteWriter, action: "put" | "delete"): Promise<CommandResult> {
  const result = await submitCommand(exchange, writer.peek());
  if (result.status === "ok") return result;
  const error = leaseError(action, result);
  if (error !== null) throw error;
  const { modRevision } = result;
  const why = modRevision === 0 ? "the key does not exist" : `the mod revision of the key is ${modRevision}`;
  throw new ProaError("PRECONDITION_FAILED", `Cannot ${action}: ${why}`, {
    revision: modRevision,
    hint: "proa kv get --json shows the key as it is now: decide again by that",
  });
}

function keyInPath({ target }: Exchange, known?: readonly string[]): Uint8Array {
  if (known !== undefined) parseQuery(target.query, known);
  const text = target.path.slice(keyPathPrefix.length);
  const inQuery = "the segments . and .. do not survive in a path: use /v1/kv?key=";
  if (text === "") throw invalid("Cannot read the request: the path names no key", inQuery);
  if (isFoldable(text))
    throw invalid("Cannot read the request: the path has a segment . or .., or a backslash", inQuery);
  return decodedBytes(text, "the key");
}

/** The key of `?key=`, which excludes a range; null without it. */
function keyInQuery(query: Query): Uint8Array | null {
  const key = bytesParameter(query, "key");
  if (key === null) return null;
  const other = [...rangeParameters, "limit", "keys_only"].find((name) => query.has(name));
  if (other !== undefined) throw invalid(`Cannot read the request: key and ${other} exclude each other`);
  return key;
}

function rangeOf(query: Query, action: string): KeyRange | null {
  const prefix = bytesParameter(query, "prefix");
  const start = bytesParameter(query, "start");
  const end = bytesParameter(query, "end");
  if (prefix !== null) {
    if (start !== null || end !== null) throw invalid(`Cannot ${action}: prefix excludes start and end`);
    return { start: prefix, end: prefixEnd(prefix) };
  }
  if (end?.length === 0)
    throw invalid(`Cannot ${action}: the end is empty`, "leave it out for a range without an upper end");
  return start === null && end === null ? null : { start: start ?? new Uint8Array(0), end };
}

function invalid(message: string, hint?: string): ProaError {
  return new ProaError("INVALID_REQUEST", message, hint === undefined ? {} : { hint });
}
