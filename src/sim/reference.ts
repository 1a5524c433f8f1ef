/**
 * The store that the log describes, computed a second time, so that each answer of a node can be compared with what was
 * true at the index that it names (C1 to C5 of the rules).
 */
import { assert } from "../lib/assert.ts";
import type { Entry, Index, Millis } from "../raft/mod.ts";
import {
  CommandCursor,
  type LeaseCommand,
  type RequestId,
  decodeCompact,
  decodeLease,
  decodeOnce,
  payloadCursor,
  requestIdText,
} from "../wire/mod.ts";
import { type CommandAnswer, describeAnswer } from "./answers.ts";
import { type Command, commandAt, describeCommand, sameCommand, valuesOf } from "./commands.ts";
import type { Query } from "./operations.ts";
import { describePast, type PastQuery } from "./past.ts";
import { ReferenceLeases } from "./reference_leases.ts";
import { pastText } from "./reference_past.ts";
import { ReferenceStore } from "./reference_store.ts";
import { describeFound, type FoundKey, type ValueId } from "./versions.ts";
import { check } from "./violation.ts";

interface Stage {
  readonly revision: number;
  readonly compactedRevision: number;
  /** How many changes there were. */
  readonly changes: number;
}

interface Executed {
  readonly command: Command;
  readonly answer: CommandAnswer;
}

export class Reference {
  private readonly leases: ReferenceLeases;
  private readonly store: ReferenceStore;
  /** The numbers of the store behind each entry. Invariant: `stages[i]` is behind entry i. */
  private readonly stages: Stage[] = [{ revision: 1, compactedRevision: 1, changes: 0 }];
  /** Invariant: `executed[i]` is what entry i did. */
  private readonly executed: (readonly Executed[])[] = [[]];
  private readonly indexOfId = new Map<string, Index>();
  private readonly indexOfValue = new Map<ValueId, Index>();
  private readonly refused = new Set<ValueId>();

  /** `clocksLeap`: nobody can tell when a lease may end. */
  constructor({ clocksLeap }: { readonly clocksLeap: boolean }) {
    this.leases = new ReferenceLeases(clocksLeap);
    this.store = new ReferenceStore(this.leases);
  }

  /** How many leases have not ended. */
  get leaseCount(): number {
    return this.leases.size;
  }

  /** The keys that went with their leases, and the values that they had. */
  get lostWithLease(): readonly { readonly key: string; readonly value: ValueId }[] {
    return this.store.lostWithLease;
  }

  /** The last entry that was applied anywhere. */
  get appliedIndex(): Index {
    return this.stages.length - 1;
  }

  /** The revision of the store behind entry `index`. */
  revisionAt(index: Index): number {
    return this.stages[index]?.revision ?? 0;
  }

  /** Whether commands came to be applied anywhere, as far as their values tell; those without one may have been. */
  mayHaveApplied(commands: readonly Command[]): boolean {
    const values = commands.flatMap(valuesOf);
    return values.length === 0 || values.some((value) => this.indexOfValue.has(value));
  }

  /** Whether a key ever had this value. */
  hasWritten(value: ValueId): boolean {
    return this.store.written.has(value);
  }

  /** Takes in the next entry, when the first node applies it. */
  apply(entry: Entry, now: Millis): void {
    this.leases.now = now;
    assert(entry.index === this.stages.length, "the reference sees every entry once, in order");
    const done: Executed[] = [];
    if (entry.kind === "commands") {
      for (const command of this.commandsOf(entry)) {
        this.onApplied(command, entry.index);
        done.push({ command, answer: this.store.execute(command, entry.index) });
      }
    }
    const { revision, compactedRevision, log } = this.store;
    this.stages.push({ revision, compactedRevision, changes: log.length });
    this.executed.push(done);
  }

  /** The commands of `entry` that take effect: those of a request with an id only where it comes for the first time (I10). */
  private *commandsOf(entry: Entry): Generator<Command> {
    for (const cursor = payloadCursor(entry.payload); cursor.next();) {
      if (cursor.kind === "lease") this.onLease(decodeLease(cursor.body()), entry.index);
      if (cursor.kind === "compact") this.store.compact(decodeCompact(cursor.body()));
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

  /** What leaders say about leases. */
  private onLease(command: LeaseCommand, index: Index): void {
    if (command.kind === "expire") this.store.expire(command, index);
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
      for (const value of valuesOf(command)) {
        const isApplied = this.indexOfValue.has(value);
        check(!isApplied, "C2", () => `${describeCommand(command)} was refused and is applied (C2)`);
        this.refused.add(value);
      }
    }
  }

  /** What a client was told of its write: all of it stands in entry `index`, together, and did what it was told (C3). */
  checkWrite(
    commands: readonly Command[],
    told: { readonly index: Index; readonly answers: readonly CommandAnswer[] },
  ): void {
    const done = this.executed[told.index] ?? [];
    const isHere = (start: number): boolean =>
      commands.every((command, position) => {
        const here = done[start + position];
        const answer = told.answers[position];
        return (
          here !== undefined &&
          answer !== undefined &&
          sameCommand(here.command, command) &&
          describeAnswer(here.answer) === describeAnswer(answer)
        );
      });
    const found = done.some((_, start) => isHere(start));
    check(found, "C3", () => {
      const what = commands.map(describeCommand).join(", ");
      const answers = told.answers.map(describeAnswer).join(", ");
      const answersHere = done.map(({ answer }) => describeAnswer(answer)).join(", ");
      return `${what} was answered by entry ${told.index} with ${answers}, which did ${answersHere} (C3)`;
    });
  }

  /** What a client was told: all that `query` asks for as it was at `index`, and nothing else. */
  checkAnswer(
    query: Query,
    answer: { readonly index: Index; readonly revision: number; readonly found: readonly FoundKey[] },
  ): void {
    const { index, revision, found } = answer;
    check(index <= this.appliedIndex, "I5", () => `a read was answered at ${index}, which nobody has applied (I5)`);
    const expectedRevision = this.revisionAt(index);
    check(
      revision === expectedRevision,
      "C5",
      () => `revision ${revision} at ${index} should be ${expectedRevision} (C5)`,
    );
    const [told, expected] = [describeFound(found), describeFound(this.store.foundAt(query, index))];
    check(told === expected, "C5", () => `at ${index} a node reads ${told} instead of ${expected} (C5)`);
  }

  /** What a client was told about what was, at `index`. */
  checkPast(query: PastQuery, answer: { readonly index: Index; readonly text: string }): void {
    const { index, text } = answer;
    const stage = this.stages[index];
    check(stage !== undefined, "I5", () => `a read was answered at ${index}, which nobody has applied (I5)`);
    const expected = pastText(query, { ...stage, changes: this.store.log.slice(0, stage.changes) });
    check(
      text === expected,
      "C5",
      () => `at ${index} a node answers ${describePast(query)} with ${text} instead of ${expected} (C5)`,
    );
  }

  private onApplied(command: Command, index: Index): void {
    for (const value of valuesOf(command)) {
      const before = this.indexOfValue.get(value);
      check(
        before === undefined,
        "C3",
        () => `${describeCommand(command)} stands in entries ${before} and ${index} (C3)`,
      );
      check(
        !this.refused.has(value),
        "C2",
        () => `${describeCommand(command)} was refused and is applied at ${index} (C2)`,
      );
      this.indexOfValue.set(value, index);
    }
  }
}
