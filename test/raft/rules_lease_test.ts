/** Rules R4 to R7: reads that a leader answers from its lease, and what keeps others from being elected meanwhile. */
import { expect, test } from "bun:test";
import type { Message, NodeId } from "../../src/raft/mod.ts";
import { Cluster, testLimits } from "./harness.ts";
import { append, Solo } from "./solo.ts";

const withLease = { lease: true };
const none = { index: 0, term: 0 };
/** How long a lease lasts from when its round began, and how long a voter keeps the promise behind it. */
const leaseMs = testLimits.electionTimeoutMs / testLimits.clockRatioMax - testLimits.leaseMarginMs;
const timeoutMs = testLimits.electionTimeoutMs;

/** Node 1 leads, and all have answered a round that began just now. */
function leaderWithLease(voters = 3): Cluster {
  const cluster = new Cluster({ voters });
  cluster.elect(1);
  beat(cluster);
  return cluster;
}

/** The leader's next round, answered by all that can be reached. */
function beat(cluster: Cluster): void {
  cluster.timeout(1);
  cluster.deliver();
}

/** What becomes at once of a read at `id` that trusts a lease: its index, or undefined while it waits. */
function leaseRead(cluster: Cluster, id: NodeId = 1): number | null | undefined {
  return cluster.readIndex(id, cluster.read(id, withLease));
}

/** Acknowledges `round` to the core, as `peer`. */
function acknowledge(solo: Solo, peer: NodeId, round: number): void {
  solo.step({ kind: "HeartbeatResponse", ...solo.from(peer, solo.raft.view.term), session: peer - 1, boot: 1, round });
}

function lastRound(messages: readonly Message[]): number {
  return Math.max(...messages.map((message) => (message.kind === "Heartbeat" ? message.round : 0)));
}

test("R4 a lease answers at once, and only until a timeout by the slowest clock after its round began", () => {
  const cluster = leaderWithLease();
  expect(leaseRead(cluster)).toBe(1);
  expect(cluster.pool).toEqual([]); // nobody was asked
  cluster.advance(leaseMs - 1);
  expect(leaseRead(cluster)).toBe(1);
  cluster.advance(1);
  expect(leaseRead(cluster)).toBeUndefined();
  expect(cluster.pool.map((message) => message.kind)).toEqual(["Heartbeat", "Heartbeat"]);
  cluster.deliver();
  expect(leaseRead(cluster)).toBe(1);
});

test("R4 the lease is counted from when the round was sent, not from when its answers came", () => {
  const solo = new Solo({ voters: 3 });
  solo.lead();
  solo.acknowledge(2, 1);
  solo.take();
  solo.tick(100);
  const round = lastRound(solo.take());
  solo.now += leaseMs - 2;
  acknowledge(solo, 2, round);
  solo.read(1, withLease);
  expect(solo.reads).toEqual([{ token: 1, index: 1 }]);
  solo.now += 2;
  acknowledge(solo, 2, round);
  solo.read(2, withLease);
  expect(solo.reads.length).toBe(1);
});

test("R4 one follower of four is no quorum, and a round that nobody answered gives no lease", () => {
  const solo = new Solo({ voters: 5 });
  solo.lead();
  for (const peer of [2, 3]) solo.acknowledge(peer, 1);
  solo.tick(100);
  const round = lastRound(solo.take());
  solo.read(1, withLease);
  acknowledge(solo, 2, round);
  solo.read(2, withLease);
  expect(solo.reads).toEqual([]);
  acknowledge(solo, 3, round);
  solo.read(3, withLease);
  expect(solo.reads.map((read) => read.token)).toEqual([3]); // the others wait for the rounds that began with them
});

test("R4 acknowledgements right before a partition: no lease when another can lead", () => {
  const cluster = leaderWithLease();
  cluster.isolate(1);
  cluster.runUntil(() => cluster.up.some((node) => node.id !== 1 && node.raft.leadsAndKnows), 10_000);
  const successor = cluster.leader ?? 0;
  cluster.propose(successor, "x=2");
  cluster.run(300);
  expect(leaseRead(cluster)).not.toBe(1);
});

test("R4 however many rounds reads make, the newest that was answered counts", () => {
  const cluster = leaderWithLease();
  for (let i = 0; i < 2000; i++) {
    cluster.advance(1);
    cluster.read(1);
    cluster.deliver();
    expect(leaseRead(cluster)).toBe(1);
  }
});

test("R1 R4 without a committed entry of its own term a leader has no lease", () => {
  const solo = new Solo({ terms: [1, 1] });
  solo.lead();
  solo.tick(100);
  acknowledge(solo, 2, lastRound(solo.take()));
  solo.read(1, withLease);
  expect(solo.reads).toEqual([]);
  solo.acknowledge(2, 3);
  solo.read(2, withLease);
  expect(solo.reads).toEqual([{ token: 2, index: 3 }]);
});

test("R4 another term does not release a voter from what it promised the leader that it heard", () => {
  const cluster = leaderWithLease();
  const promisedAt = cluster.now;
  // An answer of long ago brings node 2 into a term in which nobody leads.
  cluster.advance(10);
  const later = { group: 0, directory: 0, from: 3, to: 2, term: 5 };
  cluster.step({ kind: "RequestPreVoteResponse", ...later, granted: false, campaignTerm: 1 });
  expect(cluster.raft(2).view.term).toBe(5);
  const ask: Message = { kind: "RequestVote", ...later, term: 6, lastLog: { index: 1, term: 1 }, transfer: false };
  cluster.step(ask);
  cluster.step({ ...ask, term: 5 });
  expect(cluster.raft(2).view).toMatchObject({ term: 5, vote: null });
  cluster.now = promisedAt + timeoutMs - 1;
  cluster.step(ask);
  expect(cluster.raft(2).view.vote).toBeNull();
  cluster.advance(1);
  cluster.step(ask);
  expect(cluster.raft(2).view).toMatchObject({ term: 6, vote: 3 });
});

test("R4 followers ask the leader for its lease, and need no round then", () => {
  const cluster = leaderWithLease();
  cluster.propose(1, "x=1");
  cluster.deliver();
  const token = cluster.read(2, withLease);
  cluster.deliver({ kind: "ReadIndex" });
  expect(cluster.pool.map((message) => message.kind)).toEqual(["ReadIndexResponse"]);
  cluster.deliver();
  expect(cluster.readIndex(2, token)).toBe(2);
});

test("R4 an answer by lease does not settle reads that trust no clock", () => {
  const solo = new Solo();
  solo.step(append(solo.from(2, 1), { previous: none, terms: [1] }));
  solo.take();
  solo.read(1);
  solo.read(2, withLease);
  solo.read(3, withLease);
  expect(solo.take().map((message) => message.kind === "ReadIndex" && message.lease)).toEqual([false, true, true]);
  const answer = { kind: "ReadIndexResponse", ...solo.from(2, 1), request: 3, boot: 1, index: 1 } as const;
  solo.step({ ...answer, lease: true });
  expect(solo.reads.map((read) => read.token)).toEqual([2, 3]);
  solo.tick(100); // the one that was lost is asked again although newer ones are settled
  expect(solo.take().map((message) => message.kind === "ReadIndex" && message.lease)).toEqual([false]);
  solo.step({ ...answer, lease: false });
  expect(solo.reads.map((read) => read.token)).toEqual([2, 3, 1]);
});

test("R5 a transfer ends leases for the rest of the term, whatever becomes of it", () => {
  // The script of etcd#12704: the target is told, the others still answer, and the leader is cut off.
  const cluster = leaderWithLease();
  cluster.transfer(1, 2);
  const told = cluster.take({ kind: "TimeoutNow" });
  beat(cluster);
  expect(leaseRead(cluster)).toBeUndefined();
  cluster.isolate(1);
  for (const message of told) cluster.step(message);
  cluster.deliver();
  expect(cluster.raft(2).view.role.kind).toBe("leader");
  cluster.propose(2, "x=2");
  cluster.deliver();
  expect(leaseRead(cluster)).toBeUndefined();
});

test("R5 an aborted transfer gives no lease back", () => {
  const cluster = leaderWithLease();
  cluster.isolate(2);
  cluster.transfer(1, 2);
  cluster.run(3 * timeoutMs);
  expect(cluster.propose(1, "x").ok).toBe(true); // it is over
  cluster.deliver();
  expect(leaseRead(cluster)).toBeUndefined();
  cluster.deliver();
  expect(cluster.raft(1).view.role.kind).toBe("leader");
});

test("R6 a voter that was restarted refuses votes for one timeout, so the lease that it vouched for holds", () => {
  const cluster = leaderWithLease();
  cluster.isolate(1);
  cluster.restart(2);
  const booted = cluster.now;
  const ask: Message = {
    kind: "RequestVote",
    group: 0,
    directory: 0,
    from: 3,
    to: 2,
    term: 2,
    lastLog: { index: 1, term: 1 },
    transfer: false,
  };
  cluster.now = booted + timeoutMs - 1;
  cluster.step(ask);
  expect(cluster.raft(2).view).toMatchObject({ term: 1, vote: 1 });
  cluster.now = booted + timeoutMs;
  cluster.step(ask);
  expect(cluster.raft(2).view).toMatchObject({ term: 2, vote: 3 });
});

test("R6 a pre-vote that came too early is answered as soon as it may be", () => {
  const solo = new Solo({ boot: 2, terms: [1], voters: 3 });
  solo.now = 300;
  const ask: Message = { kind: "RequestPreVote", ...solo.from(3, 2), lastLog: { index: 1, term: 1 } };
  expect(solo.answers(ask)).toEqual([]);
  expect(solo.raft.deadline).toBe(timeoutMs);
  solo.tick(timeoutMs - 300);
  expect(solo.take()).toMatchObject([{ kind: "RequestPreVoteResponse", to: 3, granted: true }]);
  solo.tick(1);
  expect(solo.take()).toEqual([]); // once
});

test("R6 a leader that makes itself heard takes the place of a pre-vote that waits", () => {
  const solo = new Solo({ boot: 2, terms: [1], voters: 3 });
  solo.now = 300;
  solo.step({ kind: "RequestPreVote", ...solo.from(3, 2), lastLog: { index: 1, term: 1 } });
  solo.step({ kind: "Heartbeat", ...solo.from(2, 1), commitIndex: 0, round: 1, session: 1 });
  solo.take();
  solo.tick(timeoutMs - 300);
  expect(solo.take()).toEqual([]);
});

test("R6 in its first life a node has promised nothing and votes at once", () => {
  const solo = new Solo();
  const answers = solo.answers({ kind: "RequestVote", ...solo.from(2, 1), lastLog: none, transfer: false });
  expect(answers).toMatchObject([{ kind: "RequestVoteResponse", granted: true }]);
});

test("R6 a group that starts again as a whole has a leader when the first timer allows it", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = new Cluster({ voters: 3, seed });
    cluster.elect(1);
    const down = [1, 2, 3];
    for (const id of down) cluster.crash(id);
    // The last one is up 400 ms after the first: it answers one timeout later, and two timers have run out by then at most.
    for (const id of down) {
      cluster.restart(id);
      if (id < 3) cluster.advance(200);
    }
    const booted = cluster.now;
    cluster.runUntil(() => cluster.leader !== null, 10_000);
    expect(cluster.now - booted).toBeLessThanOrEqual(2 * timeoutMs);
  }
});

test("R7 a clock that jumps between two inputs of the leader ends its lease", () => {
  const cluster = leaderWithLease();
  cluster.advance(3 * timeoutMs); // without a tick: only the read itself tells the time
  expect(leaseRead(cluster)).toBeUndefined();
  expect(cluster.raft(1).view.role.kind).toBe("leader");
  cluster.deliver();
  expect(leaseRead(cluster)).toBe(1);
});
