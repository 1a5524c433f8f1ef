/**
 * The bytes of transactions: some comparisons, and two lists of operations, of which one is carried out in one revision.
 *
 *     body of "txn"    u8 compareCount, comparisons, u32 thenLength, operations, operations to the end: the else branch
 *     comparison       u8 target, u8 relation, u16 keyLength, key, u32 operandLength, operand: a value, else u53
 *     operation        a put or delete without a condition (command_codec), or a "query": a get or range (query_codec)
 *     body of result   u8 branch (1: then), u8 count, for each operation: u8 kind, then
 *                      put: u53 modRevision   delete: u32 deleted   query: answer (answer_codec)   left out: nothing
 */
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import { CommandCursor, writeBodyCommand } from "./command_codec.ts";
import { type Refused, keyProblem, refuse, refused } from "./limits.ts";
import { decodeQuery } from "./query_codec.ts";

/** What is compared: of a key that does not exist, its value never holds, and the numbers are 0. */
export const compareTargets = ["value", "version", "create_revision", "mod_revision", "lease"] as const;
export const compareRelations = ["=", "!=", "<", ">"] as const;

export type CompareTarget = (typeof compareTargets)[number];
export type CompareRelation = (typeof compareRelations)[number];

export interface Comparison {
  readonly key: Uint8Array;
  readonly relation: CompareRelation;
  readonly target: CompareTarget;
  /** Bytes for a value, a number for everything else. */
  readonly operand: Uint8Array | number;
}

/** A branch as bytes: operations back to back, for a {@link CommandCursor}. */
export interface Txn {
  readonly compare: readonly Comparison[];
  readonly then: Uint8Array;
  readonly else: Uint8Array;
}

/** The most comparisons, and the most operations in each branch. */
export const txnOperationsMax = 128;

/** What one operation of a transaction did. */
export type TxnOperationResult =
  | { readonly kind: "put"; readonly modRevision: number }
  | { readonly kind: "delete"; readonly deleted: number }
  /** An answer, as a view, for the reader of its query. */
  | { readonly kind: "query"; readonly answer: Uint8Array }
  /** The answers together would be larger than an answer may be. */
  | { readonly kind: "omitted" };

export interface TxnResult {
  /** Whether every comparison held. */
  readonly succeeded: boolean;
  readonly operations: readonly TxnOperationResult[];
}

const resultKinds = { put: 1, delete: 2, query: 3, omitted: 4 } as const;

/** Appends a transaction. Its branches are written by the writers of their commands, and by {@link writeTxnQuery}. */
export function writeTxn(writer: ByteWriter, { compare, then, else: otherwise }: Txn): void {
  refuse(countProblem("comparisons", compare.length));
  const body = new ByteWriter();
  body.u8(compare.length);
  for (const comparison of compare) writeComparison(body, comparison);
  body.u32(then.length);
  body.bytes(then);
  body.bytes(otherwise);
  writeBodyCommand(writer, "txn", body.peek());
}

/** Appends a get or range to a branch; `query` is what its own writer wrote. */
export function writeTxnQuery(writer: ByteWriter, query: Uint8Array): void {
  writeBodyCommand(writer, "query", query);
}

function writeComparison(writer: ByteWriter, { key, relation, target, operand }: Comparison): void {
  refuse(keyProblem("compare", key.length));
  writer.u8(compareTargets.indexOf(target));
  writer.u8(compareRelations.indexOf(relation));
  writer.u16(key.length);
  writer.bytes(key);
  writer.u32(typeof operand === "number" ? 8 : operand.length);
  if (typeof operand === "number") writer.u53(operand);
  else writer.bytes(operand);
}

/** Throws {@link CorruptError} for anything that {@link writeTxn} could not have written. Limits are not checked. */
export function decodeTxn(body: Uint8Array): Txn {
  const reader = new ByteReader(body);
  const compare = Array.from({ length: reader.u8() }, () => readComparison(reader));
  const then = reader.bytes(reader.u32());
  const otherwise = reader.bytes(reader.remaining);
  for (const branch of [then, otherwise]) {
    for (const operation = new CommandCursor(branch); operation.next();) checkOperation(operation);
  }
  return { compare, then, else: otherwise };
}

function readComparison(reader: ByteReader): Comparison {
  const target = compareTargets[reader.u8()];
  const relation = compareRelations[reader.u8()];
  if (target === undefined || relation === undefined) throw new CorruptError("a comparison that is not known");
  const key = reader.bytes(reader.u16());
  const length = reader.u32();
  if (target !== "value" && length !== 8) throw new CorruptError("a comparison with something that is no number");
  return { key, target, relation, operand: target === "value" ? reader.bytes(length) : reader.u53() };
}

function checkOperation(operation: CommandCursor): void {
  const { kind } = operation;
  if (kind === "query") {
    const query = decodeQuery(operation.body());
    const isAllowed = (query.kind === "get" || query.kind === "range") && query.revision === null;
    if (!isAllowed) throw new CorruptError("a query that a transaction does not know");
  } else if (kind !== "put" && kind !== "delete" && kind !== "deleteRange") {
    throw new CorruptError(`a "${kind}" inside a transaction`);
  }
  if (operation.ifRevision !== null) throw new CorruptError("a condition inside a transaction");
  if (operation.ttlMs > 0) throw new CorruptError("a lease that is granted inside a transaction");
}

/** What is wrong with a transaction as a whole; `operationProblem` judges one operation. Null: nothing. */
export function txnProblem(txn: Txn, operationProblem: (operation: CommandCursor) => Refused | null): Refused | null {
  const { compare } = txn;
  const problem =
    countProblem("comparisons", compare.length) ??
    compare.map(({ key }) => keyProblem("compare", key.length)).find((found) => found !== null);
  return problem ?? branchProblem(txn.then, operationProblem) ?? branchProblem(txn.else, operationProblem);
}

/** No key is written twice in one branch: all of it is one revision, which has one version of a key. */
function branchProblem(
  branch: Uint8Array,
  operationProblem: (operation: CommandCursor) => Refused | null,
): Refused | null {
  const puts = new Set<string>();
  const deleted: { readonly start: string; readonly end: string | null }[] = [];
  let count = 0;
  for (const operation = new CommandCursor(branch); operation.next(); count++) {
    const problem = operationProblem(operation);
    if (problem !== null) return problem;
    if (operation.kind === "query") continue;
    const key = operation.keyText();
    if (operation.kind === "put") {
      if (puts.has(key)) return refused("INVALID_REQUEST", "Cannot run the transaction: it puts a key twice");
      puts.add(key);
    } else {
      deleted.push({ start: key, end: operation.kind === "delete" ? `${key}\0` : operation.endText() });
    }
  }
  const clash = [...puts].some((key) => deleted.some(({ start, end }) => key >= start && (end === null || key < end)));
  if (clash) return refused("INVALID_REQUEST", "Cannot run the transaction: it puts a key and deletes it, too");
  return countProblem("operations in a branch", count);
}

function countProblem(what: string, count: number): Refused | null {
  if (count <= txnOperationsMax) return null;
  return refused("TOO_LARGE", `Cannot run the transaction: it has ${count} ${what}, the limit is ${txnOperationsMax}`);
}

/** Appends one result of an operation; the answer to a query follows where `kind` is "query". */
export function writeTxnOperationResult(
  writer: ByteWriter,
  result: Exclude<TxnOperationResult, { kind: "query" }> | { readonly kind: "query" },
): void {
  writer.u8(resultKinds[result.kind]);
  if (result.kind === "put") writer.u53(result.modRevision);
  else if (result.kind === "delete") writer.u32(result.deleted);
}

/** Reads the body of the result of a transaction; answers are views. Throws {@link CorruptError}. */
export function readTxnResult(body: Uint8Array): TxnResult {
  const reader = new ByteReader(body);
  const branch = reader.u8();
  if (branch > 1) throw new CorruptError("a branch that is neither then nor else");
  const operations = Array.from({ length: reader.u8() }, () => readOperationResult(reader));
  if (reader.remaining > 0) throw new CorruptError("bytes behind the end");
  return { succeeded: branch === 1, operations };
}

function readOperationResult(reader: ByteReader): TxnOperationResult {
  const kind = reader.u8();
  switch (kind) {
    case resultKinds.put:
      return { kind: "put", modRevision: reader.u53() };
    case resultKinds.delete:
      return { kind: "delete", deleted: reader.u32() };
    case resultKinds.query: {
      const answer = new ByteWriter();
      const length = reader.u32();
      answer.u32(length);
      answer.bytes(reader.bytes(length));
      return { kind: "query", answer: answer.take() };
    }
    case resultKinds.omitted:
      return { kind: "omitted" };
    default:
      throw new CorruptError(`kind ${kind} of a result, which is not known`);
  }
}
