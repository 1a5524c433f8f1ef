/**
 * What each route is for, what it takes and what it answers: one entry for each method of each route in routes.ts.
 * test/api/openapi_test.ts compares them with the routes and with real answers.
 */
import type { z } from "zod";
import { transferBody } from "./cluster_routes.ts";
import { changeBody } from "./members_routes.ts";
import * as shapes from "./openapi_schemas.ts";

/** A JSON Schema, as far as parameters need one. */
type Schema = Readonly<Record<string, unknown>>;

export interface Parameter {
  readonly description: string;
  readonly schema: Schema;
}

export type Content =
  | { readonly kind: "json"; readonly shape: z.ZodType }
  /** The raw bytes. */
  | { readonly kind: "bytes" }
  /** Server-sent events, whose data is JSON of this shape. */
  | { readonly kind: "events"; readonly shape: z.ZodType }
  | { readonly kind: "none" };

export interface OperationDoc {
  /** One line, without a full stop. */
  readonly summary: string;
  readonly query?: Readonly<Record<string, Parameter>>;
  readonly headers?: Readonly<Record<string, Parameter>>;
  readonly body?: Content;
  /** By status: what an answer carries that is no error, one of these. */
  readonly answers: Readonly<Record<number, readonly Content[]>>;
  /** Statuses of the errors that belong to it. */
  readonly errors: readonly number[];
}

const text: Schema = { type: "string" };
const flag: Schema = { type: "string", enum: ["true", "false"] };
const positive: Schema = { type: "integer", minimum: 1 };

const consistency = (...levels: readonly string[]): Parameter => ({
  description: "how new the answer must be; linearizable unless given",
  schema: { type: "string", enum: levels },
});
const levels = consistency("linearizable", "lease", "stale");
const key: Parameter = { description: "the key, percent-encoded bytes", schema: text };
const range = {
  prefix: { description: "all keys that begin with this", schema: text },
  start: { description: "all keys from this one on", schema: text },
  end: { description: "with start: up to this key, without it", schema: text },
};
const limit: Parameter = { description: "at most so many", schema: positive };
const revision: Parameter = { description: "as it was at this revision", schema: positive };
const ifMatch: Parameter = {
  description: 'the mod revision that the key must have, in double quotes: "42"',
  schema: { type: "string", pattern: '^"[0-9]+"$' },
};
const ifNoneMatch: Parameter = {
  description: "only if the key does not exist",
  schema: { type: "string", const: "*" },
};

/** What a key that is put is to hang on. */
const hanging = {
  lease: { description: "a lease that exists, with which the key goes", schema: positive },
  ttl: { description: "grants a lease for the key alone, such as 30s", schema: text },
};

const json = (shape: z.ZodType): Content => ({ kind: "json", shape });
const bytes: Content = { kind: "bytes" };

/** By method and path, as routes.ts has them. */
export const operationDocs: Readonly<Record<string, OperationDoc>> = {
  "GET /v1/kv/{key}": {
    summary: "Read one key",
    query: { consistency: levels, revision },
    answers: { 200: [bytes] },
    errors: [400, 404, 410, 503],
  },
  "PUT /v1/kv/{key}": {
    summary: "Write one key",
    query: hanging,
    headers: { "If-Match": ifMatch, "If-None-Match": ifNoneMatch },
    body: bytes,
    answers: { 200: [json(shapes.written)] },
    errors: [400, 404, 409, 412, 413, 503, 504],
  },
  "DELETE /v1/kv/{key}": {
    summary: "Delete one key",
    headers: { "If-Match": ifMatch },
    answers: { 200: [json(shapes.deleted)] },
    errors: [400, 409, 412, 503, 504],
  },
  "GET /v1/kv": {
    summary: "List keys in byte order, or read the one in the query, as raw bytes",
    query: {
      key,
      ...range,
      limit,
      keys_only: { description: "without the values", schema: flag },
      consistency: levels,
      revision,
    },
    answers: { 200: [json(shapes.page), bytes] },
    errors: [400, 404, 410, 503],
  },
  "PUT /v1/kv": {
    summary: "Write the key in the query",
    query: { key, ...hanging },
    headers: { "If-Match": ifMatch, "If-None-Match": ifNoneMatch },
    body: bytes,
    answers: { 200: [json(shapes.written)] },
    errors: [400, 404, 409, 412, 413, 503, 504],
  },
  "DELETE /v1/kv": {
    summary: "Delete a range of keys in one revision, or the key in the query",
    query: { key, ...range },
    headers: { "If-Match": ifMatch },
    answers: { 200: [json(shapes.deleted)] },
    errors: [400, 409, 412, 503, 504],
  },
  "POST /v1/batch": {
    summary: "Run many operations in their order, each with a result of its own",
    body: json(shapes.batch),
    answers: { 200: [json(shapes.batchResults)] },
    errors: [400, 413],
  },
  "POST /v1/txn": {
    summary: "Compare, then do one of two lists of operations in one revision",
    body: json(shapes.txn),
    answers: { 200: [json(shapes.txnResult)] },
    errors: [400, 404, 409, 413, 503, 504],
  },
  "POST /v1/leases": {
    summary: "Grant a lease: a time that keys hang on",
    body: json(shapes.grant),
    answers: { 200: [json(shapes.granted)] },
    errors: [400, 409, 413, 503, 504],
  },
  "GET /v1/leases": {
    summary: "All leases, in the order of their grants",
    query: { after: { description: "behind the one that next said", schema: positive }, limit },
    answers: { 200: [json(shapes.leasesPage)] },
    errors: [400, 503],
  },
  "GET /v1/leases/{id}": {
    summary: "How much time is left to a lease, and what hangs on it",
    query: { start: { description: "only keys from this one on", schema: text }, limit },
    answers: { 200: [json(shapes.leasePage)] },
    errors: [400, 404, 503],
  },
  "DELETE /v1/leases/{id}": {
    summary: "End a lease, and delete its keys in one revision",
    answers: { 200: [json(shapes.deleted)] },
    errors: [400, 404, 409, 503, 504],
  },
  "POST /v1/leases/{id}/keep-alive": {
    summary: "Begin the time of a lease anew",
    answers: { 200: [json(shapes.granted)] },
    errors: [400, 404, 409, 503, 504],
  },
  "GET /v1/history": {
    summary: "The versions of a key that can be read, the newest first",
    query: {
      key,
      below: { description: "only versions older than this revision", schema: positive },
      limit,
      consistency: levels,
    },
    answers: { 200: [json(shapes.history)] },
    errors: [400, 503],
  },
  "GET /v1/watch": {
    summary: "Every change once and in order, as server-sent events; the id of an event is its revision",
    query: {
      key,
      ...range,
      from: { description: "the revision to begin with; what follows the request unless given", schema: positive },
      previous: { description: "with the versions that were replaced", schema: flag },
      only: { description: "only puts, or only deletes", schema: { type: "string", enum: ["put", "delete"] } },
      progress: { description: "tell up to where nothing is missing while nothing happens", schema: flag },
    },
    headers: {
      "Last-Event-ID": { description: "the id of the last event that was seen; wins over from", schema: text },
    },
    answers: { 200: [{ kind: "events", shape: shapes.watchedRevision }] },
    errors: [400, 404, 410, 503],
  },
  "GET /v1/settings": {
    summary: "The settings of the cluster",
    answers: { 200: [json(shapes.settings)] },
    errors: [400, 503],
  },
  "PATCH /v1/settings": {
    summary: "Change settings of the cluster; answers with all of them",
    body: json(shapes.settingsChange),
    answers: { 200: [json(shapes.settings)] },
    errors: [400, 503, 504],
  },
  "GET /v1/snapshot": {
    summary: "The whole store as one file, for proa snapshot restore",
    query: { consistency: consistency("linearizable", "stale") },
    answers: { 200: [bytes] },
    errors: [400, 503],
  },
  "POST /v1/leader/transfer": {
    summary: "Hand leadership over, to the most caught-up node unless one is named",
    body: json(transferBody),
    answers: { 200: [json(shapes.transferred)] },
    errors: [400, 409, 413, 503, 504],
  },
  "GET /v1/members": {
    summary: "Who belongs to the cluster, as this node knows it",
    answers: { 200: [json(shapes.members)] },
    errors: [400, 503],
  },
  "POST /v1/members": {
    summary: "Add a learner, promote it, remove a node, or say who votes",
    body: json(changeBody),
    answers: { 200: [json(shapes.membersChanged)] },
    errors: [400, 404, 409, 413, 503, 504],
  },
  "GET /v1/openapi.json": {
    summary: "This document",
    answers: { 200: [json(shapes.document)] },
    errors: [400],
  },
  "GET /api/status": {
    summary: "What the node says about itself; never waits",
    answers: { 200: [json(shapes.status)] },
    errors: [400],
  },
  "GET /livez": { summary: "Is the process responsive", answers: { 200: [json(shapes.alive)] }, errors: [] },
  "GET /readyz": {
    summary: "Can it serve a linearizable request now",
    answers: { 200: [json(shapes.alive)], 503: [json(shapes.unready)] },
    errors: [],
  },
  "GET /rpc": {
    summary: "Upgrade to WebSocket: the binary batch protocol",
    answers: { 101: [{ kind: "none" }] },
    errors: [400],
  },
};
