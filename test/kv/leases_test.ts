/** Leases in the store: what hangs on them, what ends them, and that none of it depends on a clock (rule C5). */
import { describe, expect, test } from "bun:test";
import { type LeaseListener, Store } from "../../src/kv/mod.ts";
import { Leases } from "../../src/kv/leases.ts";
import { type CommandResult, readGranted, type LeaseCommand } from "../../src/wire/mod.ts";
import {
  type TestCommand,
  type TestPut,
  type TestTxn,
  apply,
  applyOne,
  compact,
  del,
  delRange,
  get,
  history,
  keysOf,
  lease,
  leaseOf,
  leasesOf,
  nextEntry,
  onceResults,
  payloadOf,
  put,
  range,
  reopened,
} from "./driver.ts";

function grant(id = 0, ttlMs = 30_000): TestCommand {
  return lease({ kind: "grant", id, ttlMs });
}

function under(id: number, key: string, value = "v"): TestPut {
  return { ...put(key, value), lease: id };
}

function brief({ status, revision, changed }: CommandResult): string {
  return `${status} ${revision} ${changed}`;
}

function idsOf(store: Store): readonly number[] {
  return leasesOf(store).leases.map(({ id }) => id);
}

/** The same store from its image, which says the same of its leases. */
function reopenedWithLeases(store: Store): Store {
  const copy = reopened(store);
  expect(copy.stateHash()).toBe(copy.recomputeStateHash());
  expect(leasesOf(copy)).toEqual(leasesOf(store));
  for (const id of idsOf(store)) expect(leaseOf(copy, id)).toEqual(leaseOf(store, id));
  return copy;
}

describe("a lease", () => {
  test("has the id that is asked for, or one that the store never chose before", () => {
    const store = new Store();
    const ids = apply(store, grant(), grant(3), grant(), grant(), lease({ kind: "revoke", id: 5 }), grant());
    expect(ids.filter(({ body }) => body?.length === 16).map((result) => readGranted(result).id)).toEqual([
      1, 3, 4, 5, 6,
    ]);
    expect(applyOne(store, grant(3)).status).toBe("leaseExists");
    expect(idsOf(store)).toEqual([1, 3, 4, 6]);
    expect(store.revision).toBe(1); // no key has changed
  });

  test("takes its keys with it in one revision, in their order, each with one change", () => {
    const store = new Store();
    apply(store, grant(7), under(7, "b"), put("other", "x"), under(7, "a"), under(7, "c"));
    expect(leaseOf(store, 7).keys.map(String)).toEqual(["97", "98", "99"]);
    expect(leaseOf(store, 7, { limit: 1 })).toMatchObject({ more: true, lease: { keyCount: 3 } });
    expect(leaseOf(store, 7, { start: "b\0" })).toMatchObject({ more: false, keys: [new Uint8Array([99])] });
    expect(brief(applyOne(store, lease({ kind: "revoke", id: 7 })))).toBe("ok 6 3");
    expect(keysOf(range(store))).toEqual(["other"]);
    for (const key of ["a", "b", "c"])
      expect(history(store, key).versions[0]).toMatchObject({ modRevision: 6, version: 0 });
    expect(leaseOf(store, 7).lease).toBe(null);
    expect(brief(applyOne(store, lease({ kind: "revoke", id: 7 })))).toBe("leaseNotFound 6 0");
  });

  test("without keys ends without a revision", () => {
    const store = new Store();
    apply(store, grant(7));
    expect(brief(applyOne(store, lease({ kind: "revoke", id: 7 })))).toBe("ok 1 0");
  });

  test("is left by a key that is put without it, put under another, or deleted", () => {
    const store = new Store();
    apply(store, grant(7), grant(8), under(7, "a"), under(7, "b"), under(7, "c"), under(7, "d"));
    expect(get(store, "a").state?.lease).toBe(7);
    apply(store, put("a", "v"), under(8, "b"), del("c"));
    expect(get(store, "a").state?.lease).toBe(0);
    expect(leasesOf(store).leases.map(({ keyCount }) => keyCount)).toEqual([1, 1]);
    apply(store, lease({ kind: "revoke", id: 7 }));
    expect(keysOf(range(store))).toEqual(["a", "b"]);
    apply(store, delRange("", null), lease({ kind: "revoke", id: 8 }));
    expect(store.keyCount).toBe(0);
  });

  test("that is missing refuses a put, alone and in a transaction, which then changes nothing", () => {
    const store = new Store();
    apply(store, put("a", "v"));
    expect(brief(applyOne(store, under(9, "a")))).toBe("leaseNotFound 2 0");
    const then = [put("b", "v"), under(9, "c")] as const;
    expect(brief(applyOne(store, { kind: "txn", compare: [], then, else: [] }))).toBe("leaseNotFound 2 0");
    expect(keysOf(range(store))).toEqual(["a"]);
    expect(get(store, "a").state?.version).toBe(1);
    // The branch that is not taken may name anything.
    expect(brief(applyOne(store, { kind: "txn", compare: [], then: [put("b", "v")], else: then }))).toBe("ok 3 1");
  });

  test("is compared in a transaction, and put in it", () => {
    const store = new Store();
    apply(store, grant(7), under(7, "a"));
    const ifLease = (operand: number): TestTxn => {
      const compare = [{ key: new Uint8Array([97]), target: "lease", relation: "=", operand } as const];
      return { kind: "txn", compare, then: [under(7, "yes")], else: [put("no", "v")] };
    };
    applyOne(store, ifLease(7));
    applyOne(store, ifLease(8));
    expect(range(store).items.map(({ state }) => state.lease)).toEqual([7, 0, 7]);
    apply(store, lease({ kind: "revoke", id: 7 }));
    expect(keysOf(range(store))).toEqual(["no"]);
  });

  test("has old versions of its keys in the history, under its name", () => {
    const store = new Store();
    apply(store, grant(7), under(7, "a"), put("a", "w"), lease({ kind: "revoke", id: 7 }));
    expect(get(store, "a", 2).state?.lease).toBe(7);
    expect(get(store, "a").state?.lease).toBe(0);
    const copy = reopenedWithLeases(store);
    expect(get(copy, "a", 2).state?.lease).toBe(7);
    apply(copy, compact(3));
    expect(copy.stateHash()).toBe(copy.recomputeStateHash());
  });
});

describe("the end of a time", () => {
  const renew = lease({ kind: "renew", id: 7 });
  const expire = (renewal: number): TestCommand => lease({ kind: "expire", id: 7, renewal });

  test("is void where the lease was renewed before it in the log", () => {
    const store = new Store();
    const granted: LeaseCommand = { kind: "expire", id: 7, renewal: 1 };
    apply(store, grant(7), under(7, "a"));
    expect(brief(applyOne(store, renew))).toBe("ok 2 0");
    expect(brief(applyOne(store, lease(granted)))).toBe("leaseNotFound 2 0");
    expect(store.keyCount).toBe(1);
    expect(brief(applyOne(store, expire(2)))).toBe("ok 3 1");
    expect(brief(applyOne(store, renew))).toBe("leaseNotFound 3 0");
  });

  test("of a lease is not that of another with its id", () => {
    const store = new Store();
    apply(store, grant(7), lease({ kind: "revoke", id: 7 }), grant(7), under(7, "a"));
    expect(applyOne(store, expire(1)).status).toBe("leaseNotFound");
    expect(applyOne(store, expire(2)).status).toBe("ok");
  });

  test("comes nearer by a checkpoint, and further away by a renewal alone", () => {
    const store = new Store();
    const left = (): number => leaseOf(store, 7).lease?.remainingMs ?? 0;
    const checkpoint = (renewal: number, remainingMs: number): TestCommand =>
      lease({
        kind: "checkpoint",
        leases: [
          { id: 7, renewal, remainingMs },
          { id: 99, renewal: 1, remainingMs: 1 },
        ],
      });
    apply(store, grant(7, 30_000), checkpoint(1, 20_000));
    expect(left()).toBe(20_000);
    apply(store, checkpoint(1, 25_000));
    expect(left()).toBe(20_000);
    store.stateHash();
    expect(left()).toBe(leaseOf(reopenedWithLeases(store), 7).lease?.remainingMs ?? -1);
    apply(store, renew, checkpoint(1, 5000));
    expect(left()).toBe(30_000);
    apply(store, checkpoint(2, 0));
    expect(left()).toBe(0);
  });
});

describe("a lease that is granted with a put", () => {
  const withTtl = (key: string): TestPut => ({ ...put(key, "v"), ttlMs: 5000 });

  test("ends with its last key, not before and not without being told", () => {
    const store = new Store();
    const granted = readGranted(applyOne(store, withTtl("a")));
    expect(granted).toEqual({ id: 1, ttlMs: 5000 });
    expect(leaseOf(store, 1).lease).toMatchObject({ bound: true, keyCount: 1 });
    applyOne(store, withTtl("a"));
    expect(idsOf(store)).toEqual([2]);
    apply(store, under(2, "b"), del("a"));
    expect(idsOf(store)).toEqual([2]);
    apply(store, del("b"));
    expect(idsOf(store)).toEqual([]);
    expect(readGranted(applyOne(store, withTtl("a"))).id).toBe(3);
    expect(brief(applyOne(store, lease({ kind: "expire", id: 3, renewal: 3 })))).toBe("ok 8 1");
  });

  test("is not granted where the condition of the put does not hold", () => {
    const store = new Store();
    apply(store, put("a", "v"));
    expect(applyOne(store, { ...withTtl("a"), ifRevision: 0 }).status).toBe("preconditionFailed");
    expect(idsOf(store)).toEqual([]);
  });

  test("outlives a transaction that moves it from one key to another", () => {
    const store = new Store();
    applyOne(store, withTtl("a"));
    apply(store, { kind: "txn", compare: [], then: [{ kind: "delete", key: "a" }, under(1, "b")], else: [] });
    expect(leaseOf(store, 1).lease?.keyCount).toBe(1);
    expect(keysOf(range(store))).toEqual(["b"]);
  });
});

test("a command about a lease takes effect once under its id", () => {
  const store = new Store();
  const id = { born: 0, session: "s", seq: 1 };
  const request: TestCommand = {
    kind: "once",
    id,
    commands: [grant(), under(1, "a"), { ...put("b", "v"), ttlMs: 1000 }],
  };
  const first = onceResults(applyOne(store, request));
  expect(first.map(brief)).toEqual(["ok 1 0", "ok 2 1", "ok 3 1"]);
  expect(onceResults(applyOne(reopenedWithLeases(store), request))).toEqual(first);
  expect(idsOf(store)).toEqual([1, 2]);
});

test("an image holds leases and what hangs on them; a listener hears of all that happens, also behind an image", () => {
  const heard: string[] = [];
  const listener: LeaseListener = {
    onBegun: ({ id, remainingMs }) => void heard.push(`begun ${id} ${remainingMs}`),
    onCheckpoint: ({ id, remainingMs }) => void heard.push(`checkpoint ${id} ${remainingMs}`),
    onEnded: (id) => void heard.push(`ended ${id}`),
    onReplaced: () => void heard.push("replaced"),
  };
  const store = new Store();
  apply(store, grant(7, 2000), under(7, "a"), under(7, "b"), { ...put("c", "v"), ttlMs: 1000 });
  const copy = new Store();
  copy.listenToLeases(listener);
  const image = store.image();
  apply(store, lease({ kind: "revoke", id: 7 })); // the image is of before
  const sink = copy.restore(1);
  for (let slice = image.next(7); slice !== null; slice = image.next(7)) sink.push(slice);
  sink.finish();
  expect(Array.from(copy.leases(), ({ id, remainingMs }) => [id, remainingMs])).toEqual([
    [7, 2000],
    [2, 1000],
  ]);
  apply(copy, lease({ kind: "renew", id: 7 }), grant(8, 3000));
  apply(copy, lease({ kind: "checkpoint", leases: [{ id: 8, renewal: 4, remainingMs: 2500 }] }));
  apply(copy, lease({ kind: "expire", id: 7, renewal: 3 }), del("c"));
  const wanted = ["replaced", "begun 7 2000", "begun 8 3000", "checkpoint 8 2500", "ended 7", "ended 2"];
  expect(heard).toEqual(wanted);
  expect(copy.keyCount).toBe(0);
});

test("leases are listed page by page in the order of their grants, whatever is renewed or ends meanwhile", () => {
  const store = new Store();
  apply(store, ...Array.from({ length: 25 }, (_, at) => grant(100 - at)));
  const seen: number[] = [];
  for (let after = 0, more = true; more;) {
    const page = leasesOf(store, { after, limit: 10 });
    seen.push(...page.leases.map(({ id }) => id));
    ({ more } = page);
    after = page.leases.at(-1)?.granted ?? 0;
    apply(store, lease({ kind: "renew", id: 100 }), lease({ kind: "revoke", id: seen.at(-1) ?? 0 }));
  }
  expect(seen).toEqual(Array.from({ length: 25 }, (_, at) => 100 - at));
});

test("there is a limit of leases, and it costs nothing but the grant", () => {
  const leases = new Leases(2);
  const grants = [1, 2, 3].map((id) => leases.grant({ id, ttlMs: 1000, bound: false }));
  expect(grants.map((granted) => (typeof granted === "string" ? granted : granted.id))).toEqual([
    1,
    2,
    "tooManyLeases",
  ]);
  leases.end(1);
  expect(typeof leases.grant({ id: 0, ttlMs: 1000, bound: false })).toBe("object");
});

test("many keys on one lease go at the cost of each alone", () => {
  const store = new Store();
  applyOne(store, grant(7));
  const count = 5000;
  const payload = payloadOf(Array.from({ length: count }, (_, at) => under(7, `key/${at}`)));
  store.apply(nextEntry(store, payload), null);
  expect(leaseOf(store, 7).lease?.keyCount).toBe(count);
  expect(applyOne(store, lease({ kind: "expire", id: 7, renewal: 1 })).changed).toBe(count);
  expect(store.keyCount).toBe(0);
  expect(store.stateHash()).toBe(store.recomputeStateHash());
});
