/** Transactions of the client library: comparisons, and one of two lists of operations, in one revision. */
import { assert } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import {
  defaultCommandLimits,
  leaseError,
  readResult,
  readTxnResult,
  validateCommands,
  writeTxn,
  writeTxnQuery,
} from "../wire/mod.ts";
import type { CompareRelation, Comparison } from "../wire/mod.ts";
import type { Operation } from "./frame.ts";
import { bytesOf } from "./key_value.ts";
import type { Bytes, KeyValue } from "./key_value.ts";
import { deleteOperation, deleteRangeOperation, getOperation, putOperation, rangeOperation } from "./operations.ts";
import type { RangePage } from "./operations.ts";
import { NotAppliedError } from "./outcomes.ts";
import { rangeOf } from "./selection.ts";
import type { Selection } from "./selection.ts";

/** What must hold of a key. A key that does not exist has no value, and 0 for each number. */
export type TxnCondition =
  | { readonly key: Bytes; readonly exists: boolean }
  | { readonly key: Bytes; readonly value: Bytes; readonly is?: CompareRelation }
  | { readonly key: Bytes; readonly version: number; readonly is?: CompareRelation }
  | { readonly key: Bytes; readonly createRevision: number; readonly is?: CompareRelation }
  | { readonly key: Bytes; readonly modRevision: number; readonly is?: CompareRelation }
  | { readonly key: Bytes; readonly lease: number; readonly is?: CompareRelation };

export type TxnStep =
  /** Where `lease` does not exist, the whole transaction rejects with `LEASE_NOT_FOUND`, and changes nothing. */
  | { readonly put: Bytes; readonly value: Bytes; readonly lease?: number | undefined }
  | { readonly get: Bytes }
  | { readonly delete: Bytes }
  | { readonly deleteRange: Selection }
  | { readonly range: Selection };

export interface Txn {
  /** All must hold, else the other branch is done. `is` is the relation of what the key has to what is given. Default: `=`. */
  readonly if?: readonly TxnCondition[];
  readonly then?: readonly TxnStep[];
  readonly else?: readonly TxnStep[];
}

/** What came of one step. */
export type TxnStepResult =
  | { readonly kind: "put"; readonly modRevision: number }
  | { readonly kind: "delete"; readonly deleted: number }
  | { readonly kind: "get"; readonly item: KeyValue | null }
  | { readonly kind: "range"; readonly page: RangePage }
  /** All answers together were too large for one: read the keys by themselves. */
  | { readonly kind: "omitted" };

export interface TxnOutcome {
  /** Whether everything under `if` held, so that `then` was done. */
  readonly succeeded: boolean;
  /** The revision of the store right after it. */
  readonly revision: number;
  /** One for each step of the branch that was done. */
  readonly results: readonly TxnStepResult[];
}

/** Throws a {@link NotAppliedError} for what no node would take. */
export function txnOperation(txn: Txn): Operation<TxnOutcome> {
  const branches = { then: (txn.then ?? []).map(stepOf), else: (txn.else ?? []).map(stepOf) };
  const encoded = new ByteWriter();
  const compare = (txn.if ?? []).map(comparisonOf);
  writeTxn(encoded, { compare, then: bytesOfSteps(branches.then), else: bytesOfSteps(branches.else) });
  const command = encoded.take();
  const check = validateCommands(command, defaultCommandLimits);
  if (!check.ok) throw new NotAppliedError(check.code, check.message);
  return {
    kind: "write",
    consistency: "linearizable",
    doing: "run the transaction",
    bytes: command.length,
    encode: (writer) => {
      writer.bytes(command);
    },
    decode: (reader) => {
      const result = readResult(reader);
      const missing = leaseError("run the transaction", result);
      if (missing !== null) throw missing;
      const { revision, body } = result;
      if (body === undefined) throw new CorruptError("a result of a transaction without its steps");
      const { succeeded, operations } = readTxnResult(body);
      const steps = succeeded ? branches.then : branches.else;
      return { succeeded, revision, results: operations.map((result, at) => resultOf(steps[at], result)) };
    },
  };
}

/** A step as its command or query, which also knows how to read the answer. */
type Step =
  | { readonly kind: "get"; readonly operation: Operation<KeyValue | null> }
  | { readonly kind: "range"; readonly operation: Operation<RangePage> }
  | { readonly kind: "write"; readonly operation: Operation<unknown> };

const latest = { consistency: "linearizable", revision: null } as const;

function stepOf(step: TxnStep): Step {
  if ("put" in step) {
    const { lease = 0 } = step;
    if (!Number.isSafeInteger(lease) || lease < 0)
      throw new NotAppliedError("INVALID_REQUEST", `Cannot put: lease is ${lease}, not the id of a lease`);
    const command = { key: bytesOf(step.put), value: bytesOf(step.value), ifRevision: null, lease };
    return { kind: "write", operation: putOperation(command) };
  }
  if ("get" in step) return { kind: "get", operation: getOperation(bytesOf(step.get), latest) };
  if ("delete" in step) {
    return { kind: "write", operation: deleteOperation({ key: bytesOf(step.delete), ifRevision: null }) };
  }
  if ("deleteRange" in step) return { kind: "write", operation: deleteRangeOperation(rangeOf(step.deleteRange)) };
  const query = { ...rangeOf(step.range), limit: null, keysOnly: false, revision: null };
  return { kind: "range", operation: rangeOperation(query, "linearizable") };
}

function bytesOfSteps(steps: readonly Step[]): Uint8Array {
  const writer = new ByteWriter();
  for (const { kind, operation } of steps) {
    if (kind === "write") operation.encode(writer);
    else {
      const query = new ByteWriter();
      operation.encode(query);
      writeTxnQuery(writer, query.peek());
    }
  }
  return writer.take();
}

function comparisonOf(condition: TxnCondition): Comparison {
  const key = bytesOf(condition.key);
  if ("exists" in condition) return { key, target: "version", relation: condition.exists ? ">" : "=", operand: 0 };
  const relation = condition.is ?? "=";
  if ("value" in condition) return { key, target: "value", relation, operand: bytesOf(condition.value) };
  const [target, operand] =
    "version" in condition
      ? (["version", condition.version] as const)
      : "createRevision" in condition
        ? (["create_revision", condition.createRevision] as const)
        : "lease" in condition
          ? (["lease", condition.lease] as const)
          : (["mod_revision", condition.modRevision] as const);
  if (Number.isSafeInteger(operand) && operand >= 0) return { key, target, relation, operand };
  throw new NotAppliedError("INVALID_REQUEST", `Cannot compare: ${target} is ${operand}, not a whole number from 0`);
}

function resultOf(
  step: Step | undefined,
  result: ReturnType<typeof readTxnResult>["operations"][number],
): TxnStepResult {
  if (result.kind !== "query") return result;
  const reader = new ByteReader(result.answer);
  if (step?.kind === "get") return { kind: "get", item: step.operation.decode(reader) };
  assert(step?.kind === "range", "only a get or a range has an answer");
  return { kind: "range", page: step.operation.decode(reader) };
}
