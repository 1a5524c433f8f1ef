/** Each key as an object of its own for the check of linearizability: what it was told to become, and what it was seen to be. */
import { unreachable } from "../lib/assert.ts";
import type { CommandAnswer } from "./answers.ts";
import { valuesOf } from "./commands.ts";
import type { History, Moment, ReadRecord, WriteRecord } from "./history.ts";
import type { Model, Operation } from "./linearizability.ts";
import { isQuery, type SimpleCommand } from "./operations.ts";
import type { Reference } from "./reference.ts";
import type { Transaction } from "./transactions.ts";
import type { FoundKey, ValueId } from "./versions.ts";
import { check } from "./violation.ts";

/** What a client did with one key, and was told about it. */
export type KeyInput =
  | { readonly kind: "read"; readonly value: ValueId }
  | {
      readonly kind: "write";
      /** The value that the key must have for the write to take effect; null: any. */
      readonly ifValue: ValueId | null;
      readonly next: ValueId;
      /** `unknown` takes effect if its condition holds. */
      readonly outcome: "ok" | "failed" | "unknown";
      /** Whether the key existed before, or its value, as far as the answer told. */
      readonly existed: boolean | null;
      readonly seen: ValueId | null;
    };

/** The value of a key that does not exist. */
const absent: ValueId = 0;
/** A value that no key ever had. */
const nowhere: ValueId = -1;

/** A key holds one value at a time. */
export const keyModel: Model<ValueId, KeyInput> = {
  initial: absent,
  step(state, input) {
    if (input.kind === "read") return state === input.value ? state : null;
    const holds = input.ifValue === null || state === input.ifValue;
    switch (input.outcome) {
      case "ok":
        return holds && (input.existed === null || (state !== absent) === input.existed) ? input.next : null;
      case "failed":
        return holds || (input.seen !== null && input.seen !== state) ? null : state;
      case "unknown":
        return holds ? input.next : state;
      default:
        return unreachable(input.outcome);
    }
  },
};

/** The operations on each key of a history. Writes that never took effect anywhere, as `reference` knows, are left out. */
export function operationsByKey(
  history: History,
  keys: readonly string[],
  reference: Reference,
): ReadonlyMap<string, readonly Operation<KeyInput>[]> {
  const operations = new Map(keys.map((key) => [key, new Array<Operation<KeyInput>>()]));
  const known = { values: valuesByRevision(history), reference };
  for (const record of history.writes) {
    if (record.refused || (record.answers === null && !reference.mayHaveApplied(record.commands))) continue;
    addWrite(operations, record, known);
  }
  addEndsOfLeases(operations, history, reference);
  for (const record of history.reads) addRead(operations, record, history.keysOf(record.query));
  return operations;
}

/** Which value a revision of a key belongs to. */
type Revisions = ReadonlyMap<string, ValueId>;

/** A key may go at any time since it was hung on a lease, while it has the value that it was given then. */
function addEndsOfLeases(
  operations: ReadonlyMap<string, Operation<KeyInput>[]>,
  history: History,
  reference: Reference,
): void {
  const calls = new Map<ValueId, Moment>();
  for (const { commands, call } of history.writes)
    for (const value of commands.flatMap(valuesOf)) calls.set(value, call);
  for (const { key, value } of reference.lostWithLease) {
    const input = {
      kind: "write",
      ifValue: value,
      next: absent,
      outcome: "unknown",
      existed: null,
      seen: null,
    } as const;
    operations.get(key)?.push({ call: (calls.get(value) ?? 0) + 0.75, returned: Infinity, input });
  }
}

/** What is known of a run besides what one client was told. */
interface Known {
  readonly values: Revisions;
  readonly reference: Reference;
}

/** A write of several commands is as many operations on its keys, all at the same time; the model has no need to know that they are one. */
function addWrite(operations: ReadonlyMap<string, Operation<KeyInput>[]>, record: WriteRecord, known: Known): void {
  for (const [key, list] of operations) {
    const inputs = record.commands.flatMap((command, position) => {
      const answer = record.answers?.[position] ?? null;
      if (command.kind === "set" || command.kind === "lease") return [];
      if (answer?.status === "leaseNotFound") return []; // it did nothing, whatever was there
      if (command.kind === "txn") return inputsOfTxn(key, { command, answer }, known);
      return touches(command, key) ? [inputOf(command, answer, known.values)] : [];
    });
    inputs.forEach((input, position) => {
      list.push({ ...spread(record, position / inputs.length), input });
    });
  }
}

/** Moments of a list must differ, so commands of one write to one key are a hair apart; their order stays open. */
function spread(
  { call, returned }: { readonly call: Moment; readonly returned: Moment },
  fraction: number,
): { readonly call: Moment; readonly returned: Moment } {
  return { call: call + fraction / 2, returned: returned + fraction / 2 };
}

function addRead(
  operations: ReadonlyMap<string, Operation<KeyInput>[]>,
  record: ReadRecord,
  keys: readonly string[],
): void {
  const { found } = record;
  if (found === null) return;
  for (const key of keys) {
    const input = { kind: "read", value: valueIn(found, key) } as const;
    operations.get(key)?.push({ call: record.call, returned: record.returned, input });
  }
}

function valueIn(found: readonly FoundKey[], key: string): ValueId {
  return found.find((item) => item.key === key)?.version.value ?? absent;
}

function touches(command: SimpleCommand, key: string): boolean {
  return command.kind === "deleteRange" ? key >= command.start && key < command.end : command.key === key;
}

function inputOf(command: SimpleCommand, answer: CommandAnswer | null, values: Revisions): KeyInput {
  const outcome = answer === null ? "unknown" : answer.status === "ok" ? "ok" : "failed";
  const shared = { kind: "write", outcome, next: command.kind === "put" ? command.value : absent } as const;
  if (command.kind === "deleteRange") return { ...shared, ifValue: null, existed: null, seen: null };
  const { ifRevision } = command;
  const ifValue = ifRevision === null ? null : valueOf(values, command.key, ifRevision);
  const existed = command.kind === "delete" && outcome === "ok" ? answer?.changed === 1 : null;
  const seen = answer !== null && outcome === "failed" ? valueOf(values, command.key, answer.modRevision) : null;
  return { ...shared, ifValue, existed, seen: seen === nowhere ? null : seen };
}

/** What a transaction did with `key`: what its branch wrote and read, and what its conditions tell if they held. */
function inputsOfTxn(
  key: string,
  { command, answer }: { readonly command: Transaction; readonly answer: CommandAnswer | null },
  { values, reference }: Known,
): readonly KeyInput[] {
  if (answer === null) return branchThatRan(command, reference).flatMap((one) => unknownInputs(key, one));
  const { txn } = answer;
  const inputs: KeyInput[] = [];
  for (const condition of txn?.succeeded === true ? command.conditions : []) {
    const { target, relation, operand } = condition;
    if (condition.key !== key || relation !== "=") continue;
    const value =
      typeof operand !== "number" ? operand.value : target === "mod_revision" ? valueOf(values, key, operand) : nowhere;
    if (value !== nowhere) inputs.push({ kind: "read", value });
  }
  const branch = txn?.succeeded === true ? command.then : command.else;
  branch.forEach((operation, position) => {
    const told = txn?.operations[position];
    if (isQuery(operation)) {
      const isIn = operation.kind === "get" ? operation.key === key : key >= operation.start && key < operation.end;
      if (isIn && told?.kind === "query") inputs.push({ kind: "read", value: valueIn(told.found, key) });
    } else if (touches(operation, key)) {
      const existed = operation.kind === "delete" && told?.kind === "delete" ? told.deleted === 1 : null;
      inputs.push({ ...unconditional(operation, "ok"), existed });
    }
  });
  return inputs;
}

/** The writes of a transaction of which nobody knows what became. The branch that ran is known by its values, if it has any. */
function branchThatRan(txn: Transaction, reference: Reference): readonly SimpleCommand[] {
  const branches = [txn.then, txn.else].map((branch) => branch.filter((operation) => !isQuery(operation)));
  const ran = branches.find((branch) => branch.some((one) => one.kind === "put" && reference.hasWritten(one.value)));
  return ran ?? branches.filter((branch) => branch.every(({ kind }) => kind !== "put")).flat();
}

function unknownInputs(key: string, command: SimpleCommand): readonly KeyInput[] {
  return touches(command, key) ? [unconditional(command, "unknown")] : [];
}

function unconditional(command: SimpleCommand, outcome: "ok" | "unknown"): KeyInput & { readonly kind: "write" } {
  const next = command.kind === "put" ? command.value : absent;
  return { kind: "write", outcome, next, ifValue: null, existed: null, seen: null };
}

/** The value that `key` got with `revision`, if anybody ever saw it. A revision that nobody saw is that of no condition either. */
function valueOf(values: Revisions, key: string, revision: number): ValueId {
  return revision === 0 ? absent : (values.get(`${key}@${revision}`) ?? nowhere);
}

/** Which value each revision of a key belongs to, from all that clients were told. */
function valuesByRevision(history: History): Revisions {
  const values = new Map<string, ValueId>();
  const learn = (key: string, revision: number, value: ValueId): void => {
    const name = `${key}@${revision}`;
    const known = values.get(name);
    check(
      known === undefined || known === value,
      "I9",
      () => `${name} is that of the values ${known} and ${value} (I9)`,
    );
    values.set(name, value);
  };
  const learnFound = (found: readonly FoundKey[]): void => {
    for (const { key, version } of found) learn(key, version.modRevision, version.value);
  };
  for (const { commands, answers } of history.writes) {
    commands.forEach((command, position) => {
      const answer = answers?.[position];
      if (command.kind === "put" && answer?.status === "ok") learn(command.key, answer.modRevision, command.value);
      if (command.kind !== "txn") return;
      const branch = answer?.txn?.succeeded === true ? command.then : command.else;
      answer?.txn?.operations.forEach((told, at) => {
        const operation = branch[at];
        if (told.kind === "query") learnFound(told.found);
        else if (told.kind === "put" && operation?.kind === "put")
          learn(operation.key, told.modRevision, operation.value);
      });
    });
  }
  for (const { found } of history.reads) learnFound(found ?? []);
  return values;
}
