/** Rules X1, X2, X3 and X5 with the real node: clocks that lie, processes that stand still, power cuts at any write, and code that throws. */
import { expect, test } from "bun:test";
import { runSeed } from "../../src/sim/mod.ts";
import { TestCluster, textOf } from "./cluster.ts";

test("X1 the wall clock never enters: a run is the same whatever it says", () => {
  const seeds = [5];
  const honest = seeds.map((seed) => runSeed(seed).traceHash);
  const { now } = Date;
  let calls = 0;
  Date.now = () => now() + (calls++ % 2 === 0 ? -86_400_000 : 86_400_000); // strobes by a day, both ways
  try {
    expect(seeds.map((seed) => runSeed(seed).traceHash)).toEqual(honest);
  } finally {
    Date.now = now;
  }
});

test("X2 a follower that stood still for ten timeouts reads its sockets first, and stays a follower", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const follower = cluster.follower();
  const { term } = leader.view(0);
  cluster.pause(follower.id);
  for (let i = 0; i < 5; i++) {
    cluster.put(leader, `k${i}`, "v");
    cluster.advance(2 * cluster.limits.electionTimeoutMs);
  }
  const roles: string[] = [];
  const stop = follower.onChange(() => roles.push(follower.view(0).role));
  cluster.resume(follower.id);
  cluster.advance(cluster.limits.electionTimeoutMs);
  stop();
  expect(roles.filter((role) => role !== "follower")).toEqual([]);
  expect(follower.view(0)).toMatchObject({ leader: leader.id, term });
  expect(leader.view(0)).toMatchObject({ role: "leader", term });
  expect(textOf(cluster.get(follower, "k4", "stale"))).toBe("v");
});

test("X2 a leader that stood still believes nothing of what it knew before: no lease, no write, no read", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const old = cluster.leader();
  cluster.put(old, "k", "old");
  cluster.advance(cluster.limits.electionTimeoutMs);
  cluster.pause(old.id);
  const others = cluster.nodes.filter((node) => node !== old);
  cluster.until(() => others.some((node) => node.view(0).role === "leader" && node.view(0).ready));
  const successor = others.find((node) => node.view(0).role === "leader");
  if (successor === undefined) throw new Error("there is a leader");
  const put = cluster.put(successor, "k", "new");
  cluster.settle();
  expect(put.end?.kind).toBe("applied");
  cluster.isolate(old.id); // what the others sent meanwhile is lost: only its own clock can tell it
  const reads = (["lease", "linearizable"] as const).map((consistency) => cluster.get(old, "k", consistency));
  const write = cluster.put(old, "k", "by the old one");
  cluster.resume(old.id);
  cluster.settle();
  expect(reads.map((read) => read.end?.kind ?? "waits")).not.toContain("answered");
  cluster.network.heal();
  cluster.advance(3 * cluster.limits.electionTimeoutMs);
  expect(write.end?.kind).not.toBe("applied");
  for (const read of reads) {
    // It follows the new leader by now, and may have been told the new value.
    expect(read.end?.kind === "answered" ? textOf(read) : "new").toBe("new");
  }
  const found = cluster.get(successor, "k");
  cluster.settle();
  expect(textOf(found)).toBe("new");
});

test("X3 all nodes lose their power at every write of a run of 200 puts, and nothing that was acknowledged is lost", () => {
  const cluster = new TestCluster({ nodes: 3, autoComplete: false });
  const ids = [1, 2, 3];
  const completeSome = (count: number): void => {
    for (let moves = 0; moves < count; moves++) {
      cluster.settle();
      for (const id of ids) cluster.disk(id).completeOne();
    }
    cluster.settle();
  };
  const acknowledged = new Map<string, string>();
  for (let round = 0; round < 200; round++) {
    let leader = cluster.nodes[0];
    cluster.until(() => {
      completeSome(1);
      leader = cluster.nodes.find((node) => node.view(0).role === "leader" && node.view(0).ready);
      return leader !== undefined;
    });
    if (leader === undefined) throw new Error("there is a leader");
    const key = `k${round % 20}`;
    const put = cluster.put(leader, key, `${round}`);
    // One disk write further into the life of the put each time, on one, two or all three of the disks.
    cluster.settle();
    for (const id of ids.slice(0, round % 4)) cluster.disk(id).completeOne();
    if (round % 8 >= 4) completeSome(1);
    cluster.settle();
    if (put.end?.kind === "applied") acknowledged.set(key, `${round}`);
    else acknowledged.delete(key); // nobody knows
    for (const id of ids) cluster.crash(id);
    for (const id of [...ids.slice(round % 3), ...ids.slice(0, round % 3)]) cluster.start(id);
  }
  let leader = cluster.nodes[0];
  cluster.until(() => {
    completeSome(1);
    leader = cluster.nodes.find((node) => node.view(0).role === "leader" && node.view(0).ready);
    return leader !== undefined;
  });
  if (leader === undefined) throw new Error("there is a leader");
  expect(acknowledged.size).toBeGreaterThan(5);
  for (const [key, value] of acknowledged) {
    const get = cluster.get(leader, key);
    cluster.settle();
    expect([key, textOf(get)]).toEqual([key, value]);
  }
}, 30_000);

test("X5 what is thrown in apply stops the node, and the others go on", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const follower = cluster.follower();
  cluster.breakMachine(follower.id, "a broken belief");
  const put = cluster.put(leader, "a", "1");
  expect(() => {
    cluster.settle();
    cluster.advance(cluster.limits.heartbeatMs);
  }).toThrow("a broken belief"); // nothing catches it: the process ends
  cluster.crash(follower.id);
  cluster.advance(cluster.limits.heartbeatMs);
  expect(put.end?.kind).toBe("applied");
  const next = cluster.put(cluster.leader(), "b", "2");
  cluster.settle();
  expect(next.end?.kind).toBe("applied");
});
