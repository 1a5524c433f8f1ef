/** Transactions of clients, as values and as the bytes that a node takes. */
import { assert } from "../lib/assert.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import {
  CommandCursor,
  type CompareRelation,
  type CompareTarget,
  type Comparison,
  decodeQuery,
  decodeTxn,
  keyBytes,
  keyText,
  writeTxn,
  writeTxnQuery,
} from "../wire/mod.ts";
import {
  describeQuery,
  describeSimple,
  encodeQuery,
  isQuery,
  type Operation,
  type Query,
  simpleCommandAt,
  writeSimple,
} from "./operations.ts";
import { namedValue, type NamedValue, valueBytes } from "./versions.ts";

export interface Condition {
  readonly key: string;
  readonly target: CompareTarget;
  readonly relation: CompareRelation;
  /** A value for the target "value", else a number. */
  readonly operand: NamedValue | number;
}

export interface Transaction {
  readonly kind: "txn";
  readonly conditions: readonly Condition[];
  /** Puts and deletes have no condition of their own. */
  readonly then: readonly Operation[];
  readonly else: readonly Operation[];
}

export function writeTransaction(writer: ByteWriter, transaction: Transaction): void {
  const compare = transaction.conditions.map(({ key, target, relation, operand }): Comparison => {
    return {
      key: keyBytes(key),
      target,
      relation,
      operand: typeof operand === "number" ? operand : valueBytes(operand),
    };
  });
  writeTxn(writer, { compare, then: encodeBranch(transaction.then), else: encodeBranch(transaction.else) });
}

function encodeBranch(branch: readonly Operation[]): Uint8Array {
  const writer = new ByteWriter();
  for (const operation of branch) {
    if (isQuery(operation)) writeTxnQuery(writer, encodeQuery(operation));
    else writeSimple(writer, operation);
  }
  return writer.take();
}

/** The inverse of {@link writeTransaction}. */
export function transactionOf(body: Uint8Array): Transaction {
  const { compare, then, else: otherwise } = decodeTxn(body);
  const conditions = compare.map(({ key, target, relation, operand }): Condition => {
    return {
      key: keyText(key),
      target,
      relation,
      operand: typeof operand === "number" ? operand : namedValue(operand),
    };
  });
  return { kind: "txn", conditions, then: decodeBranch(then), else: decodeBranch(otherwise) };
}

function decodeBranch(bytes: Uint8Array): readonly Operation[] {
  const operations: Operation[] = [];
  for (const cursor = new CommandCursor(bytes); cursor.next();) {
    const operation = cursor.kind === "query" ? queryOf(cursor.body()) : simpleCommandAt(cursor);
    assert(operation !== null, "clients put nothing else into a transaction");
    operations.push(operation);
  }
  return operations;
}

function queryOf(bytes: Uint8Array): Query {
  const query = decodeQuery(bytes);
  if (query.kind === "get") return { kind: "get", key: keyText(query.key) };
  assert(query.kind === "range" && query.end !== null, "clients put no other query into a transaction");
  return { kind: "range", start: keyText(query.start), end: keyText(query.end) };
}

export function describeTransaction({ conditions, then, else: otherwise }: Transaction): string {
  const compared = conditions.map(({ key, target, relation, operand }) => {
    return `${target} ${key} ${relation} ${typeof operand === "number" ? operand : `${operand.value}(${operand.length})`}`;
  });
  return `txn if ${compared.join(" and ")} then ${describeBranch(then)} else ${describeBranch(otherwise)}`;
}

function describeBranch(branch: readonly Operation[]): string {
  return `{ ${branch.map((operation) => (isQuery(operation) ? describeQuery(operation) : describeSimple(operation))).join("; ")} }`;
}
