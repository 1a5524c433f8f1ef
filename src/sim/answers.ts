/** What nodes answer to clients, from bytes to values. */
import { assert } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import type { ReadOutcome } from "../node/mod.ts";
import {
  type CommandResult,
  keyText,
  readGetAnswer,
  readRangeAnswer,
  readResult,
  readTxnResult,
  type TxnOperationResult,
} from "../wire/mod.ts";
import type { Command } from "./commands.ts";
import type { ReadAnswer } from "./history.ts";
import { type LeaseAnswer, leaseAnswer } from "./lease_commands.ts";
import { isQuery, type Operation, type Query } from "./operations.ts";
import type { Transaction } from "./transactions.ts";
import { describeFound, type FoundKey, versionOf } from "./versions.ts";

/** What a node said of a command. */
export interface CommandAnswer extends Pick<CommandResult, "status" | "revision" | "modRevision" | "changed"> {
  /** Null, if it was not a transaction. */
  readonly txn: TxnAnswer | null;
  readonly lease: LeaseAnswer | null;
}

export interface TxnAnswer {
  readonly succeeded: boolean;
  readonly operations: readonly OperationAnswer[];
}

export type OperationAnswer =
  | { readonly kind: "put"; readonly modRevision: number }
  | { readonly kind: "delete"; readonly deleted: number }
  | ({ readonly kind: "query" } & FoundAnswer);

export interface FoundAnswer {
  readonly revision: number;
  readonly found: readonly FoundKey[];
}

/** The answers to `commands`, one for each. */
export function answersTo(commands: readonly Command[], bytes: Uint8Array): readonly CommandAnswer[] {
  const reader = new ByteReader(bytes.slice());
  const answers = commands.map((command) => commandAnswer(command, reader));
  assert(reader.remaining === 0, "each command has one result");
  return answers;
}

/** The same for a request with an id. */
export function onceAnswersTo(commands: readonly Command[], bytes: Uint8Array): readonly CommandAnswer[] {
  const { status, body } = readResult(new ByteReader(bytes));
  assert(status === "ok" && body !== undefined, "no run has more requests than a store remembers");
  return answersTo(commands, body);
}

function commandAnswer(command: Command, reader: ByteReader): CommandAnswer {
  const whole = readResult(reader);
  const { body, ...result } = whole;
  if (command.kind !== "txn" || result.status === "leaseNotFound")
    return { ...result, txn: null, lease: leaseAnswer(whole) };
  assert(body !== undefined, "the result of a transaction says what it did");
  return { ...result, txn: txnAnswer(command, body), lease: null };
}

function txnAnswer(command: Transaction, body: Uint8Array): TxnAnswer {
  const { succeeded, operations } = readTxnResult(body);
  const branch = succeeded ? command.then : command.else;
  assert(operations.length === branch.length, "each operation has one result");
  return { succeeded, operations: operations.map((result, position) => operationAnswer(branch[position], result)) };
}

function operationAnswer(operation: Operation | undefined, result: TxnOperationResult): OperationAnswer {
  if (result.kind === "put" || result.kind === "delete") return result;
  assert(result.kind === "query", "no transaction of the simulator reads so much that it is left out");
  assert(operation !== undefined && isQuery(operation), "only queries are answered");
  return { kind: "query", ...foundAnswer(operation, new ByteReader(result.answer)) };
}

/** The answer to `query`. Copies it, because its bytes may change once the call is over. */
export function answerTo(query: Query, outcome: ReadOutcome & { kind: "answered" }): ReadAnswer {
  return { index: outcome.appliedIndex, ...foundAnswer(query, new ByteReader(outcome.answers.slice())) };
}

function foundAnswer(query: Query, reader: ByteReader): FoundAnswer {
  if (query.kind === "get") {
    const { revision, state } = readGetAnswer(reader);
    return { revision, found: state === null ? [] : [{ key: query.key, version: versionOf(state) }] };
  }
  const { revision, items } = readRangeAnswer(reader);
  return { revision, found: items.map(({ key, state }) => ({ key: keyText(key), version: versionOf(state) })) };
}

/** Equal for two answers that say the same. */
export function describeAnswer({ status, revision, modRevision, changed, txn, lease }: CommandAnswer): string {
  const rest =
    txn === null ? "" : ` ${txn.succeeded ? "then" : "else"} ${txn.operations.map(describeOperation).join()}`;
  const leased = lease === null ? "" : ` ${JSON.stringify(lease)}`;
  return `${status}/${revision}/${modRevision}/${changed}${rest}${leased}`;
}

function describeOperation(answer: OperationAnswer): string {
  switch (answer.kind) {
    case "put":
      return `put ${answer.modRevision}`;
    case "delete":
      return `deleted ${answer.deleted}`;
    case "query":
      return `read ${answer.revision}: ${describeFound(answer.found)}`;
  }
}
