/** Transactions: which branch is taken, that it is one revision, and what is refused before it is in the log. */
import { expect, test } from "bun:test";
import { Store } from "../../src/kv/mod.ts";
import { type Comparison, defaultCommandLimits, validateCommands } from "../../src/wire/mod.ts";
import {
  type TestOperation,
  type TestTxn,
  applyOne,
  bytes,
  del,
  delRange,
  encodeCommands,
  get,
  put,
  range,
  txnAnswer,
} from "./driver.ts";

function txn(parts: Partial<Omit<TestTxn, "kind">>): TestTxn {
  return { kind: "txn", compare: [], then: [], else: [], ...parts };
}

function comparison(
  target: Comparison["target"],
  relation: Comparison["relation"],
  operand: string | number,
): Comparison {
  return { key: bytes("k"), target, relation, operand: typeof operand === "string" ? bytes(operand) : operand };
}

test("all that a transaction changes shares one revision, and each operation sees those before it", () => {
  const store = new Store();
  for (const key of ["a", "b", "c"]) applyOne(store, put(key, "old"));
  const all = txn({
    then: [
      put("n", "1"),
      { kind: "get", key: "n" },
      del("a") as TestOperation,
      delRange("b", "d") as TestOperation,
      { kind: "range", start: "", end: null, limit: 9 },
    ],
  });
  const result = applyOne(store, all);
  expect(result).toMatchObject({ status: "ok", revision: 5, modRevision: 0, changed: 4 });
  const { succeeded, answers } = txnAnswer(all, result);
  expect(succeeded).toBe(true);
  expect(answers[0]).toEqual({ changed: 1 });
  expect(answers[1]).toMatchObject({ revision: 5, state: { modRevision: 5, version: 1 } });
  expect(answers.slice(2, 4)).toEqual([{ changed: 1 }, { changed: 2 }]);
  expect(answers[4]).toMatchObject({ revision: 5, items: [{ state: { modRevision: 5 } }] });
  expect(range(store, { revision: 4 }).items.length).toBe(3);
  expect(store.stateHash()).toBe(store.recomputeStateHash());
});

test("a transaction that changes nothing has no revision of its own", () => {
  const store = new Store();
  expect(applyOne(store, txn({ then: [{ kind: "get", key: "k" }, del("k") as TestOperation] }))).toMatchObject({
    revision: 1,
    changed: 0,
  });
});

test("comparisons decide between the branches", () => {
  const store = new Store();
  const holds = (...compare: Comparison[]): boolean => {
    const query = txn({ compare });
    return txnAnswer(query, applyOne(store, query)).succeeded;
  };
  expect(holds()).toBe(true);
  for (const relation of ["=", "!=", "<", ">"] as const) expect(holds(comparison("value", relation, ""))).toBe(false);
  expect([holds(comparison("version", "=", 0)), holds(comparison("version", ">", 0))]).toEqual([true, false]);
  applyOne(store, put("k", "m"));
  applyOne(store, put("k", "m"));
  const values = ["a", "m", "mm", "z"].map((value) =>
    (["=", "!=", "<", ">"] as const).filter((relation) => holds(comparison("value", relation, value))).join(),
  );
  expect(values).toEqual(["!=,>", "=", "!=,<", "!=,<"]);
  expect(holds(comparison("create_revision", "=", 2), comparison("mod_revision", "=", 3))).toBe(true);
  expect(holds(comparison("version", "=", 2), comparison("lease", "!=", 0))).toBe(false);
  const swap = txn({
    compare: [comparison("value", "=", "x")],
    then: [put("k", "t")],
    else: [put("k", "e")],
  });
  expect(txnAnswer(swap, applyOne(store, swap)).succeeded).toBe(false);
  expect(get(store, "k").state?.value).toEqual(bytes("e"));
});

test("answers that are too large together are left out", () => {
  const store = new Store();
  applyOne(store, put("k", new Uint8Array(1024 * 1024)));
  const gets = txn({ then: Array.from({ length: 10 }, (): TestOperation => ({ kind: "get", key: "k" })) });
  const { answers } = txnAnswer(gets, applyOne(store, gets));
  expect(answers.map((answer) => answer === "omitted")).toEqual([...Array<boolean>(7).fill(false), true, true, true]);
});

test("a transaction that writes a key twice, or is too large, never gets into the log", () => {
  const check = (then: readonly TestOperation[]): string => {
    const result = validateCommands(encodeCommands([txn({ then })]), defaultCommandLimits);
    return result.ok ? "ok" : `${result.code} ${result.message}`;
  };
  const put1 = (key: string): TestOperation => put(key, "v");
  expect(check([put1("a"), put1("b")])).toBe("ok");
  expect(check([put1("a"), put1("a")])).toContain("puts a key twice");
  expect(check([put1("a"), del("a") as TestOperation])).toContain("puts a key and deletes it");
  expect(check([delRange("", null) as TestOperation, put1("a")])).toContain("puts a key and deletes it");
  expect(check([delRange("b", "c") as TestOperation, put1("a"), put1("c"), del("x") as TestOperation])).toBe("ok");
  expect(check([put("a", "v", 7) as TestOperation])).toContain("a condition inside a transaction");
  expect(check([put("a", new Uint8Array(2 * 1024 * 1024)) as TestOperation])).toContain("TOO_LARGE");
  const many = (count: number): TestOperation[] => Array.from({ length: count }, (_, i) => put1(`k${i}`));
  expect(check(many(128))).toBe("ok");
  expect(check(many(129))).toContain("129 operations in a branch, the limit is 128");
  const nested = new Uint8Array(encodeCommands([txn({ then: [] })]));
  expect(validateCommands(Uint8Array.of(6, 0, 0, 0, 0, nested.length, ...nested), defaultCommandLimits).ok).toBe(false);
});
