/** Leases of the client library before real nodes: what hangs on them, and what renews them. */
import { expect, test } from "bun:test";
import { assert } from "../../src/lib/assert.ts";
import { connect, NotAppliedError, ProaError } from "../../src/mod.ts";
import type { Client, GrantedLease } from "../../src/mod.ts";
import { withCluster } from "../api/service_cluster.ts";
import type { ServiceCluster } from "../api/service_cluster.ts";

function withClient(size: number, use: (client: Client, cluster: ServiceCluster) => Promise<void>): Promise<void> {
  return withCluster(size, async (cluster) => {
    await cluster.leader();
    const endpoints = cluster.nodes.map(({ service }) => `127.0.0.1:${service.port}`);
    using client = connect({ endpoints, timeoutMs: 10_000 });
    await use(client, cluster);
  });
}

/** The code of what `promise` rejects with. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert(error instanceof ProaError, `expected a ProaError, not ${String(error)}`);
  return error.code;
}

test("keys hang on a lease, and go with it", () =>
  withClient(3, async (client) => {
    const { id, ttlMs } = await client.lease.grant({ ttlMs: 60_000 });
    expect([id, ttlMs]).toEqual([1, 60_000]);
    expect(await client.put("a", "1", { lease: id })).toEqual({ ok: true, revision: 2 });
    const moved = await client.txn({
      if: [{ key: "a", lease: id }],
      then: [
        { put: "b", value: "2", lease: id },
        { put: "a", value: "3" },
      ],
    });
    expect(moved.succeeded).toBe(true);
    expect([(await client.get("a"))?.lease, (await client.get("b"))?.lease]).toEqual([0, id]);
    expect(await client.lease.renew(id)).toEqual({ id, ttlMs });
    const found = await client.lease.timeToLive(id);
    expect(found).toMatchObject({ lease: { id, ttlMs, bound: false, keyCount: 1 }, next: null });
    expect(found?.keys.map(String)).toEqual(["98"]);
    expect((found?.lease.remainingMs ?? 0) > 50_000).toBe(true);
    expect(await client.lease.revoke(id)).toEqual({ ok: true, revision: 4, deleted: 1 });
    expect(await client.get("b")).toBe(null);
    expect(await client.lease.timeToLive(id)).toBe(null);
  }));

test("a put with a time to live grants a lease of its own, if it takes effect", () =>
  withClient(1, async (client) => {
    expect(await client.put("a", "1", { ttlMs: 60_000, ifAbsent: true })).toEqual({ ok: true, revision: 2, lease: 1 });
    expect(await client.put("a", "1", { ttlMs: 60_000, ifAbsent: true })).toMatchObject({ ok: false, modRevision: 2 });
    expect(await client.lease.list()).toMatchObject({ count: 1, leases: [{ id: 1, bound: true }], next: null });
    await client.delete("a");
    expect(await client.lease.list()).toEqual({ count: 0, leases: [], next: null });
  }));

test("leases and their keys come in pages", () =>
  withClient(1, async (client) => {
    for (let id = 5; id > 0; id--) await client.lease.grant({ ttlMs: 60_000, id: id * 10 });
    const first = await client.lease.list({ limit: 3 });
    expect([first.count, first.leases.map(({ id }) => id)]).toEqual([5, [50, 40, 30]]);
    const second = await client.lease.list({ after: first.next ?? 0 });
    expect([second.leases.map(({ id }) => id), second.next]).toEqual([[20, 10], null]);
    await Promise.all(["a", "b", "c"].map((key) => client.put(key, "v", { lease: 10 })));
    const page = await client.lease.timeToLive(10, { limit: 2 });
    assert(page?.next !== undefined && page.next !== null, "there is another page");
    expect((await client.lease.timeToLive(10, { start: page.next }))?.keys.map(String)).toEqual(["99"]);
  }));

test("what is wrong is refused before or by the store", () =>
  withClient(1, async (client) => {
    await client.lease.grant({ ttlMs: 60_000, id: 7 });
    expect(await codeOf(client.lease.grant({ ttlMs: 60_000, id: 7 }))).toBe("LEASE_EXISTS");
    expect(await codeOf(client.lease.grant({ ttlMs: 10 }))).toBe("INVALID_REQUEST");
    expect(await codeOf(client.lease.grant({ ttlMs: 1000, id: -1 }))).toBe("INVALID_REQUEST");
    expect(await codeOf(client.put("a", "v", { lease: 7, ttlMs: 1000 }))).toBe("INVALID_REQUEST");
    for (const call of [
      client.put("a", "v", { lease: 9 }),
      client.txn({ then: [{ put: "a", value: "v", lease: 9 }] }),
      client.lease.renew(9),
      client.lease.revoke(9),
      client.lease.keepAlive(9),
    ]) {
      expect(await codeOf(call)).toBe("LEASE_NOT_FOUND");
      expect(await call.catch((error: unknown) => error instanceof NotAppliedError)).toBe(true);
    }
    expect(await client.get("a")).toBe(null);
  }));

test(
  "a lease is kept for longer than its time, over a change of leaders, until it is let go",
  () =>
    withClient(3, async (client, cluster) => {
      const { id } = await client.lease.grant({ ttlMs: 1500 });
      const { revision } = await client.put("a", "v", { lease: id });
      const deletion = client.watch({ key: "a" }, { from: revision + 1, only: "delete" }).next();
      const renewals: GrantedLease[] = [];
      const { promise: enough, resolve } = Promise.withResolvers<undefined>();
      const kept = await client.lease.keepAlive(id, {
        onRenewed: (lease) => {
          if (renewals.push(lease) === 5) resolve(undefined); // the first at once, the others half a second apart
        },
      });
      (await cluster.leader()).node.transferLeader(0, null, () => undefined);
      await enough;
      expect(kept.lost.aborted).toBe(false);
      expect((await client.get("a"))?.text).toBe("v");
      kept.stop();
      expect((await deletion).value?.events[0]?.kind).toBe("delete"); // its time is over
      await kept.revoke(); // which is no error
    }),
  30_000,
);

test("who keeps a lease that ends hears of it", () =>
  withClient(1, async (client) => {
    const { id } = await client.lease.grant({ ttlMs: 1000 });
    const kept = await client.lease.keepAlive(id);
    const lost = new Promise((resolve) => {
      kept.lost.addEventListener("abort", resolve);
    });
    await client.lease.revoke(id);
    await lost;
    expect(kept.lost.reason instanceof ProaError && kept.lost.reason.code).toBe("LEASE_LOST");
    expect(String(kept.lost.reason)).toContain(`Cannot keep lease ${id}: its lease is over`);
  }));

test("a signal ends the renewals, and so does the end of a block", () =>
  withClient(1, async (client) => {
    const { id } = await client.lease.grant({ ttlMs: 1000 });
    const { revision } = await client.put("a", "v", { lease: id });
    const controller = new AbortController();
    await client.lease.keepAlive(id, { signal: controller.signal });
    controller.abort();
    const [gone] = (await client.watch({ key: "a" }, { from: revision + 1 }).next()).value?.events ?? [];
    expect(gone?.kind).toBe("delete");
    const other = await client.lease.grant({ ttlMs: 60_000 });
    {
      await using kept = await client.lease.keepAlive(other.id);
      expect(kept.ttlMs).toBe(60_000);
    }
    expect(await client.lease.timeToLive(other.id)).toBe(null);
  }));
