/** Keys and values over HTTP: which request does what, and what its answer holds (docs/http.md). */
import { ProaError } from "../lib/errors.ts";
import type { ClientRequest, HttpClient } from "./http_client.ts";
import type { HttpAnswer } from "./http_exchange.ts";
import { isRecord, parseJson } from "./json.ts";
import { percentEncode, shownKey } from "./key_text.ts";
import type { Consistency } from "./operations.ts";

/** When a write may take effect; null for always. */
export type Condition = { readonly kind: "absent" } | { readonly kind: "revision"; readonly revision: number } | null;

/** What a key is to hang on: a lease that exists, or one that is granted with it for so long; null: on none. */
export type Hanging =
  { readonly kind: "lease"; readonly id: number } | { readonly kind: "ttl"; readonly ttl: string } | null;

export interface PutAnswer {
  readonly revision: number;
  readonly mod_revision: number;
  /** The lease that was granted with it. */
  readonly lease?: number;
}

/** `start` ≤ key < `end`; an end of null leaves the range open. */
export interface KeyRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array | null;
}

/** Under which id a write may be sent again: this one; one that is made, where it is left out; null: it is never sent again. */
export type RequestIdChoice = string | null | undefined;

export interface ReadValue {
  readonly value: Uint8Array;
  /** What the headers tell: the revisions of the key and of the store. */
  readonly facts: {
    readonly create_revision: number;
    readonly mod_revision: number;
    readonly version: number;
    readonly lease: number;
    readonly revision: number;
  };
}

/** Reads one key. Throws NOT_FOUND. */
export async function getKey(
  client: HttpClient,
  request: { readonly key: Uint8Array; readonly consistency: Consistency; readonly revision: number | null },
): Promise<ReadValue> {
  const { key, consistency, revision } = request;
  const answer = await client.read({
    method: "GET",
    path: `${keyPath(key)}&consistency=${consistency}${revisionQuery(revision)}`,
    doing: `get ${shownKey(key)}`,
  });
  const facts = {
    create_revision: numberHeader(answer, "X-Proa-Create-Revision"),
    mod_revision: numberHeader(answer, "X-Proa-Mod-Revision"),
    version: numberHeader(answer, "X-Proa-Version"),
    lease: numberHeader(answer, "X-Proa-Lease"),
    revision: numberHeader(answer, "X-Proa-Revision"),
  };
  return { value: answer.body, facts };
}

/** Writes one key. Throws PRECONDITION_FAILED, OUTCOME_UNKNOWN. */
export async function putKey(
  client: HttpClient,
  {
    key,
    value,
    condition,
    hanging = null,
    requestId,
  }: {
    readonly key: Uint8Array;
    readonly value: Uint8Array<ArrayBuffer>;
    readonly condition: Condition;
    readonly hanging?: Hanging;
    readonly requestId?: RequestIdChoice;
  },
): Promise<PutAnswer> {
  const answer = await client.write({
    method: "PUT",
    path: `${keyPath(key)}${hangingQuery(hanging)}`,
    headers: { "Content-Type": "application/octet-stream", ...conditionHeader(condition) },
    body: value,
    ...onceOf(requestId),
    doing: `put ${shownKey(key)}`,
  });
  const body = jsonAnswer(answer);
  const revisions = {
    revision: numberField(answer, body, "revision"),
    mod_revision: numberField(answer, body, "mod_revision"),
  };
  return hanging?.kind === "ttl" ? { ...revisions, lease: numberField(answer, body, "lease") } : revisions;
}

export interface Deletion {
  readonly revision: number;
  readonly deleted: number;
}

/** Deletes one key. Throws PRECONDITION_FAILED, OUTCOME_UNKNOWN. */
export function deleteKey(
  client: HttpClient,
  request: { readonly key: Uint8Array; readonly condition: Condition; readonly requestId?: RequestIdChoice },
): Promise<Deletion> {
  const { key, condition, requestId } = request;
  return requestDeletion(client, {
    method: "DELETE",
    path: keyPath(key),
    headers: conditionHeader(condition),
    ...onceOf(requestId),
    doing: `delete ${shownKey(key)}`,
  });
}

/** Deletes a range in one revision. Throws OUTCOME_UNKNOWN. */
export function deleteRange(
  client: HttpClient,
  { range, requestId }: { readonly range: KeyRange; readonly requestId?: RequestIdChoice },
): Promise<Deletion> {
  return requestDeletion(client, {
    method: "DELETE",
    path: `/v1/kv?${rangeQuery(range)}`,
    ...onceOf(requestId),
    doing: "delete a range of keys",
  });
}

export interface ListPage {
  readonly revision: number;
  /** As the server wrote them: fields of JSON. */
  readonly kvs: readonly Readonly<Record<string, unknown>>[];
  /** Percent-encoded start of the page that follows; null on the last one. */
  readonly next: string | null;
}

/** One page of a listing: at most `limit` keys, and as many as the server puts into one answer. */
export async function listKeys(
  client: HttpClient,
  request: {
    readonly range: KeyRange;
    readonly limit: number | null;
    readonly keysOnly: boolean;
    readonly consistency: Consistency;
    /** At which to read; null: the newest. */
    readonly revision: number | null;
  },
): Promise<ListPage> {
  const limit = request.limit === null ? "" : `&limit=${request.limit}`;
  const keysOnly = request.keysOnly ? "&keys_only=true" : "";
  const path = `/v1/kv?${rangeQuery(request.range)}&consistency=${request.consistency}${limit}${keysOnly}${revisionQuery(request.revision)}`;
  const answer = await client.read({ method: "GET", path, doing: "list keys" });
  const body = jsonAnswer(answer);
  const { kvs, more, next } = body;
  if (!Array.isArray(kvs) || !kvs.every(isRecord)) throw malformed(answer, "kvs");
  if (more === true && typeof next !== "string") throw malformed(answer, "next");
  const revision = numberField(answer, body, "revision");
  return { revision, kvs, next: more === true && typeof next === "string" ? next : null };
}

export interface HistoryPage {
  readonly revision: number;
  readonly compacted_revision: number;
  /** As the server wrote them, the newest first: fields of JSON. */
  readonly versions: readonly Readonly<Record<string, unknown>>[];
  /** Where the page that follows begins; null on the last one. */
  readonly below: number | null;
}

/** One page of the versions of a key. */
export async function keyHistory(
  client: HttpClient,
  request: {
    readonly key: Uint8Array;
    readonly below: number | null;
    readonly limit: number | null;
    readonly consistency: Consistency;
  },
): Promise<HistoryPage> {
  const { key, below, limit, consistency } = request;
  const from = below === null ? "" : `&below=${below}`;
  const atMost = limit === null ? "" : `&limit=${limit}`;
  const path = `/v1/history?key=${percentEncode(key)}&consistency=${consistency}${from}${atMost}`;
  const answer = await client.read({ method: "GET", path, doing: `read the history of ${shownKey(key)}` });
  const body = jsonAnswer(answer);
  const { versions, more } = body;
  if (!Array.isArray(versions) || !versions.every(isRecord)) throw malformed(answer, "versions");
  return {
    revision: numberField(answer, body, "revision"),
    compacted_revision: numberField(answer, body, "compacted_revision"),
    versions,
    below: more === true ? numberField(answer, body, "below") : null,
  };
}

export interface TxnOutcome {
  /** Whether every comparison held, so that `then` was done. */
  readonly succeeded: boolean;
  readonly revision: number;
  /** As the server wrote them, one for each operation: fields of JSON. */
  readonly results: readonly Readonly<Record<string, unknown>>[];
}

/** Runs the transaction that `json` describes. Throws OUTCOME_UNKNOWN. */
export async function runTxn(
  client: HttpClient,
  { json, requestId }: { readonly json: string; readonly requestId?: RequestIdChoice },
): Promise<TxnOutcome> {
  const answer = await client.write({
    method: "POST",
    path: "/v1/txn",
    headers: { "Content-Type": "application/json" },
    body: new TextEncoder().encode(json),
    ...onceOf(requestId),
    doing: "run the transaction",
  });
  const body = jsonAnswer(answer);
  const { succeeded, results } = body;
  if (typeof succeeded !== "boolean") throw malformed(answer, "succeeded");
  if (!Array.isArray(results) || !results.every(isRecord)) throw malformed(answer, "results");
  return { succeeded, revision: numberField(answer, body, "revision"), results };
}

/** All settings of the cluster. */
export async function readSettings(client: HttpClient): Promise<Readonly<Record<string, unknown>>> {
  return jsonAnswer(await client.read({ method: "GET", path: "/v1/settings", doing: "read the settings" }));
}

/** Changes settings, and returns all of them as they are then. Throws OUTCOME_UNKNOWN. */
export async function changeSettings(
  client: HttpClient,
  settings: Readonly<Record<string, number>>,
): Promise<Readonly<Record<string, unknown>>> {
  const answer = await client.write({
    method: "PATCH",
    path: "/v1/settings",
    headers: { "Content-Type": "application/json" },
    body: new TextEncoder().encode(JSON.stringify(settings)),
    doing: "change settings",
  });
  return jsonAnswer(answer);
}

/** All keys that begin with `prefix`. */
export function prefixRange(prefix: Uint8Array): KeyRange {
  const last = prefix.findLastIndex((byte) => byte < 0xff);
  if (last === -1) return { start: prefix, end: null }; // nothing comes behind keys of 0xff only
  const end = prefix.slice(0, last + 1);
  end[last] = (end[last] ?? 0) + 1;
  return { start: prefix, end };
}

async function requestDeletion(client: HttpClient, request: ClientRequest): Promise<Deletion> {
  const answer = await client.write(request);
  const body = jsonAnswer(answer);
  return { revision: numberField(answer, body, "revision"), deleted: numberField(answer, body, "deleted") };
}

function revisionQuery(revision: number | null): string {
  return revision === null ? "" : `&revision=${revision}`;
}

/** How a write may be sent again. */
export function onceOf(requestId: RequestIdChoice): Pick<ClientRequest, "once"> {
  return requestId === null ? {} : { once: { id: requestId } };
}

/** In the query, because a URL parser folds a path that ends in the key `..`. */
function keyPath(key: Uint8Array): string {
  return `/v1/kv?key=${percentEncode(key)}`;
}

function hangingQuery(hanging: Hanging): string {
  if (hanging === null) return "";
  return hanging.kind === "lease" ? `&lease=${hanging.id}` : `&ttl=${hanging.ttl}`;
}

function rangeQuery({ start, end }: KeyRange): string {
  return `start=${percentEncode(start)}${end === null ? "" : `&end=${percentEncode(end)}`}`;
}

function conditionHeader(condition: Condition): Readonly<Record<string, string>> {
  if (condition === null) return {};
  return condition.kind === "absent" ? { "If-None-Match": "*" } : { "If-Match": `"${condition.revision}"` };
}

/** The object that an answer holds in JSON. */
export function jsonAnswer(answer: HttpAnswer): Readonly<Record<string, unknown>> {
  const body = parseJson(answer.body);
  if (!isRecord(body)) throw malformed(answer, "a JSON object");
  return body;
}

/** The number `name` of an answer. */
export function numberField(answer: HttpAnswer, body: Readonly<Record<string, unknown>>, name: string): number {
  const value = body[name];
  if (typeof value !== "number") throw malformed(answer, name);
  return value;
}

function numberHeader(answer: HttpAnswer, name: string): number {
  const text = answer.headers.get(name) ?? "";
  if (!/^\d{1,16}$/.test(text)) throw malformed(answer, name);
  return Number(text);
}

/** The request succeeded, but its answer is not what this version understands. */
/** The error for an answer that lacks what was asked for. */
export function malformed(answer: HttpAnswer, missing: string): ProaError {
  return new ProaError("INTERNAL", `Cannot read the answer of ${answer.endpoint}: it lacks ${missing}`, {
    hint: "compare proa version with the version that proa cluster status --json shows",
    applied: "yes",
  });
}
