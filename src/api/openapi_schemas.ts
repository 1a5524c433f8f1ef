/**
 * The shapes of what requests and answers carry as JSON, for the OpenAPI document. Where a route has a table or a schema of
 * its own, the shape is made of that; the rest is held against real answers by test/api/openapi_test.ts.
 */
import { z } from "zod";
import { fieldsOfOp as fieldsOfBatchOp } from "../client/batch_operations.ts";
import { settingBounds, settingNames } from "../wire/mod.ts";
import { statusOfCode } from "./http_errors.ts";
import { fieldsOfComparison, fieldsOfOp as fieldsOfTxnOp } from "./txn_json.ts";

const number = z.int().nonnegative();
const ids = z.array(z.int().positive());
const text = z.string();
const base64 = z.string().meta({ contentEncoding: "base64" });

const duration = text.regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/);

/** Bytes as they come in JSON: the first where they are valid UTF-8, else the second. */
function bytes(name: string): Record<string, z.ZodType> {
  return { [name]: text.optional(), [`${name}_b64`]: base64.optional() };
}

const stamps = { create_revision: number, mod_revision: number, version: number, lease: number };
const keyValue = z.object({ ...bytes("key"), ...bytes("value"), ...stamps });

/** What every error is, here and on the command line. */
export const errorBody = z.object({
  error: z.object({
    code: z.enum([...Object.keys(statusOfCode), "INTERNAL"]),
    exit: z.int().describe("the exit status of the command line"),
    message: text,
    hint: text.optional(),
    applied: z.enum(["no", "unknown", "yes"]).describe("whether the request took effect"),
    tried: z.array(text),
    revision: number.optional().describe("the mod revision of the key, or the nearest revision that can be read"),
  }),
});

export const written = z.object({
  revision: number,
  mod_revision: number,
  lease: number.optional().describe("the lease that was granted with it, where ttl asked for one"),
});
export const deleted = z.object({ revision: number, deleted: number });

export const page = z.object({
  revision: number,
  applied: number,
  kvs: z.array(keyValue),
  more: z.boolean(),
  next: text.optional().describe("the percent-encoded start of the page that follows"),
});

export const history = z.object({
  revision: number,
  compacted_revision: number,
  applied: number,
  ...bytes("key"),
  versions: z.array(
    z.union([z.object({ ...stamps, ...bytes("value") }), z.object({ mod_revision: number, deleted: z.literal(true) })]),
  ),
  more: z.boolean(),
  below: number.optional().describe("ask for what is older than this, when there is more"),
});

/** The types of the fields that operations and comparisons may have; which have which, their own tables say. */
const fieldTypes: Readonly<Record<string, z.ZodType>> = {
  ...Object.fromEntries(["key", "value", "prefix", "start", "end"].flatMap((name) => Object.entries(bytes(name)))),
  if_rev: z.int().positive(),
  if_absent: z.boolean(),
  limit: z.int().positive(),
  keys_only: z.boolean(),
  target: z.enum(["value", "version", "create_revision", "mod_revision", "lease"]),
  is: z.enum(["=", "!=", "<", ">"]),
  number,
  exists: z.boolean(),
  lease: z.int().positive(),
  ttl: duration,
};

/** What `names` may be, each of them left out or not. A name that nobody described may be anything, which the test forbids. */
function fields(names: readonly string[]): Record<string, z.ZodType> {
  return Object.fromEntries(names.map((name) => [name, (fieldTypes[name] ?? z.unknown()).optional()]));
}

function operations(table: Readonly<Record<string, readonly string[]>>): z.ZodType {
  return z.union(Object.entries(table).map(([op, names]) => z.strictObject({ op: z.literal(op), ...fields(names) })));
}

export const batch = z.strictObject({ ops: z.array(operations(fieldsOfBatchOp)).min(1) });

export const batchResults = z.object({
  results: z.array(
    z.union([
      z.object({ ok: z.literal(false), ...errorBody.shape }),
      z.object({ ok: z.literal(true), ...written.shape }),
      z.object({ ok: z.literal(true), ...deleted.shape }),
      z.object({ ok: z.literal(true), ...bytes("value"), ...stamps }),
    ]),
  ),
});

export const txn = z.strictObject({
  compare: z.array(z.strictObject(fields(fieldsOfComparison))).optional(),
  then: z.array(operations(fieldsOfTxnOp)).optional(),
  else: z.array(operations(fieldsOfTxnOp)).optional(),
});

export const txnResult = z.object({
  succeeded: z.boolean().describe("whether all comparisons held, and so then was done"),
  revision: number,
  results: z.array(
    z.union([
      z.object({ op: z.literal("put"), mod_revision: number }),
      z.object({ op: z.literal("del"), deleted: number }),
      z.object({ op: z.literal("get"), found: z.literal(true), ...bytes("value"), ...stamps }),
      z.object({ op: z.literal("get"), found: z.literal(false) }),
      z.object({ op: z.literal("range"), kvs: z.array(keyValue), more: z.boolean(), next: text.optional() }),
      z.object({ op: z.literal("omitted") }),
    ]),
  ),
});

/** What `POST /v1/leases` takes. */
export const grant = z.strictObject({ ttl: duration, id: z.int().positive().optional() });
export const granted = z.object({ id: number, ttl_ms: number, revision: number });

const lease = {
  id: number,
  ttl_ms: number,
  remaining_ms: number.describe("by the clock of the leader"),
  bound: z.boolean().describe("whether it was granted with a put, and ends with its last key"),
  key_count: number,
};

export const leasePage = z.object({
  revision: number,
  ...lease,
  keys: z.array(z.object(bytes("key"))),
  more: z.boolean(),
  next: text.optional().describe("the percent-encoded start of the page that follows"),
});

export const leasesPage = z.object({
  revision: number,
  count: number,
  leases: z.array(z.object(lease)),
  more: z.boolean(),
  next: number.optional().describe("the after of the page that follows"),
});

const version = z.object({ ...bytes("value"), ...stamps });

/** The data of an event of `/v1/watch`. */
export const watchedRevision = z.object({
  revision: number,
  events: z
    .array(
      z.union([
        z.object({ type: z.literal("put"), ...bytes("key"), ...version.shape, previous: version.optional() }),
        z.object({
          type: z.literal("delete"),
          ...bytes("key"),
          mod_revision: number,
          previous: version.optional(),
        }),
      ]),
    )
    .optional()
    .describe("none in an event named progress"),
  more: z.literal(true).optional().describe("the revision goes on in the next event"),
});

export const settings = z.object(
  Object.fromEntries(
    settingNames.map((name) => [name, z.int().min(settingBounds[name].min).max(settingBounds[name].max)]),
  ),
);
export const settingsChange = z.strictObject(settings.partial().shape);

export const transferred = z.object({
  from: z.int(),
  to: z.int(),
  term_before: number,
  term: number,
  elapsed_ms: number,
});

const membership = { voters: ids, outgoing: ids, learners: ids, learners_next: ids, retired: ids };
const servers = z.array(z.object({ id: z.int(), replicate: text, service: text }));
const shownMembers = z.object({ voters: ids, learners: ids });

export const members = z.object({ leader: z.int().nullable(), ...membership, servers });
export const membersChanged = z.object({ changed: z.boolean(), before: shownMembers, after: shownMembers });

export const status = z.object({
  cluster_id: z.string().regex(/^[0-9a-f]{32}$/),
  cluster: text,
  node_id: z.int(),
  boot: number.describe("how often the data directory was opened"),
  version: text,
  pid: z.int(),
  uptime_ms: number,
  group: number,
  role: z.enum(["follower", "preCandidate", "candidate", "leader"]),
  term: number,
  vote: z.int().nullable(),
  leader: z.int().nullable(),
  commit_index: number,
  applied_index: number,
  first_index: number,
  last_index: number,
  snapshot_index: number,
  revision: number,
  key_count: number,
  state_hash: z.string().regex(/^[0-9a-f]{16}$/),
  members: z.object(membership),
  removed: z.boolean(),
  unreadable: text.nullable(),
  servers,
  peers: z
    .array(
      z.object({
        id: z.int(),
        match: number,
        next: number,
        lag: number,
        rtt_ms: z.number().nonnegative().nullable(),
        state: z.enum(["probe", "replicate", "snapshot", "reverted", "refused", "unreadable"]),
        active: z.boolean(),
      }),
    )
    .describe("on the leader: the other nodes"),
  transport: z.object({ kind: text, key: text.nullable() }).catchall(number),
});

export const alive = z.object({ ok: z.literal(true) });
export const unready = z.object({
  ok: z.literal(false),
  reasons: z.array(text),
  elsewhere: z.array(text).optional().describe("who to ask instead of a node that has left"),
});

/** Of an OpenAPI document only what tells that it is one. */
export const document = z.looseObject({ openapi: text, info: z.looseObject({ title: text, version: text }) });
