/** Requests with an id take effect at most once (rule C1, invariant I10). */
import { expect, test } from "bun:test";
import { Store } from "../../src/kv/mod.ts";
import { defaultCommandLimits, parseRequestId, requestIdText, validateCommands } from "../../src/wire/mod.ts";
import {
  type TestCommand,
  type TestOnce,
  apply,
  applyOne,
  encodeCommands,
  get,
  onceResults,
  put,
  reopened,
} from "./driver.ts";

function once(seq: number, commands: readonly TestCommand[], session = "s", born = 0): TestOnce {
  return { kind: "once", id: { session, born, seq }, commands };
}

test("a repeated request is answered as it was, and changes nothing, also behind an image (rule C1)", () => {
  let store = new Store();
  const request = once(1, [put("k", "1"), put("k", "2", 999), put("k", "3")]);
  const first = onceResults(applyOne(store, request));
  expect(first.map(({ status, revision }) => `${status} ${revision}`)).toEqual([
    "ok 2",
    "preconditionFailed 2",
    "ok 3",
  ]);
  applyOne(store, put("k", "other"));
  for (let i = 0; i < 3; i++) {
    const again = applyOne(store, request);
    expect(again).toMatchObject({ status: "ok", revision: 4, changed: 0 });
    expect(onceResults(again)).toEqual(first);
    expect(get(store, "k").state?.modRevision).toBe(4);
    store = reopened(store);
  }
  expect(onceResults(applyOne(store, once(2, [put("k", "5")])))).toMatchObject([{ status: "ok", revision: 5 }]);
  expect(onceResults(applyOne(store, once(1, [put("k", "6")], "t")))).toMatchObject([{ status: "ok", revision: 6 }]);
});

test("an answer is forgotten by the settings alone, and its request is then refused, never carried out again", () => {
  const store = new Store();
  applyOne(store, { kind: "set", settings: { request_answers: 3 } });
  for (let seq = 1; seq <= 5; seq++) applyOne(store, once(seq, [put("k", String(seq))]));
  expect(store.revision).toBe(6);
  const outcomes = [1, 2, 3, 4, 5].map((seq) => applyOne(store, once(seq, [put("k", "again")])).status);
  expect(outcomes).toEqual(["requestExpired", "requestExpired", "ok", "ok", "ok"]);
  expect(store.revision).toBe(6);
  // A session whose answers are all gone is refused as a whole, and so is each that may have been there.
  for (let i = 0; i < 3; i++) applyOne(store, once(1, [put("k", "x")], `other${i}`, 5));
  expect(applyOne(store, once(6, [put("k", "again")])).status).toBe("requestExpired");
  expect(applyOne(store, once(1, [put("k", "new")], "never_seen", 0)).status).toBe("requestExpired");
  expect(applyOne(store, once(1, [put("k", "new")], "never_seen", 1)).status).toBe("ok");
  expect(applyOne(reopened(store), once(6, [put("k", "again")])).status).toBe("requestExpired");
});

test("large answers are forgotten sooner", () => {
  const store = new Store();
  applyOne(store, { kind: "set", settings: { request_bytes: 1024 } });
  for (let seq = 1; seq <= 10; seq++) applyOne(store, once(seq, [put("k", String(seq)), put("l", "")]));
  const kept = [...Array(10).keys()].filter((at) => applyOne(store, once(at + 1, [put("k", "")])).status === "ok");
  expect(kept).toEqual([6, 7, 8, 9]);
});

test("a session cannot begin in the future: it would outlive what is forgotten", () => {
  const store = new Store();
  expect(applyOne(store, once(1, [put("k", "1")], "s", 1)).status).toBe("requestUnborn");
  expect(store.revision).toBe(1);
  apply(store, put("k", "1"));
  expect(applyOne(store, once(1, [put("k", "1")], "s", 1)).status).toBe("ok");
});

test("results are kept alike where somebody waits for them and where nobody does", () => {
  const [leader, follower] = [new Store(), new Store()];
  const read: TestCommand = { kind: "txn", compare: [], then: [{ kind: "get", key: "k" }], else: [] };
  for (const command of [put("k", "v"), once(1, [read, put("k", "w")])]) {
    applyOne(leader, command);
    const payload = new Uint8Array([1, ...encodeCommands([command])]);
    follower.apply({ index: follower.appliedIndex + 1, term: 1, kind: "commands", payload, checksum: 0 }, null);
  }
  expect(follower.stateHash()).toBe(leader.stateHash());
});

test("what stands under an id is checked like anything else", () => {
  const check = (command: TestCommand): string => {
    const result = validateCommands(encodeCommands([command]), defaultCommandLimits);
    return result.ok ? "ok" : result.message;
  };
  expect(check(once(1, [put("k", "v")]))).toBe("ok");
  expect(check(once(1, []))).toContain("holds no command");
  expect(check(once(1, [once(2, [put("k", "v")])]))).toContain("a request with an id inside of another");
  expect(check(once(1, [{ kind: "compact", revision: 5 }]))).toContain("the leader does it");
  expect(check(once(1, [put("k", "v")], "no name!"))).toContain("a session that has no name");
});

test("an id is text, and back", () => {
  const id = { born: 1042, session: "k3J_9x", seq: 7 };
  expect(requestIdText(id)).toBe("1042-k3J_9x.7");
  expect(requestIdText({ ...id, seq: 1 })).toBe("1042-k3J_9x");
  for (const seq of [1, 7]) expect(parseRequestId(requestIdText({ ...id, seq }))).toEqual({ ...id, seq });
  for (const text of ["", "x", "1042", "1042-", "1042-a b", "1042-a.0", "-a", "99999999999999999-a"])
    expect(parseRequestId(text)).toBe(null);
});
