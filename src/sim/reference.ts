/**
 * The store that the log describes, computed a second time in the plainest way: every version of every key, so that each
 * answer of a node can be compared with what was true at the index that it names (C1 to C5 of the rules).
 */
import { assert, unreachable } from "../lib/assert.ts";
import type { Entry, Index } from "../raft/mod.ts";
import {
  CommandCursor,
  type CommandResult,
  type KeyState,
  type RequestId,
  decodeOnce,
  payloadCursor,
  requestIdText,
} from "../wire/mod.ts";
import { type Command, commandAt, describeCommand, sameCommand, type ValueId, valueIdOf } from "./commands.ts";
import { check } from "./violation.ts";

/** A key as it was from one entry on. */
interface KeyVersion {
  readonly value: ValueId;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
}

interface Change {
  readonly index: Index;
  /** Null: the key was deleted. */
  readonly version: KeyVersion | null;
}

interface Executed {
  readonly command: Command;
  readonly result: CommandResult;
}

/** One key in an answer. */
export interface FoundKey {
  readonly key: string;
  readonly state: KeyState;
}

export class Reference {
  /** By key, in the order of their indexes. */
  private readonly changes = new Map<string, Change[]>();
  /** The revision behind each entry. Invariant: `revisions[i]` is behind entry i. */
  private readonly revisions: number[] = [1];
  /** Invariant: `executed[i]` is what entry i did. */
  private readonly executed: (readonly Executed[])[] = [[]];
  private readonly indexOfId = new Map<string, Index>();
  private readonly indexOfValue = new Map<ValueId, Index>();
  private readonly refused = new Set<ValueId>();

  /** The last entry that was applied anywhere. */
  get appliedIndex(): Index {
    return this.revisions.length - 1;
  }

  /** Whether a write of `value` came to be applied anywhere. */
  hasApplied(value: ValueId): boolean {
    return this.indexOfValue.has(value);
  }

  /** Takes in the next entry, when the first node applies it. */
  apply(entry: Entry): void {
    assert(entry.index === this.revisions.length, "the reference sees every entry once, in order");
    const done: Executed[] = [];
    let revision = this.revisionAt(entry.index - 1);
    if (entry.kind === "commands") {
      for (const command of this.commandsOf(entry)) {
        const result = this.execute(command, { index: entry.index, revision });
        revision = result.revision;
        done.push({ command, result });
      }
    }
    this.revisions.push(revision);
    this.executed.push(done);
  }

  /** The commands of `entry` that take effect: those of a request with an id only where it comes for the first time (I10). */
  private *commandsOf(entry: Entry): Generator<Command> {
    for (const cursor = payloadCursor(entry.payload); cursor.next();) {
      if (cursor.kind !== "once") {
        const command = commandAt(cursor);
        if (command !== null) yield command;
        continue;
      }
      const { commands, ...id } = decodeOnce(cursor.body());
      const name = requestIdText(id);
      if (this.indexOfId.has(name)) continue;
      this.indexOfId.set(name, entry.index);
      for (const nested = new CommandCursor(commands); nested.next();) {
        const command = commandAt(nested);
        if (command !== null) yield command;
      }
    }
  }

  /** The entry in which the request with this id took effect. */
  indexOfRequest(id: RequestId): Index {
    const index = this.indexOfId.get(requestIdText(id));
    check(index !== undefined, "I10", () => `${requestIdText(id)} was answered and is not in the log (I10)`);
    return index;
  }

  /** A node said that these commands have no effect: they never have had, and never will (C2). */
  onRefused(commands: readonly Command[]): void {
    for (const command of commands) {
      if (command.kind !== "put") continue;
      check(!this.hasApplied(command.value), "C2", () => `${describeCommand(command)} was refused and is applied (C2)`);
      this.refused.add(command.value);
    }
  }

  /** What a client was told of its write: all of it stands in entry `index`, together, and did what it was told (C3). */
  checkWrite(
    commands: readonly Command[],
    answer: { readonly index: Index; readonly results: readonly CommandResult[] },
  ): void {
    const done = this.executed[answer.index] ?? [];
    check(
      answer.results.length === commands.length,
      "C3",
      () => `${commands.length} commands have ${answer.results.length} results (C3)`,
    );
    const isHere = (start: number): boolean =>
      commands.every((command, position) => {
        const here = done[start + position];
        const result = answer.results[position];
        return (
          here !== undefined &&
          result !== undefined &&
          sameCommand(here.command, command) &&
          sameResult(here.result, result)
        );
      });
    const found = done.some((_, start) => isHere(start));
    check(
      found,
      "C3",
      () =>
        `${commands.map(describeCommand).join(", ")} was answered by entry ${answer.index}, which says otherwise (C3)`,
    );
  }

  /** What a client was told about `keys`: all that exists of them at `index`, and nothing else. */
  checkAnswer(
    keys: readonly string[],
    answer: { readonly index: Index; readonly revision: number; readonly found: readonly FoundKey[] },
  ): void {
    const { index, revision, found } = answer;
    check(index <= this.appliedIndex, "I5", () => `a read was answered at ${index}, which nobody has applied (I5)`);
    check(
      revision === this.revisionAt(index),
      "C5",
      () => `revision ${revision} at ${index} should be ${this.revisionAt(index)} (C5)`,
    );
    const expected = keys.flatMap((key) => {
      const version = this.versionAt(key, index);
      return version === null ? [] : [`${key}=${describeVersion(version)}`];
    });
    const told = found.map(
      ({ key, state }) => `${key}=${describeVersion({ ...state, value: valueIdOf(state.value) })}`,
    );
    check(
      told.join() === expected.join(),
      "C5",
      () => `at ${index} a node reads ${told.join()} instead of ${expected.join()} (C5)`,
    );
  }

  private execute(command: Command, at: { readonly index: Index; readonly revision: number }): CommandResult {
    const { index, revision } = at;
    switch (command.kind) {
      case "put": {
        const before = this.latest(command.key);
        this.onApplied(command, index);
        if (failed(command.ifRevision, before))
          return { status: "preconditionFailed", revision, modRevision: before?.modRevision ?? 0, changed: 0 };
        const next = revision + 1;
        const version = {
          value: command.value,
          createRevision: before?.createRevision ?? next,
          modRevision: next,
          version: (before?.version ?? 0) + 1,
        };
        this.change(command.key, { index, version });
        return { status: "ok", revision: next, modRevision: next, changed: 1 };
      }
      case "delete": {
        const before = this.latest(command.key);
        if (failed(command.ifRevision, before))
          return { status: "preconditionFailed", revision, modRevision: before?.modRevision ?? 0, changed: 0 };
        if (before === null) return { status: "ok", revision, modRevision: 0, changed: 0 };
        this.change(command.key, { index, version: null });
        return { status: "ok", revision: revision + 1, modRevision: 0, changed: 1 };
      }
      case "deleteRange": {
        const doomed = [...this.changes.keys()].filter(
          (key) => key >= command.start && key < command.end && this.latest(key) !== null,
        );
        for (const key of doomed) this.change(key, { index, version: null });
        return {
          status: "ok",
          revision: revision + (doomed.length > 0 ? 1 : 0),
          modRevision: 0,
          changed: doomed.length,
        };
      }
      default:
        return unreachable(command);
    }
  }

  private onApplied(command: Command & { kind: "put" }, index: Index): void {
    const before = this.indexOfValue.get(command.value);
    check(
      before === undefined,
      "C3",
      () => `${describeCommand(command)} stands in entries ${before} and ${index} (C3)`,
    );
    check(
      !this.refused.has(command.value),
      "C2",
      () => `${describeCommand(command)} was refused and is applied at ${index} (C2)`,
    );
    this.indexOfValue.set(command.value, index);
  }

  private change(key: string, change: Change): void {
    const changes = this.changes.get(key);
    if (changes === undefined) this.changes.set(key, [change]);
    else changes.push(change);
  }

  private latest(key: string): KeyVersion | null {
    return this.changes.get(key)?.at(-1)?.version ?? null;
  }

  private versionAt(key: string, index: Index): KeyVersion | null {
    return this.changes.get(key)?.findLast((change) => change.index <= index)?.version ?? null;
  }

  private revisionAt(index: Index): number {
    return this.revisions[index] ?? 0;
  }
}

function failed(ifRevision: number | null, before: KeyVersion | null): boolean {
  return ifRevision !== null && ifRevision !== (before?.modRevision ?? 0);
}

function sameResult(a: CommandResult, b: CommandResult): boolean {
  return (
    a.status === b.status && a.revision === b.revision && a.modRevision === b.modRevision && a.changed === b.changed
  );
}

function describeVersion({ value, createRevision, modRevision, version }: KeyVersion): string {
  return `${value}/${createRevision}/${modRevision}/${version}`;
}
