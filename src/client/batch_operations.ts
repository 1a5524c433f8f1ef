/** The operations of `kv batch` and `POST /v1/batch`: one JSON object each, and one for the result of each. */
import { durationMs } from "../lib/duration.ts";
import { ProaError } from "../lib/errors.ts";
import type { CommandResult, KeyRange } from "../wire/mod.ts";
import { leaseError, prefixEnd, readGranted } from "../wire/mod.ts";
import type { Operation } from "./frame.ts";
import { isRecord } from "./json.ts";
import { bytesOfJson, jsonBytes } from "./key_text.ts";
import type { KeyValue } from "./key_value.ts";
import { deleteOperation, deleteRangeOperation, getOperation, putOperation } from "./operations.ts";

/** What came of one operation: the fields that it tells, or the error that the same request alone would end with. */
export type BatchResult =
  | { readonly ok: true; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly error: ProaError };

/** The result as JSON: `{"ok":true,…}`, or `{"ok":false,"error":{…}}`. */
export function resultJson(result: BatchResult): Readonly<Record<string, unknown>> {
  return result.ok ? { ok: true, ...result.fields } : { ok: false, ...result.error.toJSON() };
}

/** What each operation may have beside `op`; a name stands for itself and, where it is bytes, for `name_b64`. */
export const fieldsOfOp: Readonly<Record<string, readonly string[]>> = {
  put: ["key", "key_b64", "value", "value_b64", "if_rev", "if_absent", "lease", "ttl"],
  get: ["key", "key_b64"],
  del: ["key", "key_b64", "if_rev", "prefix", "prefix_b64", "start", "start_b64", "end", "end_b64"],
};

const latest = { consistency: "linearizable", revision: null } as const;

/** The operation that `value` describes. Throws INVALID_REQUEST or TOO_LARGE for what no node would take. */
export function batchOperation(value: unknown): Operation<BatchResult> {
  if (!isRecord(value)) throw invalid("an operation is an object");
  const { op } = value;
  const known = typeof op === "string" && Object.hasOwn(fieldsOfOp, op) ? fieldsOfOp[op] : undefined;
  if (known === undefined) throw invalid(`op is ${JSON.stringify(op)}, not put, get or del`);
  const unknown = Object.keys(value).find((name) => name !== "op" && !known.includes(name));
  if (unknown !== undefined) throw invalid(`${String(op)} has no field ${JSON.stringify(unknown)}`);
  if (op === "put") return putOf(value);
  if (op === "get") return mapped(getOperation(neededBytes(value, "key"), latest), foundResult);
  return deletionOf(value);
}

type Fields = Readonly<Record<string, unknown>>;

function putOf(fields: Fields): Operation<BatchResult> {
  const { if_absent: ifAbsent } = fields;
  if (ifAbsent !== undefined && typeof ifAbsent !== "boolean") throw invalid("if_absent is neither true nor false");
  const revision = revisionField(fields);
  if (ifAbsent === true && revision !== null) throw invalid("if_absent and if_rev exclude each other");
  const ifRevision = ifAbsent === true ? 0 : revision;
  const [lease, ttlMs] = [leaseField(fields), ttlField(fields)];
  if (lease !== null && ttlMs !== null) throw invalid("lease and ttl exclude each other");
  const command = {
    key: neededBytes(fields, "key"),
    value: neededBytes(fields, "value"),
    ifRevision,
    ...(lease !== null && { lease }),
    ...(ttlMs !== null && { ttlMs }),
  };
  return mapped(
    putOperation(command),
    conditional("put", (result) => {
      const granted = ttlMs === null ? {} : { lease: readGranted(result).id };
      return { revision: result.revision, mod_revision: result.modRevision, ...granted };
    }),
  );
}

/** The lease that a put is to hang on; null where none is named. Throws INVALID_REQUEST. */
export function leaseField({ lease }: Fields): number | null {
  if (lease === undefined) return null;
  if (typeof lease === "number" && Number.isSafeInteger(lease) && lease > 0) return lease;
  throw invalid(`lease is ${JSON.stringify(lease)}, not the id of a lease`);
}

function ttlField({ ttl }: Fields): number | null {
  if (ttl === undefined) return null;
  const ttlMs = typeof ttl === "string" ? durationMs(ttl) : null;
  if (ttlMs !== null) return ttlMs;
  throw invalid(`ttl is ${JSON.stringify(ttl)}, not a duration such as 30s or 5m`);
}

function deletionOf(fields: Fields): Operation<BatchResult> {
  const range = rangeOf(fields);
  const key = optionalBytes(fields, "key");
  const result = conditional("delete", ({ revision, changed }) => ({ revision, deleted: changed }));
  if (range === null) {
    if (key === null) throw invalid("del needs a key, a prefix, or a start");
    return mapped(deleteOperation({ key, ifRevision: revisionField(fields) }), result);
  }
  if (key !== null) throw invalid("a key and a range exclude each other");
  if (revisionField(fields) !== null) throw invalid("if_rev is for one key, not for a range");
  return mapped(deleteRangeOperation(range), result);
}

/** The range that `fields` name. Null where neither prefix nor start nor end is given. */
export function rangeOf(fields: Fields): KeyRange | null {
  const prefix = optionalBytes(fields, "prefix");
  const start = optionalBytes(fields, "start");
  const end = optionalBytes(fields, "end");
  if (prefix !== null) {
    if (start !== null || end !== null) throw invalid("a prefix excludes start and end");
    return { start: prefix, end: prefixEnd(prefix) };
  }
  if (end?.length === 0) throw invalid("the end is empty: leave it out for a range without an upper end");
  return start === null && end === null ? null : { start: start ?? new Uint8Array(), end };
}

function revisionField({ if_rev: revision }: Fields): number | null {
  if (revision === undefined) return null;
  if (typeof revision === "number" && Number.isSafeInteger(revision) && revision > 0) return revision;
  throw invalid(`if_rev is ${JSON.stringify(revision)}, not a revision`);
}

/** The bytes named `name`. Throws INVALID_REQUEST. */
export function neededBytes(fields: Fields, name: string): Uint8Array {
  const bytes = optionalBytes(fields, name);
  if (bytes === null) throw invalid(`${name} is missing`);
  return bytes;
}

/** The bytes named `name`, as text or in base64; null where they are not given. Throws INVALID_REQUEST. */
export function optionalBytes(fields: Fields, name: string): Uint8Array | null {
  const [text, base64] = [fields[name], fields[`${name}_b64`]];
  if (text === undefined && base64 === undefined) return null;
  if (text !== undefined && base64 !== undefined) throw invalid(`${name} is given twice, as text and in base64`);
  if (text !== undefined && typeof text !== "string") throw invalid(`${name} is no text`);
  const bytes = bytesOfJson(name, fields);
  if (bytes === null) throw invalid(`${name}_b64 is not base64`);
  return bytes;
}

function foundResult(found: KeyValue | null): BatchResult {
  if (found === null) return { ok: false, error: new ProaError("NOT_FOUND", "Cannot get: there is no such key") };
  const { createRevision, modRevision, version, lease } = found;
  const stamps = { create_revision: createRevision, mod_revision: modRevision, version, lease };
  return { ok: true, fields: { ...jsonBytes("value", found.value), ...stamps } };
}

function conditional(
  action: string,
  fieldsOf: (result: CommandResult) => Readonly<Record<string, unknown>>,
): (result: CommandResult) => BatchResult {
  return (result) => {
    if (result.status === "ok") return { ok: true, fields: fieldsOf(result) };
    const missing = leaseError(action, result);
    if (missing !== null) return { ok: false, error: missing };
    const { modRevision } = result;
    const why = modRevision === 0 ? "the key does not exist" : `the mod revision of the key is ${modRevision}`;
    const error = new ProaError("PRECONDITION_FAILED", `Cannot ${action}: ${why}`, { revision: modRevision });
    return { ok: false, error };
  };
}

function mapped<T>(operation: Operation<T>, resultOf: (value: T) => BatchResult): Operation<BatchResult> {
  return { ...operation, decode: (reader) => resultOf(operation.decode(reader)) };
}

function invalid(reason: string): ProaError {
  return new ProaError("INVALID_REQUEST", `Cannot read the operation: ${reason}`, {
    hint: 'for example {"op":"put","key":"a","value":"1"}, {"op":"get","key":"a"}, {"op":"del","key":"a"}',
  });
}
