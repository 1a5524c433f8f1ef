/** The time of leases in a cluster: counted by the leader, survived by the others, never decided by somebody who is cut off. */
import { describe, expect, test } from "bun:test";
import { assert } from "../../src/lib/assert.ts";
import { ByteReader } from "../../src/lib/byte_reader.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import type { Node, NodeLimits } from "../../src/node/mod.ts";
import { checkpointIntervalMs } from "../../src/node/lease_keeper.ts";
import {
  type LeaseAnswer,
  type LeaseCommand,
  readGranted,
  readLeaseAnswer,
  writeLease,
  writeLeaseQuery,
  writePut,
} from "../../src/wire/mod.ts";
import { TestCluster, textOf } from "./cluster.ts";

/** An election, at the very most, and what a turn takes. */
const electionMs = 3000;
const key = new TextEncoder().encode("key");

function leaseCommand(cluster: TestCluster, node: Node, command: LeaseCommand): ReturnType<TestCluster["write"]> {
  const writer = new ByteWriter();
  writeLease(writer, command);
  return cluster.write(node, writer.take());
}

/** A cluster with a lease on which a key hangs, granted now. */
function clusterWithLease(
  ttlMs: number,
  options: { readonly nodes?: number; readonly limits?: Partial<NodeLimits> } = {},
): { readonly cluster: TestCluster; readonly grantedAt: number } {
  const cluster = new TestCluster({ nodes: 3, ...options });
  const leader = cluster.leader();
  const grant = leaseCommand(cluster, leader, { kind: "grant", id: 7, ttlMs });
  cluster.until(() => grant.end !== null);
  assert(grant.end?.kind === "applied", "the lease was not granted");
  expect(readGranted(grant.end.result)).toEqual({ id: 7, ttlMs });
  const grantedAt = cluster.clock.now();
  const writer = new ByteWriter();
  writePut(writer, { key, value: key, ifRevision: null, lease: 7 });
  const put = cluster.write(leader, writer.take());
  cluster.until(() => put.end !== null && cluster.nodes.every((node) => isThere(cluster, node)));
  return { cluster, grantedAt };
}

function renew(cluster: TestCluster): void {
  const renewal = leaseCommand(cluster, cluster.leader(), { kind: "renew", id: 7 });
  cluster.until(() => renewal.end !== null);
  expect(renewal.end?.kind === "applied" && renewal.end.result.status).toBe("ok");
}

/** Whether the key is there, as `node` has it applied. */
function isThere(cluster: TestCluster, node: Node): boolean {
  const read = cluster.get(node, "key", "stale");
  return textOf(read) !== null;
}

/** When the key is gone on all nodes that run. */
function endOf(cluster: TestCluster, nodes: () => readonly Node[] = () => cluster.nodes): number {
  for (let steps = 0; nodes().some((node) => isThere(cluster, node)); steps++) {
    assert(steps < 100_000, "the lease never ends");
    cluster.advance(10);
  }
  return cluster.clock.now();
}

/** Lets time pass, in steps in which nodes do what they do. */
function pass(cluster: TestCluster, milliseconds: number): void {
  for (const end = cluster.clock.now() + milliseconds; cluster.clock.now() < end;) cluster.advance(10);
}

function ask(cluster: TestCluster, node: Node): { answer: LeaseAnswer | "refused" | null } {
  const writer = new ByteWriter();
  writeLeaseQuery(writer, { id: 7, limit: 10, start: new Uint8Array(0) });
  const asked: { answer: LeaseAnswer | "refused" | null } = { answer: null };
  node.read(0, { queries: writer.take(), count: 1, consistency: "linearizable" }, (outcome) => {
    const isAnswered = outcome.kind === "answered";
    asked.answer = isAnswered ? readLeaseAnswer(new ByteReader(outcome.answers.slice())) : "refused";
  });
  cluster.until(() => asked.answer !== null);
  return asked;
}

function crash(cluster: TestCluster, node: Node): void {
  cluster.crash(node.id);
}

describe("a lease in a cluster", () => {
  test("ends when its time is over, on all nodes, in one revision", () => {
    const { cluster, grantedAt } = clusterWithLease(10_000);
    const revision = cluster.leader().view(0).revision;
    const ended = endOf(cluster) - grantedAt;
    expect(ended).toBeGreaterThan(9999);
    expect(ended).toBeLessThan(10_100);
    expect(cluster.nodes.map((node) => node.view(0).revision)).toEqual([revision + 1, revision + 1, revision + 1]);
    expect(new Set(cluster.nodes.map((node) => node.status(0).state_hash)).size).toBe(1);
  });

  test("begins anew with a renewal", () => {
    const { cluster, grantedAt } = clusterWithLease(10_000);
    for (let i = 0; i < 3; i++) {
      pass(cluster, 8000);
      renew(cluster);
    }
    const renewedAt = cluster.clock.now();
    expect(renewedAt - grantedAt).toBeGreaterThan(23_999);
    const ended = endOf(cluster) - renewedAt;
    expect(ended).toBeGreaterThan(9900);
    expect(ended).toBeLessThan(10_100);
  });

  test("is told of by the leader alone, with the time that is left", () => {
    const { cluster } = clusterWithLease(10_000);
    pass(cluster, 4000);
    const { answer } = ask(cluster, cluster.leader());
    assert(answer !== null && answer !== "refused", "the leader does not answer");
    expect(answer.keys).toEqual([key]);
    const left = answer.lease?.remainingMs ?? 0;
    expect(left > 5800 && left <= 6000).toBe(true);
    expect(ask(cluster, cluster.follower()).answer).toBe("refused");
  });

  test("many at once are over at once, and none is forgotten", () => {
    const cluster = new TestCluster({ nodes: 3 });
    const leader = cluster.leader();
    const count = 3500;
    for (let i = 0; i < count; i++) {
      const writer = new ByteWriter();
      writePut(writer, { key: new TextEncoder().encode(`key/${i}`), value: key, ifRevision: null, ttlMs: 2000 });
      cluster.write(leader, writer.take());
    }
    cluster.settle();
    expect(leader.status(0).key_count).toBe(count);
    pass(cluster, 2100);
    expect(cluster.nodes.map((node) => node.status(0).key_count)).toEqual([0, 0, 0]);
  });
});

describe("a change of leaders", () => {
  test("does not lengthen a lease, however many there are", () => {
    const { cluster, grantedAt } = clusterWithLease(60_000);
    for (let i = 0; i < 5; i++) {
      pass(cluster, 8000);
      const leader = cluster.leader();
      cluster.isolate(leader.id);
      cluster.until(() => cluster.nodes.some((node) => node !== leader && node.view(0).role === "leader"));
      cluster.network.heal();
      cluster.until(() => leader.view(0).role === "follower");
    }
    expect(cluster.clock.now() - grantedAt).toBeLessThan(60_000);
    expect(cluster.nodes.every((node) => isThere(cluster, node))).toBe(true);
    const ended = endOf(cluster) - grantedAt;
    expect(ended).toBeGreaterThan(59_999);
    expect(ended).toBeLessThan(60_000 + electionMs);
  });

  test("while its time is over ends it right after", () => {
    const { cluster, grantedAt } = clusterWithLease(5000);
    pass(cluster, 4900);
    crash(cluster, cluster.leader());
    const ended = endOf(cluster) - grantedAt;
    expect(ended).toBeGreaterThan(4999);
    expect(ended).toBeLessThan(5000 + electionMs);
  });

  test("does not undo a renewal that was acknowledged, though the old leader counted on", () => {
    const { cluster } = clusterWithLease(5000);
    const old = cluster.leader();
    pass(cluster, 3000); // an election later there is still time for a renewal
    cluster.isolate(old.id);
    cluster.until(() =>
      cluster.nodes.some((node) => node !== old && node.view(0).role === "leader" && node.view(0).ready),
    );
    const next = cluster.nodes.find((node) => node !== old && node.view(0).role === "leader");
    assert(next !== undefined, "nobody leads");
    const renewal = leaseCommand(cluster, next, { kind: "renew", id: 7 });
    cluster.until(() => renewal.end !== null);
    const renewedAt = cluster.clock.now();
    cluster.network.heal();
    const ended = endOf(cluster) - renewedAt;
    expect(ended).toBeGreaterThan(4900);
    expect(ended).toBeLessThan(5000 + electionMs);
  });
});

describe("a leader that is cut off", () => {
  test("ends no lease, whatever its clock says; the others do", () => {
    const { cluster, grantedAt } = clusterWithLease(1000);
    const old = cluster.leader();
    cluster.isolate(old.id);
    const others = (): readonly Node[] => cluster.nodes.filter((node) => node !== old);
    const ended = endOf(cluster, others) - grantedAt;
    expect(ended).toBeGreaterThan(999);
    expect(ended).toBeLessThan(1000 + electionMs);
    pass(cluster, 20_000);
    expect(isThere(cluster, old)).toBe(true); // it knows nothing of it
    cluster.network.heal();
    endOf(cluster);
  });

  test("ends no lease either where everybody is cut off from everybody", () => {
    const { cluster } = clusterWithLease(1000);
    for (const { id } of cluster.nodes) cluster.isolate(id);
    pass(cluster, 30_000);
    expect(cluster.nodes.every((node) => isThere(cluster, node))).toBe(true);
    cluster.network.heal();
    endOf(cluster);
  });

  test("and stood still, finds a lease renewed by another leader, and leaves it alone", () => {
    const { cluster } = clusterWithLease(10_000);
    const old = cluster.leader();
    cluster.pause(old.id);
    pass(cluster, 4000);
    const next = cluster.nodes.find((node) => node !== old && node.view(0).role === "leader");
    assert(next !== undefined, "nobody leads");
    for (let i = 0; i < 3; i++) {
      const renewal = leaseCommand(cluster, next, { kind: "renew", id: 7 });
      cluster.until(() => renewal.end !== null);
      pass(cluster, 5000);
    }
    cluster.resume(old.id);
    pass(cluster, 2000);
    expect(cluster.nodes.every((node) => isThere(cluster, node))).toBe(true);
    endOf(cluster);
  });
});

describe("a restart of all nodes", () => {
  const restartAll = (cluster: TestCluster): void => {
    const ids = cluster.nodes.map(({ id }) => id);
    for (const id of ids) cluster.crash(id);
    for (const id of ids) cluster.start(id);
    cluster.leader();
  };

  test("lengthens a lease by no more than the interval of checkpoints", () => {
    const ttlMs = 3_600_000;
    const { cluster, grantedAt } = clusterWithLease(ttlMs, { nodes: 1 });
    const step = 60_000;
    for (let passed = 0; passed < ttlMs - 120_000; passed += step) cluster.advance(step);
    restartAll(cluster);
    for (; cluster.nodes.some((node) => isThere(cluster, node));) cluster.advance(1000);
    const ended = cluster.clock.now() - grantedAt;
    expect(checkpointIntervalMs(ttlMs)).toBe(300_000);
    expect(ended).toBeGreaterThan(ttlMs - 1);
    expect(ended).toBeLessThan(ttlMs + 300_000 + electionMs);
  });

  test("a second time lengthens it by no more than the first: each begins where a checkpoint was", () => {
    const { cluster, grantedAt } = clusterWithLease(40_000);
    expect(checkpointIntervalMs(40_000)).toBe(20_000);
    let restarts = 0;
    for (; isThere(cluster, cluster.leader()); restarts++) {
      pass(cluster, 21_000);
      restartAll(cluster);
    }
    expect(restarts).toBe(2);
    expect(cluster.clock.now() - grantedAt).toBeLessThan(40_000 + 20_000 + 3 * electionMs);
  });

  test("does not shorten it, from a snapshot neither", () => {
    const limits = { snapshotEntries: 3, trailingEntries: 1 };
    const { cluster, grantedAt } = clusterWithLease(20_000, { limits });
    pass(cluster, 5000);
    renew(cluster);
    const renewedAt = cluster.clock.now();
    for (let i = 0; i < 5; i++) {
      const put = cluster.put(cluster.leader(), "other", "value");
      cluster.until(() => put.end !== null);
    }
    pass(cluster, 1000);
    expect(cluster.nodes.every((node) => node.status(0).snapshot_index > 3)).toBe(true);
    restartAll(cluster);
    const ended = endOf(cluster) - renewedAt;
    expect(ended).toBeGreaterThan(19_900);
    expect(cluster.clock.now() - grantedAt).toBeGreaterThan(24_900);
  });
});
