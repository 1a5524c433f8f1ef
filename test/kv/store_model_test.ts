/** Random commands and queries against a reference that is too simple to be wrong: a sorted list, searched from its start. */
import { describe, expect, test } from "bun:test";
import { Store } from "../../src/kv/mod.ts";
import { ByteReader } from "../../src/lib/byte_reader.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";
import { type CommandResult, type GetAnswer, type RangeAnswer, readResult } from "../../src/wire/mod.ts";
import { type TestCommand, bytes, get, nextEntry, payloadOf, range } from "./driver.ts";

interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
}

class Reference {
  /** Sorted by key. */
  private rows: Row[] = [];
  revision = 1;

  apply(command: TestCommand): CommandResult {
    if (command.kind === "deleteRange") {
      const kept = this.rows.filter(
        (row) => !inRange(row.key, bytes(command.start), command.end === null ? null : bytes(command.end)),
      );
      const changed = this.rows.length - kept.length;
      this.rows = kept;
      if (changed > 0) this.revision++;
      return { status: "ok", revision: this.revision, modRevision: 0, changed };
    }
    const key = bytes(command.key);
    const old = this.row(key);
    if (command.ifRevision !== undefined && command.ifRevision !== (old?.modRevision ?? 0)) {
      return { status: "preconditionFailed", revision: this.revision, modRevision: old?.modRevision ?? 0, changed: 0 };
    }
    if (command.kind === "delete" && old === undefined)
      return { status: "ok", revision: this.revision, modRevision: 0, changed: 0 };
    this.revision++;
    const others = this.rows.filter((row) => row !== old);
    if (command.kind === "delete") {
      this.rows = others;
      return { status: "ok", revision: this.revision, modRevision: 0, changed: 1 };
    }
    const createRevision = old?.createRevision ?? this.revision;
    const version = (old?.version ?? 0) + 1;
    const next = { key, value: bytes(command.value), createRevision, modRevision: this.revision, version };
    this.rows = [
      ...others.filter((row) => compare(row.key, key) < 0),
      next,
      ...others.filter((row) => compare(row.key, key) > 0),
    ];
    return { status: "ok", revision: this.revision, modRevision: this.revision, changed: 1 };
  }

  get(key: Uint8Array): GetAnswer {
    const row = this.row(key);
    return { revision: this.revision, state: row === undefined ? null : stateOf(row, false) };
  }

  range(start: Uint8Array, end: Uint8Array | null, limit: number, keysOnly: boolean): RangeAnswer {
    const all = this.rows.filter((row) => inRange(row.key, start, end));
    const items = all.slice(0, limit).map((row) => ({ key: row.key, state: stateOf(row, keysOnly) }));
    return { revision: this.revision, more: all.length > limit, items };
  }

  modRevision(key: Uint8Array): number {
    return this.row(key)?.modRevision ?? 0;
  }

  get size(): number {
    return this.rows.length;
  }

  private row(key: Uint8Array): Row | undefined {
    return this.rows.find((row) => compare(row.key, key) === 0);
  }
}

function stateOf(
  { value, createRevision, modRevision, version }: Row,
  keysOnly: boolean,
): NonNullable<GetAnswer["state"]> {
  return { value: keysOnly ? new Uint8Array() : value, createRevision, modRevision, version, lease: 0 };
}

function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function inRange(key: Uint8Array, start: Uint8Array, end: Uint8Array | null): boolean {
  return compare(key, start) >= 0 && (end === null || end.length === 0 || compare(key, end) < 0);
}

const alphabet = [0x00, 0x2f, 0x61, 0x80, 0xff];

function randomKey(random: Random, lengthMin: number): Uint8Array {
  return Uint8Array.from(
    { length: random.integer(lengthMin, 3) },
    () => alphabet[random.integer(0, alphabet.length - 1)] ?? 0,
  );
}

function randomEnd(random: Random): Uint8Array | null {
  return random.integer(0, 9) === 0 ? null : randomKey(random, 0);
}

/** Mostly conditions that could hold, so that both ends are common. */
function randomCondition(random: Random, current: number): { readonly ifRevision?: number } {
  const kind = random.integer(0, 5);
  if (kind === 0) return { ifRevision: 0 };
  if (kind === 1) return { ifRevision: current };
  if (kind === 2) return { ifRevision: current + random.integer(-1, 1) < 0 ? 1 : current + 1 };
  return {};
}

function randomCommand(random: Random, reference: Reference): TestCommand {
  const key = randomKey(random, 1);
  const condition = randomCondition(random, reference.modRevision(key));
  const dice = random.integer(0, 99);
  if (dice < 65) {
    const value = Uint8Array.from({ length: random.integer(0, 12) }, () => random.integer(0, 255));
    return { kind: "put", key, value, ...condition };
  }
  if (dice < 97) return { kind: "delete", key, ...condition };
  // Short ranges mostly: a store that is always empty tests little.
  const start = randomKey(random, 2);
  return { kind: "deleteRange", start, end: dice === 97 ? randomEnd(random) : new Uint8Array([...start, 0xff, 0xff]) };
}

/** Applies one random entry to both stores and checks each result against the reference. */
function applyRandomEntry(
  random: Random,
  stores: { readonly checked: Store; readonly twin: Store },
  reference: Reference,
): number {
  const commands: TestCommand[] = [];
  const expected: CommandResult[] = [];
  for (let count = random.integer(1, 20); count > 0; count--) {
    const command = randomCommand(random, reference);
    commands.push(command);
    expected.push(reference.apply(command));
  }
  const payload = payloadOf(commands);
  const results = new ByteWriter();
  stores.checked.apply(nextEntry(stores.checked, payload), results);
  stores.twin.apply(nextEntry(stores.twin, payload), null);
  const reader = new ByteReader(results.peek());
  const actual: CommandResult[] = [];
  while (reader.remaining > 0) actual.push(readResult(reader));
  if (!same(actual, expected)) expect(actual).toEqual(expected);
  return commands.length;
}

function checkRandomQueries(random: Random, store: Store, reference: Reference): number {
  const key = randomKey(random, 1);
  const found = get(store, key);
  const wanted = reference.get(key);
  if (!same(found, wanted)) expect(found).toEqual(wanted);
  const start = randomKey(random, 0);
  const end = randomEnd(random);
  const limit = random.integer(1, 60);
  const keysOnly = random.integer(0, 1) === 1;
  const page = range(store, { start, ...(end !== null && { end }), limit, keysOnly });
  const wantedPage = reference.range(start, end, limit, keysOnly);
  if (!same(page, wantedPage)) expect(page).toEqual(wantedPage);
  return 2;
}

/** A quick comparison; `expect` then says what differs. */
function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

describe("the store and a sorted list", () => {
  for (const seed of [1, 2, 3]) {
    test(`agree on 40,000 operations of seed ${seed}`, () => {
      const random = seededRandom(seed);
      const stores = { checked: new Store(), twin: new Store() };
      const reference = new Reference();
      let operations = 0;
      let sizeMax = 0;
      for (let turn = 0; operations < 40_000; turn++) {
        operations += applyRandomEntry(random, stores, reference);
        operations += checkRandomQueries(random, stores.checked, reference);
        if (turn % 7 === 0)
          for (const store of [stores.checked, stores.twin])
            store.apply(nextEntry(store, new Uint8Array(), "noop"), null);
        if (turn % 20 === 0) expect(stores.checked.stateHash()).toBe(stores.checked.recomputeStateHash());
        expect(stores.checked.stateHash()).toBe(stores.twin.stateHash());
        expect(stores.checked.revision).toBe(reference.revision);
        expect(stores.checked.keyCount).toBe(reference.size);
        sizeMax = Math.max(sizeMax, reference.size);
      }
      expect(sizeMax).toBeGreaterThan(30);
      const all = range(stores.checked);
      expect(all).toEqual(reference.range(new Uint8Array(), null, Infinity, false));
    });
  }
});
