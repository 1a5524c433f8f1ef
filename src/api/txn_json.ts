/** Transactions as JSON: what a request says, and what came of it (docs/http.md). */
import { leaseField, neededBytes, optionalBytes, rangeOf } from "../client/batch_operations.ts";
import { isRecord } from "../client/json.ts";
import { jsonBytes } from "../client/key_text.ts";
import { assert } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { ProaError } from "../lib/errors.ts";
import {
  CommandCursor,
  type CompareTarget,
  type Comparison,
  type Txn,
  type TxnOperationResult,
  compareRelations,
  compareTargets,
  decodeQuery,
  readGetAnswer,
  readRangeAnswer,
  readTxnResult,
  writeDelete,
  writeDeleteRange,
  writeGet,
  writePut,
  writeRange,
  writeTxnQuery,
} from "../wire/mod.ts";
import { rangePage } from "./kv_json.ts";

type Fields = Readonly<Record<string, unknown>>;

const bytesFields = (...names: readonly string[]): readonly string[] => names.flatMap((name) => [name, `${name}_b64`]);
/** What each operation may have beside `op`. */
export const fieldsOfOp: Readonly<Record<string, readonly string[]>> = {
  put: [...bytesFields("key", "value"), "lease"],
  get: bytesFields("key"),
  del: bytesFields("key", "prefix", "start", "end"),
  range: [...bytesFields("prefix", "start", "end"), "limit", "keys_only"],
};
/** What a comparison may have. */
export const fieldsOfComparison = [...bytesFields("key", "value"), "target", "is", "number", "exists"];

/** The transaction that the body of a request describes. Throws INVALID_REQUEST. */
export function txnOfJson(body: unknown): Txn {
  if (!isRecord(body)) throw invalid("the body is not a JSON object");
  const unknown = Object.keys(body).find((name) => !["compare", "then", "else"].includes(name));
  if (unknown !== undefined) throw invalid(`there is no field ${JSON.stringify(unknown)}`);
  const [compare, then, otherwise] = [listOf(body, "compare"), listOf(body, "then"), listOf(body, "else")];
  if (then.length + otherwise.length === 0) throw invalid("it holds no operation");
  return { compare: compare.map(comparisonOf), then: branchOf(then), else: branchOf(otherwise) };
}

function listOf(body: Fields, name: string): readonly Fields[] {
  const list = body[name] ?? [];
  if (Array.isArray(list) && list.every(isRecord)) return list;
  throw invalid(`${name} is not a list of objects`);
}

function comparisonOf(fields: Fields): Comparison {
  checkNames("a comparison", fields, fieldsOfComparison);
  const key = neededBytes(fields, "key");
  const { target = "value", is = "=", number, exists } = fields;
  if (exists !== undefined) {
    if (typeof exists !== "boolean") throw invalid("exists is neither true nor false");
    return { key, target: "version", relation: exists ? ">" : "=", operand: 0 };
  }
  const relation = compareRelations.find((known) => known === is);
  if (relation === undefined) throw invalid(`is is ${JSON.stringify(is)}, not ${compareRelations.join(" or ")}`);
  const known: CompareTarget | undefined = compareTargets.find((name) => name === target);
  if (known === undefined) throw invalid(`target is ${JSON.stringify(target)}, not ${compareTargets.join(", ")}`);
  if (known === "value") return { key, target: known, relation, operand: neededBytes(fields, "value") };
  if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0)
    return { key, target: known, relation, operand: number };
  throw invalid(`number is ${JSON.stringify(number)}, and ${known} is compared with a whole number`);
}

function branchOf(operations: readonly Fields[]): Uint8Array {
  const writer = new ByteWriter();
  for (const operation of operations) writeOperation(writer, operation);
  return writer.take();
}

function writeOperation(writer: ByteWriter, fields: Fields): void {
  const { op } = fields;
  const known = typeof op === "string" && Object.hasOwn(fieldsOfOp, op) ? fieldsOfOp[op] : undefined;
  if (known === undefined) throw invalid(`op is ${JSON.stringify(op)}, not put, get, del or range`);
  checkNames(String(op), fields, ["op", ...known]);
  if (op === "put") {
    const lease = leaseField(fields) ?? 0;
    writePut(writer, { key: neededBytes(fields, "key"), value: neededBytes(fields, "value"), ifRevision: null, lease });
  } else if (op === "del") {
    const [key, range] = [optionalBytes(fields, "key"), rangeOf(fields)];
    if ((key === null) === (range === null)) throw invalid("del needs a key, or a prefix, or a start");
    if (key !== null) writeDelete(writer, { key, ifRevision: null });
    if (range !== null) writeDeleteRange(writer, range);
  } else {
    const query = new ByteWriter();
    if (op === "get") writeGet(query, neededBytes(fields, "key"));
    else writeRange(query, rangeQueryOf(fields));
    writeTxnQuery(writer, query.peek());
  }
}

function rangeQueryOf(fields: Fields): Parameters<typeof writeRange>[1] {
  const { limit = null, keys_only: keysOnly = false } = fields;
  const range = rangeOf(fields);
  if (range === null) throw invalid("range needs a prefix or a start");
  if (typeof keysOnly !== "boolean") throw invalid("keys_only is neither true nor false");
  const isLimit = typeof limit === "number" && Number.isSafeInteger(limit) && limit > 0;
  if (limit !== null && !isLimit) throw invalid("limit is not a whole number above 0");
  return { ...range, limit: isLimit ? limit : null, keysOnly };
}

function checkNames(what: string, fields: Fields, known: readonly string[]): void {
  const unknown = Object.keys(fields).find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid(`${what} has no field ${JSON.stringify(unknown)}`);
}

/** What came of `txn`: the branch that was taken, and a result for each of its operations. `body` is that of its result. */
export function txnResultJson(
  txn: Txn,
  { revision, body }: { readonly revision: number; readonly body: Uint8Array },
): Record<string, unknown> {
  const { succeeded, operations } = readTxnResult(body);
  const cursor = new CommandCursor(succeeded ? txn.then : txn.else);
  const results = operations.map((result) => {
    assert(cursor.next(), "every operation has one result");
    return operationJson(cursor, result);
  });
  return { succeeded, revision, results };
}

function operationJson(operation: CommandCursor, result: TxnOperationResult): Record<string, unknown> {
  switch (result.kind) {
    case "put":
      return { op: "put", mod_revision: result.modRevision };
    case "delete":
      return { op: "del", deleted: result.deleted };
    case "omitted":
      return { op: "omitted" };
    case "query": {
      const query = decodeQuery(operation.body());
      const reader = new ByteReader(result.answer);
      if (query.kind === "get") return getJson(reader);
      const keysOnly = query.kind === "range" && query.keysOnly;
      const { kvs, more, next } = rangePage(readRangeAnswer(reader), { applied: 0, keysOnly });
      return { op: "range", kvs, more, ...(next !== undefined && { next }) };
    }
  }
}

function getJson(reader: ByteReader): Record<string, unknown> {
  const { state } = readGetAnswer(reader);
  if (state === null) return { op: "get", found: false };
  return {
    op: "get",
    found: true,
    ...jsonBytes("value", state.value),
    create_revision: state.createRevision,
    mod_revision: state.modRevision,
    version: state.version,
    lease: state.lease,
  };
}

function invalid(reason: string): ProaError {
  return new ProaError("INVALID_REQUEST", `Cannot run the transaction: ${reason}`, {
    hint: 'for example {"compare":[{"key":"a","is":"=","value":"1"}],"then":[{"op":"put","key":"a","value":"2"}],"else":[{"op":"get","key":"a"}]}',
  });
}
