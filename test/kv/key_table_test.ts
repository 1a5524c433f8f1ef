/** The hash table of the keys against a map, with keys of all bytes and lengths. */
import { expect, test } from "bun:test";
import { batchKeysMax, KeyBatch } from "../../src/kv/key_batch.ts";
import { KeyTable, lowerBound, upperBound } from "../../src/kv/key_table.ts";
import { type KeyNumber, noKey, noRow } from "../../src/kv/rows.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";
import { keyText } from "../../src/wire/mod.ts";

function bytesOf(key: string): Uint8Array {
  return new Uint8Array(Buffer.from(key, "latin1"));
}

/** What the table says of `key`, which it is shown among other bytes. */
function found(table: KeyTable, key: string): KeyNumber {
  return table.find(bytesOf(`<${key}>`), 1, 1 + key.length);
}

function anyKeys(random: Random, count: number): readonly string[] {
  return Array.from({ length: count }, (_, number) => {
    const length = random.integer(1, 12);
    const text = Array.from({ length }, () => String.fromCharCode(random.integer(0, 255))).join("");
    return `${text}${number}`;
  });
}

for (const seed of [1, 2, 3]) {
  test(`agrees with a map through random changes, seed ${seed}`, () => {
    const random = seededRandom(seed);
    const keys = anyKeys(random, 400);
    const table = new KeyTable(seed);
    const map = new Map<string, { readonly number: KeyNumber; version: number }>();
    for (let step = 0; step < 20_000; step++) {
      const key = keys[random.integer(0, keys.length - 1)] ?? "";
      const known = map.get(key);
      if (found(table, key) !== (known?.number ?? noKey)) expect(`step ${step}`).toBe("found");
      if (known === undefined) {
        const number = table.add(bytesOf(key));
        table.setNewest(number, step);
        map.set(key, { number, version: step });
      } else if (random.next() < 0.5) {
        table.setNewest(known.number, step);
        known.version = step;
      } else {
        table.delete(known.number);
        map.delete(key);
      }
      if (table.size !== map.size) expect(`step ${step}`).toBe("of the same size");
    }
    expect(new Set(table.all())).toEqual(new Set([...map.values()].map(({ number }) => number)));
    for (const [key, { number, version }] of map) {
      expect(found(table, key)).toBe(number);
      expect([keyText(table.bytes(number)), table.newest(number)]).toEqual([key, version]);
    }
  });
}

test("compares keys and bounds by their bytes", () => {
  const random = seededRandom(4);
  const keys = ["a", "ab", "a\0", "b", "\xff", "\xffa", ...anyKeys(random, 60)];
  const table = new KeyTable(4);
  const numbers = keys.map((key) => table.add(bytesOf(key)));
  const ofTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  for (const [i, a] of keys.entries()) {
    for (const [j, b] of keys.entries()) {
      expect(Math.sign(table.compare(numbers[i] ?? noKey, numbers[j] ?? noKey))).toBe(ofTexts(a, b));
      table.setBounds({ start: bytesOf(b), end: bytesOf(a) });
      expect(Math.sign(table.compare(numbers[i] ?? noKey, lowerBound))).toBe(ofTexts(a, b));
      expect(Math.sign(table.compare(upperBound, numbers[j] ?? noKey))).toBe(ofTexts(a, b));
    }
  }
});

test("keeps a hundred thousand keys, and none that was taken out", () => {
  const table = new KeyTable(7);
  const keys = Array.from({ length: 100_000 }, (_, number) => `key/${number}`);
  const numbers = keys.map((key) => table.add(bytesOf(key)));
  for (const [at, number] of numbers.entries()) if (at % 3 === 0) table.delete(number);
  const wrong = keys.filter((key, at) => found(table, key) !== (at % 3 === 0 ? noKey : numbers[at]));
  expect(wrong).toEqual([]);
});

test("many keys looked for together: what is there is found, and a look alone tells most of it", () => {
  const table = new KeyTable(7);
  const keys = Array.from({ length: 3200 }, (_, number) => `key/${number}`);
  const versions = keys.map((_, at) => (at % 3 === 0 ? noRow : at + 1));
  for (const [at, key] of keys.entries()) if (at % 3 > 0) table.setNewest(table.add(bytesOf(key)), at + 1);
  let seen = 0;
  for (let first = 0; first < keys.length; first += batchKeysMax) {
    const batch = new KeyBatch();
    let bytes = "";
    for (const key of keys.slice(first, first + batchKeysMax)) {
      batch.add({ keyStart: bytes.length + 1, keyEnd: bytes.length + 1 + key.length });
      bytes += `-${key}`;
    }
    table.lookAt(bytesOf(bytes), batch);
    seen += batch.found.filter((row, at) => row === versions[first + at]).length;
    table.findAll(bytesOf(bytes), batch);
    expect([...batch.found]).toEqual(versions.slice(first, first + batchKeysMax));
  }
  expect(seen).toBeGreaterThan(1500); // the others stand behind another key
  expect(seen).toBeLessThan(3000);
});

test("a key is added once, and only what is there is taken out", () => {
  const table = new KeyTable(7);
  const number = table.add(bytesOf("a"));
  expect(() => {
    table.add(bytesOf("a"));
  }).toThrow("once");
  table.delete(number);
  for (const gone of [number, noKey, number + 1]) {
    expect(() => {
      table.delete(gone);
    }).toThrow("is there");
  }
});

test("keys come and go for long: those that are there are found, and what is gone takes no room", () => {
  const table = new KeyTable(7);
  let before: readonly { readonly key: string; readonly number: KeyNumber }[] = [];
  for (let round = 0; round < 12; round++) {
    const keys = Array.from({ length: 10_000 }, (_, number) => `key/${round % 3}/${number}`);
    for (const { number } of before) table.delete(number);
    const added = keys.map((key) => ({ key, number: table.add(bytesOf(key)) }));
    expect(added.filter(({ key, number }) => found(table, key) !== number)).toEqual([]);
    expect(before.filter(({ key }) => found(table, key) !== noKey)).toEqual([]);
    before = added;
  }
  expect(table.size).toBe(10_000);
  expect(Math.max(...table.all())).toBe(10_000);
  expect(table.keyBytesHeld).toBeLessThan(4 * 10_000 * "key/0/1234".length);
});
