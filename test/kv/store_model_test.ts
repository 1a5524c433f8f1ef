/**
 * Random commands and queries against a reference that is too simple to be wrong. `PROA_MODEL_OPERATIONS` says how many
 * operations there are for each seed, for longer runs by hand.
 */
import { describe, expect, test } from "bun:test";
import { Store } from "../../src/kv/mod.ts";
import { ByteReader } from "../../src/lib/byte_reader.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";
import { type CommandResult, readResult } from "../../src/wire/mod.ts";
import { type TestCommand, bytes, compact, get, history, nextEntry, payloadOf, range } from "./driver.ts";
import { Reference } from "./reference.ts";

const operationsMin = Number(process.env["PROA_MODEL_OPERATIONS"] ?? 4_000);

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
  const dice = random.integer(0, 199);
  if (dice < 130) {
    const value = Uint8Array.from({ length: random.integer(0, 12) }, () => random.integer(0, 255));
    return { kind: "put", key, value, ...condition };
  }
  if (dice < 190) return { kind: "delete", key, ...condition };
  if (dice < 194)
    return compact(random.integer(0, 9) === 0 ? reference.revision + 1 : randomRevision(random, reference));
  // Short ranges mostly: a store that is always empty tests little.
  const start = randomKey(random, 2);
  return { kind: "deleteRange", start, end: dice === 194 ? randomEnd(random) : new Uint8Array([...start, 0xff, 0xff]) };
}

/** A revision that can be read. */
function randomRevision(random: Random, { compactedRevision, revision }: Reference): number {
  return Math.max(compactedRevision, revision - random.integer(0, 150));
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
  expectSame(actual, expected);
  return commands.length;
}

function checkRandomQueries(random: Random, store: Store, reference: Reference): number {
  const key = randomKey(random, 1);
  expectSame(get(store, key), reference.get(key));
  const revision = randomRevision(random, reference);
  expectSame(get(store, key, revision), reference.get(key, revision));
  const start = randomKey(random, 0);
  const end = randomEnd(random);
  const options = {
    limit: random.integer(1, 60),
    keysOnly: random.integer(0, 1) === 1,
    ...(random.integer(0, 1) === 1 && { revision }),
  };
  expectSame(range(store, { start, ...(end !== null && { end }), ...options }), reference.range(start, end, options));
  const { versions, compactedRevision } = history(store, key);
  expectSame(versions, reference.history(key));
  expect(compactedRevision).toBe(reference.compactedRevision);
  return 4;
}

/** A quick comparison; `expect` then says what differs. */
function expectSame(actual: unknown, expected: unknown): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) expect(actual).toEqual(expected);
}

describe("the store and a list of all changes", () => {
  for (const seed of [1, 2, 3]) {
    test(`agree on ${operationsMin} operations of seed ${seed}`, () => {
      const random = seededRandom(seed);
      const stores = { checked: new Store(), twin: new Store() };
      const reference = new Reference();
      let operations = 0;
      let sizeMax = 0;
      for (let turn = 0; operations < operationsMin; turn++) {
        operations += applyRandomEntry(random, stores, reference);
        operations += checkRandomQueries(random, stores.checked, reference);
        if (turn % 7 === 0)
          for (const store of [stores.checked, stores.twin])
            store.apply(nextEntry(store, new Uint8Array(), "noop"), null);
        if (turn % 50 === 0) expect(stores.checked.stateHash()).toBe(stores.checked.recomputeStateHash());
        if (turn % 100 === 99) stores.twin = reopened(stores.twin);
        expect(stores.checked.stateHash()).toBe(stores.twin.stateHash());
        expect(stores.checked.revision).toBe(reference.revision);
        expect(stores.checked.keyCount).toBe(reference.size);
        sizeMax = Math.max(sizeMax, reference.size);
      }
      expect(sizeMax).toBeGreaterThan(30);
      const all = range(stores.checked);
      expect(all).toEqual(reference.range(bytes(""), null, { limit: Infinity, keysOnly: false }));
    });
  }
});

/** The same store, from its image. */
function reopened(store: Store): Store {
  const image = store.image();
  const next = new Store();
  const sink = next.restore(store.appliedIndex);
  for (let slice = image.next(1000); slice !== null; slice = image.next(1000)) sink.push(slice);
  sink.finish();
  return next;
}
