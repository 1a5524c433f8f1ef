/** The hash table of the keys against a map, with keys of all bytes and lengths. */
import { expect, test } from "bun:test";
import { KeyRecord } from "../../src/kv/key_record.ts";
import { KeyTable } from "../../src/kv/key_table.ts";
import { seededRandom } from "../../src/lib/random.ts";

function recordOf(key: string): KeyRecord {
  const record = new KeyRecord();
  record.key = key;
  return record;
}

/** What the table says of `key`, asked in both ways. */
function found(table: KeyTable, key: string): KeyRecord | null {
  const bytes = new Uint8Array(Buffer.from(`<${key}>`, "latin1"));
  const record = table.find(bytes, 1, 1 + key.length);
  if (table.get(key) !== record) throw new Error(`${key} is found as bytes or as text, but not as both`);
  return record;
}

for (const seed of [1, 2, 3]) {
  test(`agrees with a map through random changes, seed ${seed}`, () => {
    const random = seededRandom(seed);
    const keys = Array.from({ length: 400 }, (_, number) => {
      const length = random.integer(1, 12);
      const text = Array.from({ length }, () => String.fromCharCode(random.integer(0, 255))).join("");
      return `${text}${number}`;
    });
    const table = new KeyTable(seed);
    const map = new Map<string, KeyRecord>();
    for (let step = 0; step < 20_000; step++) {
      const key = keys[random.integer(0, keys.length - 1)] ?? "";
      const record = map.get(key);
      expect(found(table, key)).toBe(record ?? null);
      if (record === undefined) {
        const created = recordOf(key);
        table.add(created);
        map.set(key, created);
      } else if (random.next() < 0.5) {
        if (random.next() < 0.5) found(table, keys[random.integer(0, keys.length - 1)] ?? ""); // another was found last
        const next = recordOf(key);
        table.replace(record, next);
        map.set(key, next);
      } else {
        table.delete(key);
        map.delete(key);
      }
      expect(table.size).toBe(map.size);
    }
    expect(new Set(table.values())).toEqual(new Set(map.values()));
    for (const key of keys) expect(found(table, key)).toBe(map.get(key) ?? null);
  });
}

test("keeps a hundred thousand keys, and none that was taken out", () => {
  const table = new KeyTable(7);
  const records = Array.from({ length: 100_000 }, (_, number) => recordOf(`key/${number}`));
  for (const record of records) table.add(record);
  for (const [number, { key }] of records.entries()) if (number % 3 === 0) table.delete(key);
  const wrong = records.filter((record, number) => found(table, record.key) !== (number % 3 === 0 ? null : record));
  expect(wrong).toEqual([]);
});

test("a key is added once, and only what is there is replaced or taken out", () => {
  const table = new KeyTable(7);
  table.add(recordOf("a"));
  expect(() => {
    table.add(recordOf("a"));
  }).toThrow("once");
  expect(() => {
    table.replace(recordOf("b"), recordOf("b"));
  }).toThrow("is there");
  expect(() => {
    table.delete("b");
  }).toThrow("is there");
});

test("keys come and go for long: those that are there are found, and what is gone takes no room", () => {
  const table = new KeyTable(7);
  let before: readonly KeyRecord[] = [];
  for (let round = 0; round < 12; round++) {
    const records = Array.from({ length: 10_000 }, (_, number) => recordOf(`key/${round % 3}/${number}`));
    for (const { key } of before) table.delete(key);
    for (const record of records) table.add(record);
    expect(records.filter((record) => found(table, record.key) !== record)).toEqual([]);
    expect(before.filter(({ key }) => found(table, key) !== null)).toEqual([]);
    before = records;
  }
  expect(table.size).toBe(10_000);
  expect(table.keyBytesHeld).toBeLessThan(4 * 10_000 * "key/0/1234".length);
});
