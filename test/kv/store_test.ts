/** The revision rules, one test each: what every command does to the store, and what it answers. */
import { describe, expect, test } from "bun:test";
import { Store } from "../../src/kv/mod.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { CorruptError } from "../../src/lib/errors.ts";
import { readGetAnswer, resultBytes, writeGet } from "../../src/wire/mod.ts";
import {
  type TestCommand,
  apply,
  applyOne,
  bytes,
  compact,
  del,
  delRange,
  get,
  keysOf,
  nextEntry,
  payloadOf,
  put,
  range,
  read,
  thrown,
} from "./driver.ts";

describe("revisions", () => {
  test("the empty store has revision 1", () => {
    const store = new Store();
    expect(store.revision).toBe(1);
    expect(store.keyCount).toBe(0);
    expect(store.appliedIndex).toBe(0);
    expect(get(store, "a")).toEqual({ revision: 1, state: null });
    expect(range(store)).toEqual({ revision: 1, more: false, items: [] });
  });

  test("a put creates a key at version 1", () => {
    const store = new Store();
    expect(applyOne(store, put("a", "x"))).toEqual({ status: "ok", revision: 2, modRevision: 2, changed: 1 });
    expect(get(store, "a")).toEqual({
      revision: 2,
      state: { value: bytes("x"), createRevision: 2, modRevision: 2, version: 1, lease: 0 },
    });
    expect(store.keyCount).toBe(1);
  });

  test("a put of an existing key keeps its create revision and counts its version", () => {
    const store = new Store();
    apply(store, put("a", "x"), put("b", "y"));
    expect(applyOne(store, put("a", "z"))).toEqual({ status: "ok", revision: 4, modRevision: 4, changed: 1 });
    expect(get(store, "a").state).toEqual({
      value: bytes("z"),
      createRevision: 2,
      modRevision: 4,
      version: 2,
      lease: 0,
    });
    expect(get(store, "b").state?.modRevision).toBe(3);
    expect(store.keyCount).toBe(2);
  });

  test("a put of the same value is a change too", () => {
    const store = new Store();
    apply(store, put("a", "x"), put("a", "x"));
    expect(get(store, "a").state).toEqual({
      value: bytes("x"),
      createRevision: 2,
      modRevision: 3,
      version: 2,
      lease: 0,
    });
  });

  test("every command of an entry has its own revision and its own result", () => {
    const store = new Store();
    expect(apply(store, put("a", "1"), del("b"), put("b", "2"), del("a"))).toEqual([
      { status: "ok", revision: 2, modRevision: 2, changed: 1 },
      { status: "ok", revision: 2, modRevision: 0, changed: 0 },
      { status: "ok", revision: 3, modRevision: 3, changed: 1 },
      { status: "ok", revision: 4, modRevision: 0, changed: 1 },
    ]);
    expect(keysOf(range(store))).toEqual(["b"]);
  });

  test("a delete raises the revision once and takes the key away", () => {
    const store = new Store();
    apply(store, put("a", "x"));
    expect(applyOne(store, del("a"))).toEqual({ status: "ok", revision: 3, modRevision: 0, changed: 1 });
    expect(get(store, "a")).toEqual({ revision: 3, state: null });
    expect(range(store).items).toEqual([]);
    expect(store.keyCount).toBe(0);
  });

  test("a delete of nothing changes nothing", () => {
    const store = new Store();
    apply(store, put("a", "x"));
    const before = store.stateHash();
    expect(applyOne(store, del("b"))).toEqual({ status: "ok", revision: 2, modRevision: 0, changed: 0 });
    expect(applyOne(store, delRange("b", null))).toEqual({ status: "ok", revision: 2, modRevision: 0, changed: 0 });
    expect(store.stateHash()).toBe(before);
  });

  test("after a delete a key starts again at version 1 with a new create revision", () => {
    const store = new Store();
    apply(store, put("a", "x"), put("a", "y"), del("a"), put("a", "z"));
    expect(get(store, "a").state).toEqual({
      value: bytes("z"),
      createRevision: 5,
      modRevision: 5,
      version: 1,
      lease: 0,
    });
  });

  test("a delete of a range raises the revision by one, however many keys it takes", () => {
    const store = new Store();
    apply(store, put("a", "1"), put("b", "2"), put("c", "3"), put("d", "4"));
    expect(applyOne(store, delRange("b", "d"))).toEqual({ status: "ok", revision: 6, modRevision: 0, changed: 2 });
    expect(keysOf(range(store))).toEqual(["a", "d"]);
    expect(applyOne(store, delRange("", null))).toEqual({ status: "ok", revision: 7, modRevision: 0, changed: 2 });
    expect(store.keyCount).toBe(0);
  });

  test("a range whose end is not above its start is empty", () => {
    const store = new Store();
    apply(store, put("a", "1"), put("b", "2"));
    expect(applyOne(store, delRange("b", "a")).changed).toBe(0);
    expect(applyOne(store, delRange("a", "a")).changed).toBe(0);
    expect(range(store, { start: "b", end: "b" }).items).toEqual([]);
  });

  test("an empty value is a value", () => {
    const store = new Store();
    apply(store, put("a", ""));
    expect(get(store, "a").state?.value).toEqual(new Uint8Array());
    expect(store.keyCount).toBe(1);
  });
});

describe("conditions", () => {
  test("ifRevision 0 puts only a key that does not exist", () => {
    const store = new Store();
    expect(applyOne(store, put("a", "x", 0))).toEqual({ status: "ok", revision: 2, modRevision: 2, changed: 1 });
    expect(applyOne(store, put("a", "y", 0))).toEqual({
      status: "preconditionFailed",
      revision: 2,
      modRevision: 2,
      changed: 0,
    });
    expect(get(store, "a").state?.value).toEqual(bytes("x"));
    apply(store, del("a"));
    expect(applyOne(store, put("a", "z", 0)).status).toBe("ok");
  });

  test("ifRevision compares with the mod revision, and a failure tells the current one", () => {
    const store = new Store();
    apply(store, put("a", "x"), put("b", "other"), put("a", "y"));
    expect(applyOne(store, put("a", "z", 2))).toEqual({
      status: "preconditionFailed",
      revision: 4,
      modRevision: 4,
      changed: 0,
    });
    expect(applyOne(store, put("a", "z", 4))).toEqual({ status: "ok", revision: 5, modRevision: 5, changed: 1 });
    expect(get(store, "a").state?.version).toBe(3);
  });

  test("ifRevision on a key that does not exist fails with 0", () => {
    const store = new Store();
    expect(applyOne(store, put("a", "x", 1))).toEqual({
      status: "preconditionFailed",
      revision: 1,
      modRevision: 0,
      changed: 0,
    });
    expect(applyOne(store, del("a", 1))).toEqual({
      status: "preconditionFailed",
      revision: 1,
      modRevision: 0,
      changed: 0,
    });
    expect(store.keyCount).toBe(0);
  });

  test("a delete with ifRevision", () => {
    const store = new Store();
    apply(store, put("a", "x"), put("a", "y"));
    expect(applyOne(store, del("a", 2))).toEqual({
      status: "preconditionFailed",
      revision: 3,
      modRevision: 3,
      changed: 0,
    });
    expect(applyOne(store, del("a", 0))).toEqual({
      status: "preconditionFailed",
      revision: 3,
      modRevision: 3,
      changed: 0,
    });
    expect(applyOne(store, del("a", 3))).toEqual({ status: "ok", revision: 4, modRevision: 0, changed: 1 });
    expect(applyOne(store, del("a", 0))).toEqual({ status: "ok", revision: 4, modRevision: 0, changed: 0 });
  });

  test("a condition sees what the commands before it in the entry did", () => {
    const store = new Store();
    const results = apply(store, put("a", "x", 0), put("a", "y", 2), put("a", "z", 2));
    expect(results.map((result) => result.status)).toEqual(["ok", "ok", "preconditionFailed"]);
    expect(get(store, "a").state?.value).toEqual(bytes("y"));
  });
});

describe("entries", () => {
  test("noop and membership entries only move the applied index", () => {
    const store = new Store();
    apply(store, put("a", "x"));
    const before = store.stateHash();
    const results = new ByteWriter();
    store.apply(nextEntry(store, new Uint8Array(), "noop"), results);
    store.apply(nextEntry(store, new Uint8Array([1, 2, 3]), "membership"), results);
    expect(store.appliedIndex).toBe(3);
    expect(results.length).toBe(0);
    expect(store.stateHash()).toBe(before);
  });

  test("entries apply in order, each once", () => {
    const store = new Store();
    apply(store, put("a", "x"));
    const payload = payloadOf([put("a", "y")]);
    for (const index of [0, 1, 3]) {
      expect(() => {
        store.apply({ ...nextEntry(store, payload), index }, null);
      }).toThrow("in order");
    }
    expect(get(store, "a").state?.value).toEqual(bytes("x"));
    expect(store.appliedIndex).toBe(1);
  });

  test("an entry applies the same whether or not somebody waits for results", () => {
    const [a, b] = [new Store(), new Store()];
    const payload = payloadOf([put("a", "x"), del("b"), put("a", "y", 2)]);
    const results = new ByteWriter();
    a.apply(nextEntry(a, payload), results);
    b.apply(nextEntry(b, payload), null);
    expect(results.length).toBe(3 * resultBytes);
    expect(a.stateHash()).toBe(b.stateHash());
  });

  test("results are appended behind what the writer holds", () => {
    const store = new Store();
    const results = new ByteWriter();
    results.u8(7);
    store.apply(nextEntry(store, payloadOf([put("a", "x")])), results);
    expect(results.length).toBe(1 + resultBytes);
    expect(results.peek()[0]).toBe(7);
  });

  test("an entry of many commands does what they do one by one", () => {
    const commands: TestCommand[] = [];
    for (let i = 0; i < 200; i++) {
      commands.push(put(`key ${i % 23}`, "v".repeat(i)), del(`key ${(i * 7) % 31}`));
      if (i % 40 === 0) commands.push(compact(i), put("new".repeat(i + 1), ""));
    }
    const [together, single] = [new Store(), new Store()];
    const results = apply(together, ...commands);
    expect(commands.flatMap((command) => apply(single, command))).toEqual(results);
    expect(together.stateHash()).toBe(single.stateHash());
    expect(together.stateHash()).toBe(together.recomputeStateHash());
  });

  test("a damaged payload is corrupt, names its index and applies nothing at all", () => {
    const store = new Store();
    apply(store, put("a", "x"));
    const before = store.stateHash();
    const whole = payloadOf([put("a", "y"), put("b", "z")]);
    const wrongVersion = whole.slice();
    wrongVersion[0] = 2;
    for (const payload of [whole.subarray(0, whole.length - 1), wrongVersion, new Uint8Array()]) {
      const error = thrown(() => {
        store.apply(nextEntry(store, payload), null);
      });
      expect(error instanceof CorruptError).toBe(true);
      expect(String(error)).toContain("entry 2 ");
      expect(store.stateHash()).toBe(before);
      expect(store.appliedIndex).toBe(1);
    }
    store.apply(nextEntry(store, whole), null);
    expect(keysOf(range(store))).toEqual(["a", "b"]);
  });

  test("a value is a copy: neither a Uint8Array nor a Buffer of the payload is kept", () => {
    for (const payload of [payloadOf([put("a", "value")]), Buffer.from(payloadOf([put("a", "value")]))]) {
      const store = new Store();
      store.apply(nextEntry(store, payload), null);
      payload.fill(0xee);
      expect(get(store, "a").state?.value).toEqual(bytes("value"));
      expect(store.stateHash()).toBe(store.recomputeStateHash());
    }
  });

  test("an answer does not change when the key does", () => {
    const store = new Store();
    apply(store, put("a", "before"));
    const query = new ByteWriter();
    writeGet(query, bytes("a"));
    const answers = read(store, query.peek());
    apply(store, put("a", "behind"));
    expect(readGetAnswer(answers).state?.value).toEqual(bytes("before"));
  });

  test("what is not whole queries is corrupt, and where there is none nothing is answered", () => {
    const store = new Store();
    const query = new ByteWriter();
    writeGet(query, bytes("a"));
    const whole = query.take();
    for (const broken of [whole.subarray(0, whole.length - 1), new Uint8Array([...whole, 0])])
      expect(thrown(() => read(store, broken)) instanceof CorruptError).toBe(true);
    expect(read(store, new Uint8Array()).remaining).toBe(0);
  });
});
