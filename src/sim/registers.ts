/** Each key as an object of its own for the check of linearizability: what it was told to become, and what it was seen to be. */
import { unreachable } from "../lib/assert.ts";
import type { CommandResult } from "../wire/mod.ts";
import { type Command, type ValueId, valueIdOf } from "./commands.ts";
import type { History, Moment, ReadRecord, WriteRecord } from "./history.ts";
import type { Model, Operation } from "./linearizability.ts";
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

/** The operations on each key of a history. Writes that never took effect anywhere, as `tookEffect` tells, are left out. */
export function operationsByKey(
  history: History,
  keys: readonly string[],
  tookEffect: (record: WriteRecord) => boolean,
): ReadonlyMap<string, readonly Operation<KeyInput>[]> {
  const operations = new Map(keys.map((key) => [key, new Array<Operation<KeyInput>>()]));
  const values = valuesByRevision(history);
  for (const record of history.writes) {
    if (record.refused || (record.results === null && !tookEffect(record))) continue;
    addWrite(operations, record, values);
  }
  for (const record of history.reads) addRead(operations, record, history.keysOf(record.query));
  return operations;
}

/** A write of several commands is as many operations on its keys, all at the same time; the model has no need to know that they are one. */
function addWrite(
  operations: ReadonlyMap<string, Operation<KeyInput>[]>,
  record: WriteRecord,
  values: ReadonlyMap<number, ValueId>,
): void {
  const commands = record.commands.map((command, position) => ({
    command,
    result: record.results?.[position] ?? null,
  }));
  for (const [key, list] of operations) {
    const inputs = commands.flatMap(({ command, result }) =>
      touches(command, key) ? [inputOf(command, result, values)] : [],
    );
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
    const state = found.find((item) => item.key === key)?.state;
    const value = state === undefined ? absent : valueIdOf(state.value);
    operations.get(key)?.push({ call: record.call, returned: record.returned, input: { kind: "read", value } });
  }
}

function touches(command: Command, key: string): boolean {
  return command.kind === "deleteRange" ? key >= command.start && key < command.end : command.key === key;
}

function inputOf(command: Command, result: CommandResult | null, values: ReadonlyMap<number, ValueId>): KeyInput {
  const outcome = result === null ? "unknown" : result.status === "ok" ? "ok" : "failed";
  const shared = { kind: "write", outcome, next: command.kind === "put" ? command.value : absent } as const;
  if (command.kind === "deleteRange") return { ...shared, ifValue: null, existed: null, seen: null };
  const { ifRevision } = command;
  const ifValue = ifRevision === null ? null : valueOf(ifRevision, values);
  const existed = command.kind === "delete" && outcome === "ok" ? result?.changed === 1 : null;
  const seen = result !== null && outcome === "failed" ? valueOf(result.modRevision, values) : null;
  return { ...shared, ifValue, existed, seen: seen === nowhere ? null : seen };
}

/** The value that got `revision`, if anybody ever saw it. A revision that nobody saw is that of no condition either. */
function valueOf(revision: number, values: ReadonlyMap<number, ValueId>): ValueId {
  return revision === 0 ? absent : (values.get(revision) ?? nowhere);
}

/** Which value each revision belongs to, from all that clients were told. */
function valuesByRevision(history: History): ReadonlyMap<number, ValueId> {
  const values = new Map<number, ValueId>();
  const learn = (revision: number, value: ValueId): void => {
    const known = values.get(revision);
    check(
      known === undefined || known === value,
      "I9",
      () => `revision ${revision} is that of the values ${known} and ${value} (I9)`,
    );
    values.set(revision, value);
  };
  for (const { commands, results } of history.writes) {
    commands.forEach((command, position) => {
      const result = results?.[position];
      if (command.kind === "put" && result?.status === "ok") learn(result.modRevision, command.value);
    });
  }
  for (const { found } of history.reads) {
    for (const { state } of found ?? []) learn(state.modRevision, valueIdOf(state.value));
  }
  return values;
}
