/** Keys of any bytes, their order, and how ranges are cut into pages. */
import { describe, expect, test } from "bun:test";
import { Store } from "../../src/kv/mod.ts";
import { keyBytes, keyText, prefixEnd, rangeAnswerBytesMax } from "../../src/wire/mod.ts";
import { apply, applyOne, bytes, delRange, get, keysOf, put, range } from "./driver.ts";

/** In the order of their bytes. UTF-16 would put the emoji (F0 9F …) before U+FF5E (EF BD 9E). */
const strangeKeys = [
  Uint8Array.of(0),
  Uint8Array.of(0, 0),
  bytes(" "),
  bytes("/"),
  bytes("/a/b"),
  bytes("a"),
  bytes("a\0"),
  bytes("a/"),
  bytes("a/b"),
  bytes("ab"),
  bytes("é"),
  bytes("～"),
  bytes("🚣"),
  Uint8Array.of(0xf0, 0x9f, 0xff),
  Uint8Array.of(0xff),
  Uint8Array.of(0xff, 0),
  Uint8Array.of(0xff, 0xff),
];

function storeOf(keys: readonly Uint8Array[]): Store {
  const store = new Store();
  apply(store, ...keys.map((key) => put(key, key)));
  return store;
}

describe("order", () => {
  test("keys come in the order of their bytes", () => {
    const shuffled = [...strangeKeys].reverse();
    const store = storeOf([...shuffled.slice(5), ...shuffled.slice(0, 5)]);
    expect(range(store).items.map((item) => item.key)).toEqual(strangeKeys);
    expect(range(store).items.map((item) => item.state.value)).toEqual(strangeKeys);
    for (const key of strangeKeys) expect(get(store, key).state?.value).toEqual(key);
  });

  test("every byte is a key of its own and comes back as it was", () => {
    const keys = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
    const store = storeOf(keys);
    expect(store.keyCount).toBe(256);
    expect(range(store).items.map((item) => item.key)).toEqual(keys);
    for (const key of keys) expect(keyBytes(keyText(key))).toEqual(key);
  });

  test("a range holds its start and not its end", () => {
    const store = storeOf(["a", "b", "c", "d"].map(bytes));
    expect(keysOf(range(store, { start: "b", end: "d" }))).toEqual(["b", "c"]);
    expect(keysOf(range(store, { start: "b" }))).toEqual(["b", "c", "d"]);
    expect(keysOf(range(store, { end: "b" }))).toEqual(["a"]);
    expect(keysOf(range(store, { start: "bb", end: "cc" }))).toEqual(["c"]);
    expect(keysOf(range(store, { start: "e" }))).toEqual([]);
  });

  test("a prefix is a range up to its prefix end", () => {
    const store = storeOf(strangeKeys);
    for (const prefix of [bytes("a"), bytes("a/"), bytes("/"), Uint8Array.of(0xff), Uint8Array.of(0xff, 0xff)]) {
      const end = prefixEnd(prefix);
      const found = range(store, { start: prefix, ...(end !== null && { end }) });
      expect(keysOf(found)).toEqual(strangeKeys.map(keyText).filter((key) => key.startsWith(keyText(prefix))));
    }
  });

  test("a range is deleted by bytes too", () => {
    const store = storeOf(strangeKeys);
    expect(applyOne(store, delRange(bytes("a"), prefixEnd(bytes("a")))).changed).toBe(5);
    expect(applyOne(store, delRange(Uint8Array.of(0xff), null)).changed).toBe(3);
    expect(store.keyCount).toBe(strangeKeys.length - 8);
  });
});

describe("pages", () => {
  test("a limit cuts the answer and says whether there is more", () => {
    const store = storeOf(["a", "b", "c"].map(bytes));
    expect(keysOf(range(store, { limit: 2 }))).toEqual(["a", "b"]);
    expect(range(store, { limit: 2 }).more).toBe(true);
    expect(range(store, { limit: 3 }).more).toBe(false);
    expect(range(store, { limit: 4 }).more).toBe(false);
    expect(range(store, { limit: 1, start: "c" }).more).toBe(false);
  });

  test("without values the items keep their revisions", () => {
    const store = storeOf([bytes("a")]);
    const [item] = range(store, { keysOnly: true }).items;
    expect(item).toEqual({
      key: bytes("a"),
      state: { value: new Uint8Array(), createRevision: 2, modRevision: 2, version: 1, lease: 0 },
    });
  });

  test("an answer stays within its bytes, and pages put together are the whole", () => {
    const store = new Store();
    const value = new Uint8Array(1024 * 1024);
    const names = Array.from({ length: 20 }, (_, i) => `key-${String(i).padStart(2, "0")}`);
    for (const name of names) apply(store, put(name, value));
    const seen: string[] = [];
    let pages = 0;
    for (let start = ""; ; pages++) {
      const page = range(store, { start });
      const size = page.items.reduce((sum, item) => sum + item.key.length + item.state.value.length, 0);
      expect(size <= rangeAnswerBytesMax).toBe(true);
      seen.push(...keysOf(page));
      if (!page.more) break;
      expect(page.items.length).toBe(7); // an eighth would go beyond by what it takes besides its value
      start = `${seen.at(-1)}\0`;
    }
    expect(seen).toEqual(names);
    expect(pages).toBe(2);
    expect(keysOf(range(store, { keysOnly: true }))).toEqual(names);
  });

  test("an item larger than an answer may be comes alone", () => {
    const store = new Store();
    apply(store, put("a", new Uint8Array(rangeAnswerBytesMax + 1)), put("b", "x"));
    const page = range(store);
    expect(keysOf(page)).toEqual(["a"]);
    expect(page.more).toBe(true);
    expect(keysOf(range(store, { start: "a\0" }))).toEqual(["b"]);
  });
});
