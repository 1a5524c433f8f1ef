/** Rules P2, P8 and P16 where a disk hangs: who leads, and what is acknowledged meanwhile. */
import { expect, test } from "bun:test";
import { Cluster, testLimits } from "./harness.ts";

const { electionTimeoutMs } = testLimits;

test("P16 a leader whose disk hangs loses its office, and the others take writes within five timeouts", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = new Cluster({ voters: 3, seed });
    cluster.elect(1);
    cluster.run(300);
    cluster.node(1).autoDisk = false;
    cluster.propose(1, "on two other disks");
    cluster.run(300);
    expect(cluster.safety.commitIndex).toBe(2); // a quorum of followers is enough (rule P2)
    const hungAt = cluster.now;
    cluster.runUntil(() => cluster.raft(1).view.role.kind !== "leader", 2 * electionTimeoutMs);
    cluster.runUntil(() => cluster.up.some((node) => node.id !== 1 && node.raft.leadsAndKnows), 10_000);
    const successor = cluster.leader ?? 0;
    cluster.propose(successor, "under another leader");
    cluster.runUntil(() => cluster.safety.commitIndex === 4, 500);
    expect(cluster.now - hungAt).toBeLessThanOrEqual(5 * electionTimeoutMs);
    cluster.run(5 * electionTimeoutMs);
    expect(cluster.leader).toBe(successor); // the one that hangs disturbs nobody
    cluster.node(1).autoDisk = true;
    cluster.node(1).complete(cluster.node(1).writes.length);
    cluster.run(electionTimeoutMs);
    expect(cluster.node(1).applied.length).toBe(4);
    expect(cluster.leader).toBe(successor);
  }
});

test("P16 a disk that is slow but moves does not cost the office", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.node(1).autoDisk = false;
  for (let i = 0; i < 10; i++) {
    cluster.propose(1, `${i}`);
    cluster.propose(1, `${i} again`);
    cluster.run(1.5 * electionTimeoutMs);
    cluster.node(1).complete(1); // one of two: there is always one more under way
  }
  expect(cluster.leader).toBe(1);
  expect(cluster.raft(1).view.term).toBe(1);
});

test("P16 an idle disk is no disk that hangs", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.node(1).autoDisk = false;
  cluster.run(10 * electionTimeoutMs);
  cluster.propose(1, "x");
  cluster.run(1.5 * electionTimeoutMs);
  expect(cluster.leader).toBe(1);
});

test("P16 a follower whose disk hangs holds up nothing, acknowledges nothing and cannot be elected", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.node(3).autoDisk = false;
  for (let i = 0; i < 200; i++) {
    cluster.propose(1, `${i}`);
    cluster.run(20);
  }
  expect(cluster.safety.commitIndex).toBe(201);
  expect(cluster.progress(1, 3).matchIndex).toBeLessThan(201);
  expect(cluster.raft(1).view.term).toBe(1);
  cluster.crash(1);
  cluster.run(20 * electionTimeoutMs);
  expect(cluster.leader).toBeNull(); // the vote of node 3 never leaves, so nobody can win
});
