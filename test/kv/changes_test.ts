/** What watches read: every change once and in order, however it is cut into portions, filtered or compacted. */
import { expect, test } from "bun:test";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { Store } from "../../src/kv/mod.ts";
import { readChangesAnswer, writeChanges } from "../../src/wire/mod.ts";
import type { ChangesAnswer, ChangesQuery } from "../../src/wire/mod.ts";
import { hexOf } from "../wire/damage.ts";
import { apply, applyOne, bytes, compact, del, delRange, put, read } from "./driver.ts";
import type { TestCommand } from "./driver.ts";

const everything = { start: new Uint8Array(), end: null, only: null, previous: true } as const;

function ask(store: Store, query: Omit<ChangesQuery, "kind">): ChangesAnswer {
  const writer = new ByteWriter();
  writeChanges(writer, query);
  const answer = read(store, writer.take());
  return readChangesAnswer(answer.bytes(answer.remaining));
}

/** All changes from `revision` on, portion by portion, as text; `portions` counts them. */
function changesFrom(store: Store, revision: number, query: Omit<ChangesQuery, "kind" | "from">): readonly string[] {
  const found: string[] = [];
  for (let from = { revision, skip: 0 }; from.revision <= store.revision;) {
    const { changes, next } = ask(store, { ...query, from });
    expect(next.revision > from.revision || next.skip > from.skip).toBe(true);
    for (const { key, state, previous } of changes) {
      const before = previous === null ? "" : ` was ${hexOf(previous.value).slice(0, 8)}@${previous.modRevision}`;
      found.push(
        `${state.modRevision} ${hexOf(key)} ${state.version}${state.version === 0 ? "" : ` ${hexOf(state.value).slice(0, 8)}`}${before}`,
      );
    }
    from = next;
  }
  return found;
}

test("random histories read from any revision, whole and filtered, are what was done", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed);
    const store = new Store();
    const keys = ["a", "a\0", "ab", "b", "c", "\u00ff"].map(bytes);
    const current = new Map<string, { version: number; value: string; at: number }>();
    const done: { readonly revision: number; readonly key: string; readonly isPut: boolean; readonly text: string }[] =
      [];
    const record = (key: string, value: string | null): void => {
      const before = current.get(key);
      const was = before === undefined ? "" : ` was ${before.value}@${before.at}`;
      const { revision } = store;
      const version = value === null ? 0 : (before?.version ?? 0) + 1;
      done.push({
        revision,
        key,
        isPut: value !== null,
        text: `${revision} ${key} ${version}${value === null ? "" : ` ${value}`}${was}`,
      });
      if (value === null) current.delete(key);
      else current.set(key, { version, value, at: revision });
    };
    for (let i = 0; i < 200; i++) {
      const key = keys[random.integer(0, keys.length - 1)] ?? bytes("a");
      const value = Uint8Array.of(i, i >> 8, 1, 1);
      const what = random.integer(0, 9);
      const revision = store.revision;
      if (what < 6) {
        applyOne(store, put(key, value));
        record(hexOf(key), hexOf(value));
      } else if (what < 8) {
        applyOne(store, del(key));
        if (store.revision > revision) record(hexOf(key), null);
      } else {
        applyOne(store, delRange(key, null));
        const gone = [...current.keys()].filter((other) => other >= hexOf(key)).sort();
        for (const other of gone) record(other, null);
      }
    }
    const from = random.integer(2, store.revision);
    const wanted = done.filter(({ revision }) => revision >= from);
    expect(changesFrom(store, from, everything)).toEqual(wanted.map(({ text }) => text));
    const puts = wanted.filter(({ isPut, key }) => isPut && key >= "61" && key < "62");
    const narrow = { start: bytes("a"), end: bytes("b"), only: "put", previous: true } as const;
    expect(changesFrom(store, from, narrow)).toEqual(puts.map(({ text }) => text));
    const deletes = wanted.filter(({ isPut }) => !isPut).map(({ text }) => text.replace(/ was .*/, ""));
    expect(changesFrom(store, from, { ...everything, only: "delete", previous: false })).toEqual(deletes);
  }
});

test("a revision that is too large for an answer is cut, and goes on where it was cut", () => {
  const store = new Store();
  const large = new Uint8Array(400 * 1024);
  const keys = ["a", "b", "c", "d", "e"];
  apply(store, ...keys.map((key): TestCommand => put(key, large)));
  applyOne(store, delRange("", null));
  applyOne(store, put("f", "small"));
  const places: string[] = [];
  let count = 0;
  for (let from = { revision: 7, skip: 0 }; from.revision <= store.revision;) {
    const { changes, next, revision } = ask(store, { ...everything, from });
    expect(revision).toBe(8);
    count += changes.length;
    places.push(`${next.revision}+${next.skip}`);
    from = next;
  }
  expect(places).toEqual(["7+2", "7+4", "9+0"]);
  expect(count).toBe(6);
});

test("what finds nothing in a long history still ends soon, and says how far it looked", () => {
  const store = new Store();
  apply(store, ...Array.from({ length: 25_000 }, (_, i): TestCommand => put(`k${i % 7}`, "v")));
  const places: number[] = [];
  for (let from = { revision: 2, skip: 0 }; from.revision <= store.revision;) {
    const { changes, next } = ask(store, { ...everything, start: bytes("zz"), from });
    expect(changes).toEqual([]);
    places.push(next.revision);
    from = next;
  }
  expect(places).toEqual([10_002, 20_002, 25_002]);
});

test("the future is waited for, and what is compacted is refused", () => {
  const store = new Store();
  apply(store, put("a", "1"), put("a", "2"), put("a", "3"), del("a"));
  expect(ask(store, { ...everything, from: { revision: 9, skip: 0 } })).toEqual({
    revision: 5,
    next: { revision: 9, skip: 0 },
    changes: [],
  });
  applyOne(store, compact(3));
  expect(() => ask(store, { ...everything, from: { revision: 3, skip: 0 } })).toThrow(
    "Cannot watch from revision 3: the changes up to revision 3 are compacted",
  );
  expect(changesFrom(store, 4, everything)).toEqual(["4 61 3 33 was 32@3", "5 61 0 was 33@4"].map((line) => line));
});
