/** Requests of many queries: answered as if each came alone. */
import { describe, expect, test } from "bun:test";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";
import { Store } from "../../src/kv/mod.ts";
import {
  writeGet,
  writeGetAt,
  writeHistory,
  writeLeaseQuery,
  writeLeasesQuery,
  writeRange,
  writeSettingsQuery,
} from "../../src/wire/mod.ts";
import { apply, bytes, del, put } from "./driver.ts";

const clock = { remainingMs: () => null };

function keyOf(number: number): Uint8Array {
  return bytes(`key/${number}`);
}

/** A store in which of a hundred keys some were never there, some are gone and some were overwritten. */
function storeOf(random: Random, valueBytes: number): Store {
  const store = new Store();
  const value = (): Uint8Array => new Uint8Array(valueBytes).fill(random.integer(0, 255));
  apply(store, ...Array.from({ length: 80 }, (_, number) => put(keyOf(number), value())));
  apply(store, ...Array.from({ length: 40 }, () => put(keyOf(random.integer(0, 79)), value())));
  apply(store, ...Array.from({ length: 20 }, () => del(keyOf(random.integer(0, 99)))));
  return store;
}

function randomQuery(random: Random): Uint8Array {
  const writer = new ByteWriter();
  const key = keyOf(random.integer(0, 99));
  const kind = random.next();
  if (kind < 0.9) writeGet(writer, key);
  else if (kind < 0.92) writeGetAt(writer, { key, revision: 5 });
  else if (kind < 0.94) writeRange(writer, { start: key, end: null, limit: 3, keysOnly: false });
  else if (kind < 0.96) writeHistory(writer, { key, below: null, limit: 10 });
  else if (kind < 0.98) writeSettingsQuery(writer);
  else writeLeasesQuery(writer, { after: 0, limit: 10 });
  return writer.take();
}

function joined(queries: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter();
  for (const query of queries) writer.bytes(query);
  return writer.take();
}

function answersOf(store: Store, queries: Uint8Array): Uint8Array {
  const answers = new ByteWriter();
  expect(store.read(queries, answers, { clock, answersBytesMax: Infinity })).toBe("answered");
  return answers.take();
}

describe("a request of many queries", () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    test(`has the answers that they have alone (seed ${seed})`, () => {
      const random = seededRandom(seed);
      const store = storeOf(random, 20);
      for (const count of [1, 31, 32, 33, 64, 65, 200]) {
        const queries = Array.from({ length: count }, () => randomQuery(random));
        const alone = joined(queries.map((query) => answersOf(store, query)));
        expect(answersOf(store, joined(queries))).toEqual(alone);
      }
    });
  }

  test("ends where its answers become too large, with little more than the limit", () => {
    const store = storeOf(seededRandom(1), 1000);
    const gets = new ByteWriter();
    for (let number = 0; number < 100; number++) writeGet(gets, keyOf(number));
    const queries = gets.take();
    const answers = new ByteWriter();
    expect(store.read(queries, answers, { clock, answersBytesMax: 10_000 })).toBe("tooLarge");
    expect(answers.length).toBeLessThan(50_000);
    const all = answersOf(store, queries).length;
    expect(store.read(queries, new ByteWriter(), { clock, answersBytesMax: all })).toBe("answered");
    expect(store.read(queries, new ByteWriter(), { clock, answersBytesMax: all - 1 })).toBe("tooLarge");
  });

  test("ends where one asks what only a clock tells, and nobody has one", () => {
    const store = storeOf(seededRandom(1), 10);
    for (const ask of [
      (writer: ByteWriter) => writeLeaseQuery(writer, { id: 1, start: bytes(""), limit: 1 }),
      (writer: ByteWriter) => writeLeasesQuery(writer, { after: 0, limit: 1 }),
    ]) {
      const queries = new ByteWriter();
      writeGet(queries, keyOf(1));
      ask(queries);
      expect(store.read(queries.take(), new ByteWriter(), { clock: null, answersBytesMax: 1000 })).toBe("needsClock");
    }
  });
});
