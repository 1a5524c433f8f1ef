/** Views of a key space that goes on: what they hold in memory, and for how long. What they show is tested with images. */
import { expect, test } from "bun:test";
import { KeySpace } from "../../src/kv/key_space.ts";
import { noRow } from "../../src/kv/rows.ts";

const keyCount = 100;
const value = new Uint8Array(20);

function key(number: number): Uint8Array {
  return new TextEncoder().encode(`k${String(number).padStart(3, "0")}`);
}

function put(keys: KeySpace, number: number): void {
  const state = { value, revision: ++keys.revision, lease: 0 };
  const previous = keys.find(key(number));
  if (previous === noRow) keys.create(key(number), state);
  else keys.overwrite(previous, state);
}

function putAll(keys: KeySpace): void {
  for (let number = 0; number < keyCount; number++) put(keys, number);
}

function newKeySpace(): KeySpace {
  const keys = new KeySpace(1);
  putAll(keys);
  keys.compact(keys.revision);
  return keys;
}

test("versions that came and went while a view of keys is open take no room", () => {
  const keys = newKeySpace();
  const view = keys.view();
  for (let round = 0; round < 10; round++) {
    putAll(keys);
    keys.compact(keys.revision);
  }
  expect(keys.versions.rows.taken).toBe(2 * keyCount); // those of the view, and the newest
  view.close();
  expect(keys.versions.rows.taken).toBe(keyCount);
});

test("a version that a view of keys has visited takes no room", () => {
  const keys = newKeySpace();
  const view = keys.view();
  putAll(keys);
  keys.compact(keys.revision);
  let left = 30;
  expect(view.visit(() => --left > 0)).toBe(false);
  expect(keys.versions.rows.taken).toBe(2 * keyCount - 30);
  put(keys, 0); // visited: what it replaces is held for nobody
  put(keys, 99);
  keys.compact(keys.revision);
  expect(keys.versions.rows.taken).toBe(2 * keyCount - 30);
  expect(view.visit(() => true)).toBe(true);
  expect(keys.versions.rows.taken).toBe(keyCount);
  view.close();
});

test("a version stays until the last of its views has visited it", () => {
  const keys = newKeySpace();
  const views = [keys.view(), keys.view()] as const;
  putAll(keys);
  keys.compact(keys.revision);
  views[0].visit(() => true);
  expect(keys.versions.rows.taken).toBe(2 * keyCount);
  views[1].visit(() => true);
  expect(keys.versions.rows.taken).toBe(keyCount);
  for (const view of views) view.close();
});

test("a view of the history holds its changes and what they replaced until it has visited them", () => {
  const keys = newKeySpace();
  putAll(keys);
  const view = keys.historyView();
  putAll(keys);
  putAll(keys);
  keys.compact(keys.revision);
  expect(keys.versions.rows.taken).toBe(3 * keyCount);
  view.visitNewest((change, replaced) => {
    const { rows } = keys.versions;
    expect([rows.version(change), rows.version(replaced)]).toEqual([2, 1]);
  });
  expect(keys.versions.rows.taken).toBe(3 * keyCount - 2);
  while (view.length > 0) view.visitNewest(() => undefined);
  expect(keys.versions.rows.taken).toBe(keyCount);
  view.close();
});

test("a view that is closed early holds nothing", () => {
  const keys = newKeySpace();
  putAll(keys);
  const views = [keys.view(), keys.historyView()] as const;
  putAll(keys);
  keys.compact(keys.revision);
  expect(keys.versions.rows.taken).toBe(3 * keyCount);
  for (const view of views) view.close();
  expect(keys.versions.rows.taken).toBe(keyCount);
});

for (const kind of ["view", "historyView"] as const) {
  test(`a key that went while a ${kind} was open goes with it, once`, () => {
    const keys = newKeySpace();
    const view = keys[kind]();
    keys.delete(keys.find(key(7)), ++keys.revision);
    keys.compact(keys.revision);
    expect(keys.table.size).toBe(keyCount);
    view.close();
    expect(keys.table.size).toBe(keyCount - 1);
    keys[kind]().close();
    expect(keys.table.size).toBe(keyCount - 1);
  });
}
