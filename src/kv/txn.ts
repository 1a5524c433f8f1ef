/** Transactions: decides by the comparisons, and carries out one branch in one revision. */
import { assert } from "../lib/assert.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import {
  CommandCursor,
  type CommandResult,
  type Comparison,
  decodeQuery,
  decodeTxn,
  missingBody,
  writeTxnOperationResult,
} from "../wire/mod.ts";
import type { KeySpace } from "./key_space.ts";
import { answerGet, answerRange } from "./queries.ts";
import { type Row, noRow } from "./rows.ts";

/** What a transaction did: the part of its result that says more than the revision. */
export type TxnOutcome = Pick<CommandResult, "status" | "changed" | "body">;

/** Changes nothing where the branch names a lease that does not exist. Its answers to gets and ranges take at most `answerBytesMax`; the others are left out. */
export function applyTxn(keys: KeySpace, bytes: Uint8Array, answerBytesMax: number): TxnOutcome {
  const txn = decodeTxn(bytes);
  const succeeded = txn.compare.every((comparison) => holds(keys, comparison));
  const chosen = succeeded ? txn.then : txn.else;
  const lease = missingLease(keys, chosen);
  if (lease !== null) return { status: "leaseNotFound", changed: 0, body: missingBody(lease) };
  const branch = new Branch(keys, answerBytesMax);
  const operations = new CommandCursor(chosen);
  let count = 0;
  for (; operations.next(); count++) branch.run(operations);
  const head = new ByteWriter();
  head.u8(succeeded ? 1 : 0);
  head.u8(count);
  head.bytes(branch.results.peek());
  return { status: "ok", changed: branch.changed, body: head.take() };
}

/** The first lease that a put of `branch` names and that does not exist; null: none. */
function missingLease({ leases }: KeySpace, branch: Uint8Array): number | null {
  for (const operation = new CommandCursor(branch); operation.next();) {
    const { lease } = operation;
    if (lease > 0 && leases.get(lease) === null) return lease;
  }
  return null;
}

/** A value that does not exist compares with nothing; its numbers are 0. */
export function holds(keys: KeySpace, { key, target, relation, operand }: Comparison): boolean {
  const row = keys.find(key);
  if (typeof operand !== "number")
    return row !== noRow && isRelated(compareBytes(keys.versions.value(row), operand), relation);
  return isRelated(numberOf(keys, row, target) - operand, relation);
}

function numberOf({ versions: { rows } }: KeySpace, row: Row, target: Comparison["target"]): number {
  switch (target) {
    case "version":
      return rows.version(row);
    case "create_revision":
      return rows.createRevision(row);
    case "mod_revision":
      return rows.modRevision(row);
    case "lease":
      return rows.lease(row);
    case "value":
      assert(false, "a value is compared with bytes");
  }
}

function isRelated(difference: number, relation: Comparison["relation"]): boolean {
  switch (relation) {
    case "=":
      return difference === 0;
    case "!=":
      return difference !== 0;
    case "<":
      return difference < 0;
    case ">":
      return difference > 0;
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** One branch on its way: all that it changes gets the same revision. */
class Branch {
  changed = 0;
  readonly results = new ByteWriter();
  private readonly revisionBefore: number;
  private answerBytesLeft: number;

  constructor(
    private readonly keys: KeySpace,
    answerBytesMax: number,
  ) {
    this.revisionBefore = keys.revision;
    this.answerBytesLeft = answerBytesMax;
  }

  run(operation: CommandCursor): void {
    switch (operation.kind) {
      case "put":
        this.put(operation);
        return;
      case "delete": {
        const row = this.keys.find(operation.commands, operation.keyStart, operation.keyEnd);
        this.delete(row === noRow ? [] : [row]);
        return;
      }
      case "deleteRange":
        this.delete(this.keys.rowsIn(operation.rangeView()));
        return;
      case "query":
        this.answer(operation.body());
        return;
      default:
        assert(false, "a transaction holds puts, deletes and queries");
    }
  }

  private put(operation: CommandCursor): void {
    const { keys } = this;
    const previous = keys.find(operation.commands, operation.keyStart, operation.keyEnd);
    const revision = this.change(1);
    const state = { value: operation.valueIn(keys.scratch), revision, lease: operation.lease };
    if (previous === noRow) keys.create(operation.keyView(), state);
    else keys.overwrite(previous, state);
    writeTxnOperationResult(this.results, { kind: "put", modRevision: revision });
  }

  private delete(doomed: readonly Row[]): void {
    if (doomed.length > 0) {
      const revision = this.change(doomed.length);
      for (const row of doomed) this.keys.delete(row, revision);
    }
    writeTxnOperationResult(this.results, { kind: "delete", deleted: doomed.length });
  }

  private answer(bytes: Uint8Array): void {
    const answer = new ByteWriter();
    const query = decodeQuery(bytes);
    if (this.answerBytesLeft > 0 && query.kind === "get") answerGet(this.keys, query, answer);
    if (this.answerBytesLeft > 0 && query.kind === "range") answerRange(this.keys, query, answer);
    const fits = answer.length > 0 && answer.length <= this.answerBytesLeft;
    writeTxnOperationResult(this.results, { kind: fits ? "query" : "omitted" });
    if (!fits) return;
    this.answerBytesLeft -= answer.length;
    this.results.bytes(answer.peek());
  }

  /** The revision of the transaction, which begins with its first change. */
  private change(count: number): number {
    this.changed += count;
    this.keys.revision = this.revisionBefore + 1;
    return this.keys.revision;
  }
}
