/** Rules T1 to T3: handing leadership over. */
import { expect, test } from "bun:test";
import { seededRandom } from "../../src/lib/random.ts";
import type { Message, NodeId } from "../../src/raft/mod.ts";
import { Cluster, type ClusterOptions, testLimits } from "./harness.ts";
import { termsOf } from "./safety.ts";
import { append, Solo } from "./solo.ts";

const none = { index: 0, term: 0 };

/** Three nodes, node 1 leads, all is quiet; options as in {@link Cluster}. */
function led(options: Partial<ClusterOptions> = {}): Cluster {
  const cluster = new Cluster({ voters: 3, ...options });
  cluster.elect(1);
  cluster.run(200);
  return cluster;
}

function roleOf(cluster: Cluster, id: NodeId): string {
  return cluster.raft(id).view.role.kind;
}

test("T1 the target takes over in one term, and a transfer back works as well", () => {
  const cluster = led();
  expect(cluster.transfer(1, 2)).toEqual({ ok: true });
  cluster.deliver();
  expect([cluster.leader, cluster.raft(2).view.term, roleOf(cluster, 1)]).toEqual([2, 2, "follower"]);
  expect(cluster.transfer(2, 1)).toEqual({ ok: true });
  cluster.deliver();
  expect([cluster.leader, cluster.raft(1).view.term]).toEqual([1, 3]);
});

test("T1 while it lasts nothing is proposed, and it ends after one election timeout", () => {
  const cluster = led();
  cluster.isolate(3);
  cluster.transfer(1, 3);
  const { lastIndex } = cluster.raft(1).view.log;
  expect(cluster.propose(1, "x")).toEqual({ ok: false, reason: "transferring", leader: 1 });
  cluster.run(testLimits.electionTimeoutMs - 1);
  expect(cluster.propose(1, "x").ok).toBe(false);
  expect(cluster.raft(1).view.log.lastIndex).toBe(lastIndex);
  cluster.run(1);
  expect(cluster.propose(1, "x").ok).toBe(true);
  expect(cluster.leader).toBe(1);
});

test("T1 a deadline between two heartbeats is kept", () => {
  const cluster = led();
  cluster.isolate(3);
  cluster.run(50);
  cluster.transfer(1, 3);
  cluster.run(testLimits.electionTimeoutMs);
  expect(cluster.propose(1, "x").ok).toBe(true);
});

test("T1 the target is told only once it stores everything", () => {
  const cluster = led({ limits: { appendBytesMax: 1, inflightMessagesMax: 1 } });
  cluster.isolate(3);
  for (let i = 0; i < 5; i++) cluster.propose(1, `${i}`);
  cluster.deliver();
  cluster.heal();
  cluster.transfer(1, 3);
  let told = false;
  for (let step = 0; !told; step++) {
    expect(step).toBeLessThan(1000);
    if (cluster.pool.length > 0) cluster.deliverAt(0);
    else cluster.timeout(1);
    told = cluster.pool.some((message) => message.kind === "TimeoutNow");
    if (!told) expect(cluster.progress(1, 3).matchIndex).toBeLessThan(6);
  }
  expect(cluster.progress(1, 3).matchIndex).toBe(6);
  cluster.deliver();
  expect(cluster.leader).toBe(3);
  expect(termsOf(cluster.raft(3).view)).toEqual([1, 1, 1, 1, 1, 1, 2]);
});

test("T1 nothing is said to a target that lags, and at once to one that does not", () => {
  const solo = new Solo();
  solo.lead();
  solo.acknowledge(3, 1);
  solo.input((raft) => raft.propose(new Uint8Array(1)));
  solo.acknowledge(3, 2);
  solo.take();
  solo.input((raft) => raft.transferLeader(2, solo.now));
  expect(solo.take()).toEqual([]);
  solo.acknowledge(2, 1);
  expect(solo.take().filter((message) => message.kind === "TimeoutNow")).toEqual([]);
  solo.acknowledge(2, 2);
  expect(
    solo
      .take()
      .filter((message) => message.kind === "TimeoutNow")
      .map((message) => [message.to, message.term]),
  ).toEqual([[2, 1]]);
  expect(solo.raft.propose(new Uint8Array(1)).ok).toBe(false);
});

test("T1 a TimeoutNow that was lost is said again with the next heartbeat, and not more often", () => {
  const cluster = led();
  cluster.transfer(1, 2);
  expect(cluster.take({ kind: "TimeoutNow" }).length).toBe(1);
  cluster.tick(1);
  expect(cluster.take({ kind: "TimeoutNow" }).length).toBe(0);
  cluster.run(100);
  expect(cluster.leader).toBe(2);
});

test("T1 without a target the voter that stores most takes over", () => {
  const cluster = new Cluster({ voters: 3, learners: 1 });
  cluster.elect(1);
  cluster.isolate(2);
  cluster.propose(1, "x");
  cluster.run(200);
  cluster.heal();
  expect(cluster.transfer(1, null)).toEqual({ ok: true });
  cluster.deliver();
  expect(cluster.leader).toBe(3);
});

test("T1 under load a transfer on a clean network succeeds in one round and loses nothing", () => {
  let succeeded = 0;
  const runs = 200;
  for (let seed = 1; seed <= runs; seed++) {
    const random = seededRandom(seed);
    const cluster = led({ seed });
    const accepted: number[] = [];
    const steps = random.integer(0, 40);
    for (let step = 0; step < steps + 60; step++) {
      if (step === steps) cluster.transfer(1, random.integer(2, 3));
      const leader = cluster.leader ?? 1;
      const proposal = cluster.propose(leader, `${step}`);
      if (proposal.ok) accepted.push(proposal.id.index);
      for (let count = random.integer(0, 6); count > 0 && cluster.pool.length > 0; count--) cluster.deliverAt(0);
    }
    cluster.deliver();
    if (cluster.leader !== 1 && cluster.raft(cluster.leader ?? 0).view.term === 2) succeeded++;
    const { log } = cluster.raft(cluster.leader ?? 0).view;
    expect(log.commitIndex).toBe(log.lastIndex);
    expect(accepted.every((index) => index <= log.commitIndex)).toBe(true);
  }
  expect(succeeded).toBeGreaterThanOrEqual(0.99 * runs);
});

test("T2 the target asks for votes at once, in the next term, with the flag", () => {
  const solo = new Solo();
  solo.step(append(solo.from(2, 5), { previous: none }));
  solo.take();
  solo.step({ kind: "TimeoutNow", ...solo.from(2, 5) });
  const sent = solo.take();
  expect(sent.map((message) => [message.kind, message.term])).toEqual([
    ["RequestVote", 6],
    ["RequestVote", 6],
  ]);
  expect(sent.every((message) => message.kind === "RequestVote" && message.transfer)).toBe(true);
});

test("T2 nobody holds back a flagged candidate for the leader that it hears, not even that leader", () => {
  const request = (solo: Solo, transfer: boolean): Message => ({
    kind: "RequestVote",
    ...solo.from(3, 2),
    lastLog: { index: 9, term: 1 },
    transfer,
  });
  const follower = new Solo();
  follower.step(append(follower.from(2, 1), { previous: none }));
  const leader = new Solo();
  leader.lead();
  for (const solo of [follower, leader]) {
    expect(solo.answers(request(solo, false))).toEqual([]);
    const [answer] = solo.answers(request(solo, true));
    expect(answer?.kind === "RequestVoteResponse" && answer.granted).toBe(true);
  }
});

test("T2 the flag does not help a candidate whose log is behind", () => {
  const solo = new Solo({ terms: [1, 1] });
  const [answer] = solo.answers({
    kind: "RequestVote",
    ...solo.from(3, 2),
    lastLog: { index: 1, term: 1 },
    transfer: true,
  });
  expect(answer?.kind === "RequestVoteResponse" && answer.granted).toBe(false);
});

test("T2 an election that the flagged candidate did not win begins again with a pre-vote", () => {
  const solo = new Solo();
  solo.step(append(solo.from(2, 1), { previous: none }));
  solo.step({ kind: "TimeoutNow", ...solo.from(2, 1) });
  solo.take();
  solo.tick(2000);
  expect(solo.take().map((message) => message.kind)).toEqual(["RequestPreVote", "RequestPreVote"]);
  solo.step({ kind: "RequestPreVoteResponse", ...solo.from(3, 3), granted: true, campaignTerm: 3 });
  expect(solo.take().map((message) => message.kind === "RequestVote" && message.transfer)).toEqual([false, false]);
});

test("T2 a TimeoutNow of another term, of another sender, or to a learner does nothing", () => {
  const solo = new Solo();
  solo.step(append(solo.from(2, 7), { previous: none }));
  solo.take();
  solo.step({ kind: "TimeoutNow", ...solo.from(2, 5) });
  solo.step({ kind: "TimeoutNow", ...solo.from(3, 7) });
  expect([solo.raft.view.role.kind, solo.raft.view.term, solo.take().length]).toEqual(["follower", 7, 0]);
  solo.step({ kind: "TimeoutNow", ...solo.from(2, 9) }); // its term is taken, as from any message, but no more
  expect([solo.raft.view.role.kind, solo.raft.view.term, solo.take().length]).toEqual(["follower", 9, 0]);
  solo.step({ kind: "TimeoutNow", ...solo.from(2, 9) }); // nobody leads term 9 as far as it knows
  expect([solo.raft.view.role.kind, solo.raft.view.term]).toEqual(["follower", 9]);
});

test("T2, M11: a TimeoutNow that was under way does nothing to a node that has heard meanwhile that it has left", () => {
  const solo = new Solo();
  solo.step(append(solo.from(2, 1), { previous: none }));
  solo.step({ kind: "Removed", ...solo.from(2, 1) });
  solo.step(append(solo.from(2, 1), { previous: none })); // late as well: it believes in its leader again
  solo.take();
  solo.step({ kind: "TimeoutNow", ...solo.from(2, 1) });
  expect([solo.raft.view.role.kind, solo.raft.view.term, solo.take().length]).toEqual(["follower", 1, 0]);
});

test("T2 a captured TimeoutNow that is replayed later starts nothing", () => {
  const cluster = led({ learners: 1 });
  cluster.transfer(1, 2);
  const captured = cluster.take({ kind: "TimeoutNow" });
  for (const message of captured) cluster.step(message);
  cluster.deliver();
  cluster.transfer(2, 1);
  cluster.deliver();
  const { term } = cluster.raft(1).view;
  for (const message of captured) {
    for (const to of [2, 3, 4]) cluster.step({ ...message, to });
    cluster.step({ ...message, to: 4, term });
  }
  cluster.deliver();
  expect(cluster.up.map(({ raft }) => raft.view.term)).toEqual([term, term, term, term]);
  expect(cluster.leader).toBe(1);
});

test("T3 oneself, a learner and a stranger are refused, and nothing is held up", () => {
  const cluster = led({ learners: 1 });
  expect(cluster.transfer(1, 1)).toEqual({ ok: false, reason: "alreadyLeader", leader: 1 });
  expect(cluster.transfer(1, 4)).toEqual({ ok: false, reason: "learner", leader: 1 });
  expect(cluster.transfer(1, 9)).toEqual({ ok: false, reason: "unknownNode", leader: 1 });
  expect(cluster.transfer(2, 3)).toEqual({ ok: false, reason: "notLeader", leader: 1 });
  expect(cluster.propose(1, "x").ok).toBe(true);
});

test("T3 a node alone has nobody to hand over to", () => {
  const cluster = new Cluster({ voters: 1, learners: 1 });
  cluster.elect(1);
  expect(cluster.transfer(1, null)).toEqual({ ok: false, reason: "unknownNode", leader: 1 });
});

test("T3 a second target is refused while the first is under way; the same one changes nothing", () => {
  const cluster = led();
  cluster.isolate(3);
  cluster.transfer(1, 3);
  cluster.run(500);
  expect(cluster.transfer(1, 2)).toEqual({ ok: false, reason: "transferring", leader: 1 });
  expect(cluster.transfer(1, 3)).toEqual({ ok: true });
  cluster.run(500);
  expect(cluster.propose(1, "x").ok).toBe(true); // the repeat did not extend it
  expect(cluster.transfer(1, 2)).toEqual({ ok: true });
  cluster.deliver();
  expect(cluster.leader).toBe(2);
});

test("T3 stepping down ends it", () => {
  const cluster = led();
  cluster.isolate(3);
  cluster.transfer(1, 3);
  cluster.step({
    kind: "RequestVote",
    group: 0,
    directory: 0,
    from: 2,
    to: 1,
    term: 2,
    lastLog: { index: 9, term: 1 },
    transfer: true,
  });
  expect(roleOf(cluster, 1)).toBe("follower");
  cluster.heal();
  cluster.take();
  cluster.elect(1);
  expect(cluster.propose(1, "x").ok).toBe(true);
  cluster.run(1000);
  expect(cluster.leader).toBe(1);
});

test("T3 a target that is down does not cost the leader its office", () => {
  const cluster = led();
  cluster.crash(3);
  cluster.transfer(1, 3);
  cluster.run(3000);
  expect([cluster.leader, cluster.raft(1).view.term]).toEqual([1, 1]);
});

test("T3 a target that crashes in the middle leaves a group that recovers", () => {
  const cluster = led();
  cluster.transfer(1, 2);
  cluster.deliver({ kind: "TimeoutNow" });
  cluster.deliver({ kind: "RequestVote" });
  cluster.crash(2);
  cluster.runUntil(() => cluster.leader !== null && cluster.raft(cluster.leader).leadsAndKnows, 6000);
  expect(cluster.propose(cluster.leader ?? 0, "x").ok).toBe(true);
});
