/** Rules R1, R2, R3 and R8: reads that miss nothing, at the leader and at its followers. */
import { expect, test } from "bun:test";
import type { Message } from "../../src/raft/mod.ts";
import { change, led, membersAt } from "./changing.ts";
import { Cluster, testLimits, textOf } from "./harness.ts";
import { append, Solo } from "./solo.ts";

const none = { index: 0, term: 0 };

function acknowledgeRound(solo: Solo, peer: number, round: number): void {
  solo.step({ kind: "HeartbeatResponse", ...solo.from(peer, solo.raft.view.term), session: peer - 1, boot: 1, round });
}

/** The round that the newest heartbeats carry. */
function lastRound(messages: readonly Message[]): number {
  return Math.max(...messages.map((message) => (message.kind === "Heartbeat" ? message.round : 0)));
}

test("R1 a new leader answers no read before an entry of its own term is committed", () => {
  const solo = new Solo({ terms: [1, 1] });
  solo.lead();
  solo.read(7);
  expect(solo.take().filter((message) => message.kind === "Heartbeat")).toEqual([]); // a round now would prove too little
  solo.acknowledge(2, 2);
  expect(solo.raft.view.log.commitIndex).toBe(0);
  solo.acknowledge(2, 3);
  const round = lastRound(solo.take());
  expect(solo.reads).toEqual([]);
  acknowledgeRound(solo, 2, round);
  expect(solo.reads).toEqual([{ token: 7, index: 3 }]);
});

test("R1 a heartbeat that leaves before that confirms no read either", () => {
  const solo = new Solo({ terms: [1, 1] });
  solo.lead();
  solo.read(7);
  solo.tick(testLimits.heartbeatMs);
  acknowledgeRound(solo, 2, lastRound(solo.take()));
  expect(solo.reads).toEqual([]);
  solo.acknowledge(2, 3);
  acknowledgeRound(solo, 2, lastRound(solo.take()));
  expect(solo.reads).toEqual([{ token: 7, index: 3 }]);
});

test("R1 a follower's read waits at a new leader, too", () => {
  const solo = new Solo({ terms: [1] });
  solo.lead();
  solo.step({ kind: "ReadIndex", ...solo.from(3, 2), request: 5, boot: 1, lease: false });
  solo.acknowledge(2, 2);
  const round = lastRound(solo.take());
  acknowledgeRound(solo, 2, round);
  expect(solo.take()).toEqual([
    {
      kind: "ReadIndexResponse",
      group: 0,
      directory: 0,
      from: 1,
      to: 3,
      term: 2,
      request: 5,
      boot: 1,
      index: 2,
      lease: false,
    },
  ]);
});

test("R2 a read is confirmed by a round that began after it, not by an earlier one", () => {
  const solo = new Solo();
  solo.lead();
  solo.acknowledge(2, 1);
  solo.tick(100);
  const early = lastRound(solo.take());
  solo.read(1);
  const round = lastRound(solo.take());
  expect(round).toBeGreaterThan(early);
  acknowledgeRound(solo, 2, early);
  acknowledgeRound(solo, 3, early);
  expect(solo.reads).toEqual([]);
  acknowledgeRound(solo, 2, round);
  expect(solo.reads).toEqual([{ token: 1, index: 1 }]);
});

test("R2 one follower that answers often is not a quorum, and nobody answers what was not asked", () => {
  const solo = new Solo({ voters: 5 });
  solo.lead();
  for (const peer of [2, 3]) solo.acknowledge(peer, 1);
  solo.read(1);
  const round = lastRound(solo.take());
  for (let i = 0; i < 5; i++) acknowledgeRound(solo, 2, round);
  acknowledgeRound(solo, 3, round + 1);
  expect(solo.reads).toEqual([]);
  acknowledgeRound(solo, 4, round);
  expect(solo.reads).toEqual([{ token: 1, index: 1 }]);
});

test("R2 answers of learners and answers to another term confirm nothing", () => {
  const cluster = new Cluster({ voters: 3, learners: 1 });
  cluster.elect(1);
  cluster.partition([1, 4], [2, 3]);
  const token = cluster.read(1);
  cluster.deliver();
  expect(cluster.readIndex(1, token)).toBeUndefined();
});

test("R2 an old leader that is cut off answers nothing, whatever is replayed to it", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.propose(1, "x=1");
  cluster.deliver();
  const early = cluster.read(1);
  cluster.advance(100);
  cluster.tick(1);
  cluster.deliver({ kind: "Heartbeat" });
  const replays = cluster.take({ kind: "HeartbeatResponse" });
  for (const message of replays) cluster.step(message);
  expect(cluster.readIndex(1, early)).toBe(2);
  cluster.isolate(1);
  const started = cluster.now;
  cluster.advance(1999);
  cluster.elect(2);
  cluster.propose(2, "x=2");
  cluster.deliver();
  expect(cluster.safety.commitIndex).toBe(4);
  expect(cluster.now - started).toBeGreaterThan(1000);
  expect(cluster.raft(1).view.role.kind).toBe("leader"); // it has not looked at the clock yet
  const late = cluster.read(1);
  for (const message of [...replays, ...replays]) cluster.step(message);
  expect(cluster.readIndex(1, late)).toBeUndefined();
  for (let half = 0; half < 2; half++) {
    cluster.advance(500); // the replays were the last that it heard
    cluster.tick(1);
  }
  expect(cluster.readIndex(1, late)).toBeNull();
});

test("R2 reads die with the office", () => {
  const solo = new Solo();
  solo.lead();
  solo.acknowledge(2, 1);
  solo.read(1);
  const round = lastRound(solo.take());
  solo.step({ kind: "HeartbeatResponse", ...solo.from(3, 2), session: 2, boot: 1, round: 0 });
  expect(solo.reads).toEqual([{ token: 1, index: null }]);
  acknowledgeRound(solo, 2, round);
  expect(solo.reads.length).toBe(1);
});

test("R2 however many reads die with the office, all are given up, in the order in which they came", () => {
  const solo = new Solo();
  solo.lead();
  solo.acknowledge(2, 1);
  const asked = [1, 100_000, 200_000, 300_001];
  for (let round = 1; round < asked.length; round++) {
    solo.input((raft) => {
      for (let token = asked[round - 1] ?? 0; token < (asked[round] ?? 0); token++)
        raft.requestRead({ token, lease: false }, solo.now);
    });
  }
  solo.tick(500);
  solo.now += 500;
  solo.raft.tick(solo.now);
  const given = solo.raft.ready()?.reads ?? [];
  expect(given.length).toBe(300_000);
  expect(given.every((read, position) => read.token === position + 1 && read.index === null)).toBe(true);
});

test("R2 a read that waits for the answer of a voter who leaves is confirmed by those who stay", () => {
  const cluster = led({ voters: 2 });
  cluster.run(200);
  change(cluster, 1, [1]);
  const token = cluster.read(1);
  cluster.take({ kind: "Heartbeat" }); // node 2 never hears the question, and is soon not asked any more
  cluster.deliver();
  expect([membersAt(cluster, 1), cluster.readIndex(1, token)]).toEqual(["1", cluster.raft(1).view.log.commitIndex - 2]);
});

test("R2 all reads of a turn share a round", () => {
  const solo = new Solo();
  solo.lead();
  solo.acknowledge(2, 1);
  solo.take();
  solo.input((raft) => {
    for (let token = 1; token <= 3; token++) raft.requestRead({ token, lease: false }, solo.now);
    raft.step({ kind: "ReadIndex", ...solo.from(3, 1), request: 1, boot: 1, lease: false }, solo.now);
  });
  const rounds = solo.take();
  expect(rounds.map((message) => message.kind)).toEqual(["Heartbeat", "Heartbeat"]);
  acknowledgeRound(solo, 3, lastRound(rounds));
  expect(solo.reads.map((read) => read.token)).toEqual([1, 2, 3]);
  expect(solo.take().filter((message) => message.kind === "ReadIndexResponse").length).toBe(1);
});

test("R2 reads that come while a round is under way share the next, which begins when that is answered", () => {
  const solo = new Solo();
  solo.lead();
  solo.acknowledge(2, 1);
  solo.take();
  solo.read(1);
  const first = lastRound(solo.take());
  solo.read(2);
  solo.step({ kind: "ReadIndex", ...solo.from(3, 1), request: 1, boot: 1, lease: false });
  expect(solo.take()).toEqual([]);
  acknowledgeRound(solo, 2, first);
  expect(solo.reads.map((read) => read.token)).toEqual([1]);
  const rounds = solo.take();
  expect(rounds.map((message) => message.kind)).toEqual(["Heartbeat", "Heartbeat"]);
  acknowledgeRound(solo, 3, first); // says nothing about those that came after it began
  expect(solo.reads.map((read) => read.token)).toEqual([1]);
  acknowledgeRound(solo, 3, lastRound(rounds));
  expect(solo.reads.map((read) => read.token)).toEqual([1, 2]);
  expect(solo.take().filter((message) => message.kind === "ReadIndexResponse").length).toBe(1);
  solo.read(3);
  expect(solo.take().map((message) => message.kind)).toEqual(["Heartbeat", "Heartbeat"]); // nothing is under way
});

test("R2 reads do not wait for a round that is not answered: they begin one of their own a little later", () => {
  const solo = new Solo();
  solo.lead();
  solo.acknowledge(2, 1);
  solo.read(1);
  const began = solo.now;
  solo.take(); // the heartbeats are lost
  solo.tick(5);
  solo.read(2);
  expect(solo.take()).toEqual([]);
  const { deadline } = solo.raft;
  expect(deadline).toBe(began + testLimits.readRoundMs);
  solo.tick(deadline - solo.now);
  const round = lastRound(solo.take());
  expect(round).toBeGreaterThan(0);
  acknowledgeRound(solo, 3, round);
  expect(solo.reads.map((read) => read.token)).toEqual([1, 2]);
});

test("R2 a heartbeat whose time has come takes the reads that wait along", () => {
  const solo = new Solo({ limits: { readRoundMs: 1000 } });
  solo.lead();
  solo.acknowledge(2, 1);
  solo.read(1);
  solo.take(); // the heartbeats are lost
  solo.read(2);
  expect(solo.take()).toEqual([]);
  solo.tick(testLimits.heartbeatMs);
  const rounds = solo.take();
  expect(rounds.map((message) => message.kind)).toEqual(["Heartbeat", "Heartbeat"]);
  acknowledgeRound(solo, 2, lastRound(rounds));
  expect(solo.reads.map((read) => read.token)).toEqual([1, 2]);
});

test("R2 reads that wait for a round die with the office, too", () => {
  const solo = new Solo();
  solo.lead();
  solo.acknowledge(2, 1);
  solo.read(1);
  solo.read(2);
  solo.step({ kind: "HeartbeatResponse", ...solo.from(3, 2), session: 2, boot: 1, round: 0 });
  expect(solo.reads).toEqual([
    { token: 1, index: null },
    { token: 2, index: null },
  ]);
});

test("R3 a follower far behind answers no older than when it was asked", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.isolate(3);
  for (let i = 0; i < 1000; i++) {
    cluster.propose(1, `x=${i}`);
    cluster.deliver();
  }
  cluster.heal();
  const token = cluster.read(3);
  expect(cluster.node(3).applied.length).toBe(1);
  cluster.deliver({ kind: "ReadIndex" });
  cluster.deliver({ kind: "Heartbeat" });
  cluster.deliver({ kind: "HeartbeatResponse" });
  cluster.deliver({ kind: "ReadIndexResponse" });
  const index = cluster.readIndex(3, token);
  expect(index).toBe(1001);
  cluster.run(500);
  expect(textOf(cluster.node(3).applied[(index ?? 0) - 1]?.payload ?? new Uint8Array())).toBe("x=999");
});

test("R3 a question or an answer that was lost is asked again", () => {
  for (const kind of ["ReadIndex", "ReadIndexResponse"] as const) {
    const cluster = new Cluster({ voters: 3 });
    cluster.elect(1);
    const token = cluster.read(2);
    if (kind === "ReadIndexResponse")
      cluster.runUntil(() => cluster.pool.length === 0 || cluster.take({ kind }).length > 0, 0);
    cluster.take({ kind });
    cluster.run(250);
    expect(cluster.readIndex(2, token)).toBe(1);
  }
});

test("R3 answers that take longer than a heartbeat still count", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.run(300);
  const token = cluster.read(3);
  for (let i = 0; i < 10; i++) {
    const travelling = cluster.take(); // every message takes 60 ms, so a question and its answer take 240 ms
    cluster.advance(60);
    for (const message of travelling) cluster.step(message);
    for (const node of cluster.up) if (node.raft.deadline <= cluster.now) cluster.tick(node.id);
  }
  expect(cluster.readIndex(3, token)).toBe(1);
});

test("R3 a follower gives its reads up when the leader changes, and ignores the old leader's answer", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  const token = cluster.read(3);
  cluster.deliver({ to: 1 });
  cluster.deliver({ kind: "Heartbeat" });
  cluster.deliver({ kind: "HeartbeatResponse", to: 1 });
  const answers = cluster.take({ kind: "ReadIndexResponse" });
  expect(answers.length).toBe(1);
  cluster.transfer(1, 2);
  cluster.deliver();
  expect(cluster.readIndex(3, token)).toBeNull();
  for (const answer of answers) cluster.step(answer);
  expect(cluster.readIndex(3, token)).toBeNull();
  const next = cluster.read(3);
  cluster.deliver();
  expect(cluster.readIndex(3, next)).toBe(2);
});

test("R3 an answer for an earlier life, or for another question, answers nothing", () => {
  const solo = new Solo({ boot: 2, voters: 3 });
  solo.step(append(solo.from(2, 1), { previous: none, terms: [1] }));
  solo.take();
  solo.read(1);
  const [question] = solo.take();
  const request = question?.kind === "ReadIndex" ? question.request : 0;
  for (const [number, boot] of [
    [request, 1],
    [request + 1, 2],
  ] as const) {
    solo.step({ kind: "ReadIndexResponse", ...solo.from(2, 1), request: number, boot, index: 1, lease: false });
  }
  solo.step({ kind: "ReadIndexResponse", ...solo.from(3, 1), request, boot: 2, index: 1, lease: false }); // not the leader
  expect(solo.reads).toEqual([]);
  for (let i = 0; i < 2; i++)
    solo.step({ kind: "ReadIndexResponse", ...solo.from(2, 1), request, boot: 2, index: 1, lease: false });
  expect(solo.reads).toEqual([{ token: 1, index: 1 }]);
});

test("R3 an answer settles all that was asked before it, and nothing later", () => {
  const solo = new Solo();
  solo.step(append(solo.from(2, 1), { previous: none, terms: [1] }));
  for (let token = 1; token <= 4; token++) solo.read(token);
  const answer = (request: number): void =>
    solo.step({ kind: "ReadIndexResponse", ...solo.from(2, 1), request, boot: 1, index: request, lease: false });
  answer(2);
  expect(solo.reads).toEqual([
    { token: 1, index: 2 },
    { token: 2, index: 2 },
  ]);
  solo.take();
  solo.tick(100); // only the newest question is asked again
  expect(solo.take().map((message) => message.kind === "ReadIndex" && message.request)).toEqual([4]);
  answer(4);
  answer(3);
  expect(solo.reads.map((read) => read.index)).toEqual([2, 2, 4, 4]);
});

test("R3 a leader that lost its office does not answer what it was asked before", () => {
  const solo = new Solo();
  solo.lead();
  solo.acknowledge(2, 1);
  solo.step({ kind: "ReadIndex", ...solo.from(3, 1), request: 1, boot: 1, lease: false });
  const round = lastRound(solo.take());
  solo.tick(500);
  solo.tick(500);
  expect(solo.raft.view.role.kind).toBe("follower");
  acknowledgeRound(solo, 2, round);
  expect(solo.take().filter((message) => message.kind === "ReadIndexResponse")).toEqual([]);
});

test("R8 reads on the minority side fail or wait, and never answer", () => {
  const cluster = new Cluster({ voters: 5, learners: 1 });
  cluster.elect(1);
  cluster.propose(1, "x=1");
  cluster.run(200);
  cluster.partition([1, 2, 6], [3, 4, 5]);
  cluster.advance(900);
  const early = [1, 2, 6].map((id) => ({ id, token: cluster.read(id) }));
  cluster.runUntil(() => cluster.up.some((node) => node.id > 2 && node.raft.leadsAndKnows), 10_000);
  cluster.propose(cluster.leader ?? 0, "x=2");
  cluster.run(3000);
  const late = [1, 2, 6].map((id) => ({ id, token: cluster.read(id) }));
  cluster.run(10_000);
  for (const { id, token } of [...early, ...late])
    expect(cluster.readIndex(id, token) ?? null, `read ${token} at n${id}`).toBeNull();
});

test("R8 a node that knows no leader refuses a read at once", () => {
  const solo = new Solo();
  solo.read(1);
  solo.tick(2000);
  solo.read(2);
  expect(solo.reads).toEqual([
    { token: 1, index: null },
    { token: 2, index: null },
  ]);
});

test("R8 a node alone answers its reads itself, once it knows what is committed", () => {
  const cluster = new Cluster({ voters: 1, pasts: { 1: { terms: [1, 1] } } });
  cluster.node(1).autoDisk = false;
  cluster.timeout(1);
  cluster.node(1).complete(1);
  const token = cluster.read(1);
  expect(cluster.readIndex(1, token)).toBeUndefined();
  cluster.node(1).complete(1);
  expect(cluster.readIndex(1, token)).toBe(3);
});
