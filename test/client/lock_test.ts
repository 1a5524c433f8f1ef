/** Locks of the library before real nodes: the order of the queue, tokens, semaphores, patience, and what happens when a holder is cut off. */
import { expect, test } from "bun:test";
import { assert } from "../../src/lib/assert.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { connect } from "../../src/mod.ts";
import type { Client, Lock } from "../../src/mod.ts";
import { withCluster } from "../api/service_cluster.ts";
import type { ServiceCluster } from "../api/service_cluster.ts";
import { CuttingProxy } from "../helpers/cutting_proxy.ts";

const ttlMs = 60_000;

function withClient(size: number, use: (client: Client, cluster: ServiceCluster) => Promise<void>): Promise<void> {
  return withCluster(size, async (cluster) => {
    await cluster.leader();
    using client = connect({ endpoints: cluster.nodes.map(({ service }) => `127.0.0.1:${service.port}`) });
    await use(client, cluster);
  });
}

/** How many hold the lock or wait for it. */
async function queueLength(client: Client, name: string): Promise<number> {
  return (await client.range({ prefix: `/proa/lock/${name}/` }, { keysOnly: true })).items.length;
}

/** Asks for the lock `count` times, each behind the one before. */
async function inOrder(
  client: Client,
  { name, count, holders }: { readonly name: string; readonly count: number; readonly holders: number },
): Promise<readonly Promise<Lock>[]> {
  const locks: Promise<Lock>[] = [];
  for (let i = 1; i <= count; i++) {
    locks.push(client.lock(name, { ttlMs, holders }));
    for (let length = 0; length < i;) length = await queueLength(client, name);
  }
  return locks;
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert(false, "it did not reject"),
    (error: unknown) => error,
  );
}

/** Whether `promise` has not ended, once the cluster has answered a question that was asked afterwards. */
async function isPending(client: Client, promise: Promise<unknown>): Promise<boolean> {
  let isOver = false;
  void promise.then(() => {
    isOver = true;
  });
  await client.revision();
  return !isOver;
}

test("one after the other has it, in the order of arrival, and tokens rise", () =>
  withClient(3, async (client) => {
    const waiting = await inOrder(client, { name: "a", count: 4, holders: 1 });
    const tokens: number[] = [];
    for (const [at, promise] of waiting.entries()) {
      const lock = await promise;
      tokens.push(lock.token);
      expect((await client.get(lock.key))?.createRevision).toBe(lock.token);
      for (const later of waiting.slice(at + 1)) expect(await isPending(client, later)).toBe(true);
      await lock.release();
      await lock.release(); // once more does no harm
    }
    expect(tokens).toEqual([...new Set(tokens)].toSorted((a, b) => a - b));
    expect(await queueLength(client, "a")).toBe(0);
    // Another name is another lock, also one that begins alike.
    await using first = await client.lock("a");
    await using second = await client.lock("a/b");
    expect(second.token).toBeGreaterThan(first.token);
  }));

test("so many as it is told have it at once, and whoever goes lets the next one in", () =>
  withClient(1, async (client) => {
    const waiting = await inOrder(client, { name: "s", count: 5, holders: 2 });
    const [first, second, third, fourth, fifth] = waiting;
    const locks = [await first, await second];
    expect(await isPending(client, Promise.race([third, fourth, fifth]))).toBe(true);
    await locks[0]?.release(); // not the last of those who hold it
    const next = await third;
    expect(await isPending(client, Promise.race([fourth, fifth]))).toBe(true);
    await Promise.all([next?.release(), locks[1]?.release()]);
    await Promise.all([fourth, fifth].map(async (promise) => (await promise)?.release()));
  }));

test("who gives up leaves the queue at once, and says why", () =>
  withClient(1, async (client) => {
    const held = await client.lock("g", { ttlMs });
    const tooLate = await rejection(client.lock("g", { ttlMs, timeoutMs: 500 }));
    assert(tooLate instanceof ProaError, "an error of ours");
    expect([tooLate.code, tooLate.exit, tooLate.message]).toEqual([
      "WAIT_TIMEOUT",
      124,
      "Cannot lock g: others had it for all of the 500 ms",
    ]);
    const stop = new AbortController();
    const stopped = client.lock("g", { ttlMs, signal: stop.signal });
    for (let length = 0; length < 2;) length = await queueLength(client, "g");
    stop.abort(new Error("changed my mind"));
    expect(String(await rejection(stopped))).toBe("Error: changed my mind");
    expect(await queueLength(client, "g")).toBe(1);
    for (const wrong of [{ ttlMs: 999 }, { holders: 0 }, { timeoutMs: 0 }]) {
      expect(await rejection(client.lock("g", wrong))).toMatchObject({ code: "INVALID_REQUEST" });
    }
    expect(await rejection(client.lock(""))).toMatchObject({ code: "INVALID_REQUEST" });
    client.close();
    expect(() => {
      held.check();
    }).toThrow("Cannot hold the lock g any longer: the client was closed");
  }));

test("who waits and loses its lease goes to the end of the queue", () =>
  withClient(1, async (client) => {
    const [held, unlucky, other] = await inOrder(client, { name: "w", count: 3, holders: 1 });
    const { items } = await client.range({ prefix: "/proa/lock/w/" });
    const places = items.toSorted((a, b) => a.createRevision - b.createRevision);
    await client.delete(places[1]?.keyText ?? "");
    const first = await held;
    await first?.release();
    const second = await other;
    assert(second !== undefined, "the one behind it has it");
    expect(second.token).toBe(places[2]?.createRevision ?? 0);
    await second.release();
    expect((await unlucky)?.token).toBeGreaterThan(second.token);
    await (await unlucky)?.release();
  }));

test("a lock outlives the leader", () =>
  withClient(3, async (client, cluster) => {
    const renewed = Promise.withResolvers<undefined>();
    let leaderIsGone = false;
    await using lock = await client.lock("l", {
      ttlMs: 5000,
      onRenewed: () => {
        if (leaderIsGone) renewed.resolve(undefined);
      },
    });
    const leader = await cluster.leader();
    leader.node.stop();
    await leader.service.stop();
    leaderIsGone = true;
    await renewed.promise;
    lock.check();
    expect((await client.get(lock.key))?.createRevision).toBe(lock.token);
  }));

test("who is cut off loses it before the next one has it", () =>
  withClient(1, async (client, cluster) => {
    const proxy = await CuttingProxy.start({
      target: cluster.one.service.port,
      random: seededRandom(1),
      cutRate: 0,
    });
    cluster.redirect(1, proxy.endpoint);
    try {
      using cutOff = connect({ endpoints: [proxy.endpoint] });
      const renewed = Promise.withResolvers<number>();
      const lock = await cutOff.lock("c", {
        ttlMs: 1000,
        onRenewed: ({ heldUntil }) => {
          renewed.resolve(heldUntil);
        },
      });
      const before = lock.heldUntil;
      expect(await renewed.promise).toBeGreaterThan(before);
      proxy.fallSilent();
      const events: string[] = [];
      lock.lost.addEventListener("abort", () => events.push("lost"));
      const next = client.lock("c", { ttlMs });
      void next.then(() => events.push("next"));
      const other = await next;
      expect(performance.now()).toBeGreaterThan(lock.heldUntil);
      expect(events).toEqual(["lost", "next"]);
      expect(other.token).toBeGreaterThan(lock.token);
      await other.release();
      expect(() => {
        lock.check();
      }).toThrow("Cannot hold the lock c any longer: no renewal of its lease was confirmed for");
    } finally {
      proxy.stop();
    }
  }));
