/** The state hash tells any two states apart and never depends on the way to a state. */
import { describe, expect, test } from "bun:test";
import { Store } from "../../src/kv/mod.ts";
import { recordHash } from "../../src/kv/state_hash.ts";
import { type TestCommand, apply, compact, del, put } from "./driver.ts";

function hashAfter(...commands: TestCommand[]): string {
  const store = new Store();
  if (commands.length > 0) apply(store, ...commands);
  expect(store.stateHash()).toBe(store.recomputeStateHash());
  return store.stateHash();
}

describe("the state hash", () => {
  test("is 16 hexadecimal digits, the same in every version: nodes of different versions compare it", () => {
    expect(hashAfter()).toBe("14006568bf3e4175");
    expect(hashAfter(put("a", "1"), put("b", "2"), put("a", "3"), del("b"))).toBe("d3bf6061c5945ef1");
  });

  test("differs when a key, a value, a revision or a version differs", () => {
    const hashes = [
      hashAfter(),
      hashAfter(put("a", "1")),
      hashAfter(put("b", "1")),
      hashAfter(put("a", "2")),
      hashAfter(put("a", "")),
      hashAfter(put("a", "\0")),
      hashAfter(put("ab", "c")),
      hashAfter(put("a", "bc")),
      hashAfter(put("a", "1"), put("a", "1")),
      hashAfter(put("a", "1"), del("a")),
      hashAfter(put("a", "1"), del("a"), put("a", "1")),
      hashAfter(put("a", "1"), put("a", "1"), put("a", "1")),
      hashAfter(put("x", "1"), put("a", "1"), del("x")),
      hashAfter(put("a", "1"), put("b", "2")),
      hashAfter(put("a", "2"), put("b", "1")),
      hashAfter(put("b", "1"), put("a", "2")),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  test("does not depend on the way to a state", () => {
    const forgotten = compact(4);
    expect(hashAfter(put("x", "1"), put("a", "v"), del("x"), forgotten)).toBe(
      hashAfter(put("y", "other"), put("a", "v"), del("y"), forgotten),
    );
  });

  test("an empty store that was never empty before is told apart by its revision", () => {
    const a = hashAfter(put("a", "1"), del("a"), compact(3));
    expect(a).toBe(hashAfter(put("b", "2"), del("b"), compact(3)));
    expect(a === hashAfter()).toBe(false);
    expect(a === hashAfter(put("a", "1"), del("a"))).toBe(false); // there the history can be read
  });

  test("takes in all 53 bits of each number", () => {
    const state = { value: new Uint8Array(), createRevision: 5, modRevision: 6, version: 7, lease: 8 };
    const hashes = [recordHash(1, state)];
    for (const name of ["createRevision", "modRevision", "version", "lease"] as const) {
      for (const bit of [2 ** 31, 2 ** 32, 2 ** 52])
        hashes.push(recordHash(1, { ...state, [name]: state[name] + bit }));
    }
    expect(new Set(hashes.map((hash) => hash.hashHigh)).size).toBe(hashes.length);
    expect(new Set(hashes.map((hash) => hash.hashLow)).size).toBe(hashes.length);
  });
});
