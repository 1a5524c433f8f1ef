/**
 * What a checked run asked and was answered, key by key, and whether one register a key could have answered so. A key is
 * used a few times, then judged and forgotten, and another takes its place: so memory and time stay bounded however long it runs.
 */
import { assert } from "../../src/lib/assert.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { checkLinearizability } from "../../src/sim/mod.ts";
import type { Model, Operation as Call } from "../../src/sim/mod.ts";
import type { Operation } from "./bench_plan.ts";

/** One request that is being recorded. Exactly one of its methods is called, once. */
export interface Recorded {
  readonly key: Uint8Array;
  /** The number that its put writes; 0 for a get. */
  readonly value: number;
  /** `found` is what a get found: the number of a put, 0 for no such key; null for a put. */
  answered(found: number | null): void;
  /** It had no effect, and never will. */
  refused(): void;
  /** Nobody knows. */
  lost(): void;
}

/** What became of the keys so far. */
export interface CheckSummary {
  readonly operations: number;
  readonly keys: number;
  /** Keys whose check was given up: too many requests at the same time. */
  readonly undecided: number;
  /** The first keys whose answers contradict each other. */
  readonly violations: readonly string[];
}

/** How often a key is used. The search for an order of more of them would take too long where many overlap. */
const operationsPerKey = 64;
const stepsMax = 200_000;
const violationsShown = 10;

interface Input {
  readonly isRead: boolean;
  readonly value: number;
}

/** Holds the number of the last put; 0 before the first. */
const register: Model<number, Input> = {
  initial: 0,
  step: (state, { isRead, value }) => (!isRead ? value : state === value ? state : null),
};

interface CheckedKey {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly calls: Call<Input>[];
  begun: number;
  open: number;
}

export class KeyHistory {
  private readonly random = seededRandom(2);
  private readonly slots: CheckedKey[];
  private readonly run: string;
  private readonly violations: string[] = [];
  private keyNumber = 0;
  private lastValue = 0;
  private moment = 0;
  private operations = 0;
  private judgedKeys = 0;
  private undecided = 0;

  /** `run` is part of the name of every key, and must be new: a key that exists already would look like a wrong answer. */
  constructor({ keyCount, run }: { readonly keyCount: number; readonly run: string }) {
    this.run = run;
    this.slots = Array.from({ length: keyCount }, () => this.newKey());
  }

  begin(op: Operation): Recorded {
    const key = this.nextKey();
    key.open++;
    const call = ++this.moment;
    const value = op === "put" ? ++this.lastValue : 0;
    const end = (input: Input | null, returned: number): void => {
      if (input !== null) key.calls.push({ call, returned, input });
      key.open--;
      this.maybeJudge(key);
    };
    return {
      key: key.bytes,
      value,
      answered: (found) => end({ isRead: op === "get", value: found ?? value }, ++this.moment),
      refused: () => end(null, 0),
      lost: () => end(op === "put" ? { isRead: false, value } : null, Infinity),
    };
  }

  /** Judges what is left. Every request must have ended. */
  finish(): CheckSummary {
    for (const key of this.slots) {
      assert(key.open === 0, "a request of a checked run has no end");
      if (key.begun < operationsPerKey) this.judge(key);
    }
    const { operations, judgedKeys, undecided, violations } = this;
    return { operations, keys: judgedKeys, undecided, violations: violations.slice(0, violationsShown) };
  }

  private nextKey(): CheckedKey {
    const slot = this.random.integer(0, this.slots.length - 1);
    const key = this.slots[slot];
    assert(key !== undefined, "a slot is never empty");
    if (++key.begun === operationsPerKey) this.slots[slot] = this.newKey();
    return key;
  }

  private newKey(): CheckedKey {
    const name = `bench/${this.run}/${++this.keyNumber}`;
    return { name, bytes: new TextEncoder().encode(name), calls: [], begun: 0, open: 0 };
  }

  private maybeJudge(key: CheckedKey): void {
    if (key.open === 0 && key.begun === operationsPerKey) this.judge(key);
  }

  private judge({ name, calls }: CheckedKey): void {
    if (calls.length === 0) return;
    this.operations += calls.length;
    this.judgedKeys++;
    const verdict = checkLinearizability(register, calls, stepsMax);
    if (verdict === "undecided") this.undecided++;
    if (verdict === "violation") this.violations.push(name);
  }
}
