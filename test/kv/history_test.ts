/** Old revisions: what they show, how far they reach back, and that they take no more memory than they may. */
import { expect, test } from "bun:test";
import { Store } from "../../src/kv/mod.ts";
import { defaultSettings } from "../../src/wire/mod.ts";
import { apply, applyOne, compact, del, delRange, get, history, keysOf, put, range, thrown } from "./driver.ts";

function textOf(answer: ReturnType<typeof get>): string | null {
  return answer.state === null ? null : new TextDecoder().decode(answer.state.value);
}

/** Revisions 2 to 6. */
function sampleStore(): Store {
  const store = new Store();
  apply(store, put("a", "1"), put("b", "1"), put("a", "2"), del("a"), put("a", "3"));
  return store;
}

test("a key is read as it was at any revision", () => {
  const store = sampleStore();
  const values = [1, 2, 3, 4, 5, 6].map((revision) => textOf(get(store, "a", revision)));
  expect(values).toEqual([null, "1", "1", "2", null, "3"]);
  expect(get(store, "a", 4).state).toMatchObject({ createRevision: 2, modRevision: 4, version: 2 });
  expect(get(store, "a", 4).revision).toBe(6);
  expect(get(store, "a", 6).state).toMatchObject({ createRevision: 6, modRevision: 6, version: 1 });
});

test("a range is read as it was, with keys that are gone and without those that came later", () => {
  const store = new Store();
  apply(store, put("b", "1"), put("d", "1"), put("f", "1"));
  apply(store, delRange("c", "e"), put("a", "1"), put("e", "1"), del("b"));
  const at = (revision: number): string => keysOf(range(store, { revision })).join("");
  expect([1, 2, 3, 4, 5, 6, 7, 8].map(at)).toEqual(["", "b", "bd", "bdf", "bf", "abf", "abef", "aef"]);
  expect(keysOf(range(store, { revision: 4, start: "c", end: "f", limit: 1 }))).toEqual(["d"]);
  expect(range(store, { revision: 4, limit: 2 }).more).toBe(true);
});

test("a history is the newest first, with tombstones, in pages", () => {
  const store = sampleStore();
  const versions = (options = {}): string[] =>
    history(store, "a", options).versions.map(({ modRevision, version }) => `${modRevision}/${version}`);
  expect(versions()).toEqual(["6/1", "5/0", "4/2", "2/1"]);
  expect(versions({ limit: 2 })).toEqual(["6/1", "5/0"]);
  expect(history(store, "a", { limit: 2 }).more).toBe(true);
  expect(versions({ below: 5 })).toEqual(["4/2", "2/1"]);
  expect(history(store, "nothing").versions).toEqual([]);
});

test("what is compacted cannot be read, and the error names the revision; what is left can", () => {
  const store = sampleStore();
  applyOne(store, compact(4));
  const error = thrown(() => get(store, "a", 3));
  expect(error).toMatchObject({ code: "COMPACTED", exit: 5, revision: 4 });
  expect(String(error)).toContain("revision 3: what was before 4 is compacted");
  expect(thrown(() => range(store, { revision: 1 }))).toMatchObject({ code: "COMPACTED" });
  expect(thrown(() => get(store, "a", 7))).toMatchObject({ code: "FUTURE_REVISION", exit: 5, revision: 6 });
  expect([4, 5, 6].map((revision) => textOf(get(store, "a", revision)))).toEqual(["2", null, "3"]);
  expect(textOf(get(store, "b", 4))).toBe("1");
  expect(history(store, "a").versions.map(({ modRevision }) => modRevision)).toEqual([6, 5, 4]);
  expect(history(store, "a").compactedRevision).toBe(4);
});

test("compaction never goes back, nor beyond the newest revision, and is no change of a key", () => {
  const store = sampleStore();
  expect(applyOne(store, compact(1000))).toEqual({ status: "ok", revision: 6, modRevision: 0, changed: 0 });
  applyOne(store, compact(2));
  expect(thrown(() => get(store, "a", 5))).toMatchObject({ revision: 6 });
  expect(textOf(get(store, "a", 6))).toBe("3");
  expect(store.stateHash()).toBe(store.recomputeStateHash());
});

/** Compacts as a leader does. */
function compactWhenDue(store: Store): void {
  const { compactionDue } = store;
  if (compactionDue !== null) applyOne(store, compact(compactionDue));
  expect(store.compactionDue).toBe(null);
}

test("the number of revisions stays within a tenth of its setting", () => {
  const store = new Store();
  applyOne(store, { kind: "set", settings: { history_revisions: 100 } });
  for (let i = 0; i < 1000; i++) {
    applyOne(store, put(`k${i % 10}`, "v"));
    compactWhenDue(store);
    const { revision } = store;
    expect(get(store, "k0", Math.max(1, revision - 100)).revision).toBe(revision);
  }
  expect(thrown(() => get(store, "k0", store.revision - 111))).toMatchObject({ code: "COMPACTED" });
});

test("old values take no more than the bytes that they may, however few revisions they are", () => {
  const store = new Store();
  applyOne(store, { kind: "set", settings: { history_bytes: 1024 * 1024 } });
  for (let i = 0; i < 100; i++) {
    applyOne(store, put("large", new Uint8Array(100_000)));
    compactWhenDue(store);
  }
  const kept = history(store, "large").versions.length;
  expect(kept > 5 && kept <= 13).toBe(true);
  for (let i = 0; i < 100; i++) {
    apply(store, put("large", new Uint8Array(100_000)), del("large"));
    compactWhenDue(store);
  }
  expect(history(store, "large").versions.length).toBeLessThan(26);
});

test("settings outlive an image, and default to what a new cluster has", () => {
  const store = new Store();
  const empty = store.stateHash();
  applyOne(store, { kind: "set", settings: { history_revisions: 7 } });
  expect(store.stateHash() === empty).toBe(false);
  const image = store.image();
  const copy = new Store();
  const sink = copy.restore(1);
  for (let slice = image.next(100); slice !== null; slice = image.next(100)) sink.push(slice);
  sink.finish();
  expect(copy.stateHash()).toBe(store.stateHash());
  applyOne(store, { kind: "set", settings: { history_revisions: defaultSettings.history_revisions } });
  expect(store.stateHash()).toBe(empty);
});
