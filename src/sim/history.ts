/** What clients asked and were told, in the order in which they asked and were told. Judges only what can be judged at once. */
import type { Index } from "../raft/mod.ts";
import type { CommandAnswer } from "./answers.ts";
import type { Command } from "./commands.ts";
import type { Query } from "./operations.ts";
import type { Reference } from "./reference.ts";
import type { FoundKey } from "./versions.ts";
import { check } from "./violation.ts";

/** A point in the order of all calls and returns of a run. */
export type Moment = number;

export interface WriteRecord {
  readonly commands: readonly Command[];
  readonly call: Moment;
  /** Every answer before the call rests on entries up to here. */
  readonly floor: Index;
  /** Infinity while nobody knows whether it took effect. */
  returned: Moment;
  /** One for each command; null while nobody knows, and for a write that never took effect. */
  answers: readonly CommandAnswer[] | null;
  refused: boolean;
}

export interface ReadRecord {
  readonly query: Query;
  readonly call: Moment;
  readonly floor: Index;
  returned: Moment;
  /** Null while it is not answered. */
  found: readonly FoundKey[] | null;
}

export interface ReadAnswer {
  readonly index: Index;
  readonly revision: number;
  readonly found: readonly FoundKey[];
}

export class History {
  readonly writes: WriteRecord[] = [];
  /** The linearizable ones. */
  readonly reads: ReadRecord[] = [];
  private moment: Moment = 0;
  /** The greatest index that an answer so far rests on. */
  private greatest: Index = 0;

  /** `keys` are all keys that clients use, in order. */
  constructor(
    private readonly reference: Reference,
    private readonly keys: readonly string[],
  ) {}

  /** No answer to what is asked from now on may rest on less. */
  get floor(): Index {
    return this.greatest;
  }

  beginWrite(commands: readonly Command[]): WriteRecord {
    const record = {
      commands,
      call: ++this.moment,
      floor: this.floor,
      returned: Infinity,
      answers: null,
      refused: false,
    };
    this.writes.push(record);
    return record;
  }

  /** The write took effect: nothing that was answered before it was asked for lies behind it in the log. */
  endWrite(record: WriteRecord, told: { readonly index: Index; readonly answers: readonly CommandAnswer[] }): void {
    check(
      told.index > record.floor,
      "I9",
      () => `a write got entry ${told.index}, and one before it rests on ${record.floor} (I9)`,
    );
    this.reference.checkWrite(record.commands, told);
    record.returned = ++this.moment;
    record.answers = told.answers;
    this.greatest = Math.max(this.greatest, told.index);
  }

  /** The write never took effect and never will. */
  refuseWrite(record: WriteRecord): void {
    this.reference.onRefused(record.commands);
    record.refused = true;
  }

  beginRead(query: Query): ReadRecord {
    const record = { query, call: ++this.moment, floor: this.floor, returned: Infinity, found: null };
    this.reads.push(record);
    return record;
  }

  /** The read is answered: nothing that was answered before it was asked for is missing. */
  endRead(record: ReadRecord, answer: ReadAnswer): void {
    this.checkFloor(record.floor, answer.index);
    this.checkStale(record.query, answer);
    record.returned = ++this.moment;
    record.found = answer.found;
  }

  /** An answer that rests on `index`, to what was asked for when all before it rested on `floor`. */
  checkFloor(floor: Index, index: Index): void {
    check(
      index >= floor,
      "I9",
      () => `a read was answered at ${index}, and an answer before it rests on ${floor} (I9)`,
    );
    this.greatest = Math.max(this.greatest, index);
  }

  /** A stale read promises only that it was true once. */
  checkStale(query: Query, answer: ReadAnswer): void {
    this.reference.checkAnswer(query, answer);
  }

  /** The keys that a query asks for, whether they exist or not. */
  keysOf(query: Query): readonly string[] {
    return query.kind === "get" ? [query.key] : this.keys.filter((key) => key >= query.start && key < query.end);
  }
}
