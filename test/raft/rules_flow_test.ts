/** Rules L10 to L12: windows, sessions and the bound of the uncommitted tail. */
import { expect, test } from "bun:test";
import { Inflights } from "../../src/raft/inflights.ts";
import type { Message } from "../../src/raft/mod.ts";
import { Cluster, payloadOf, textOf } from "./harness.ts";
import { termsOf } from "./safety.ts";
import { Solo } from "./solo.ts";

const limits = { inflightMessagesMax: 4, appendBytesMax: 1 };

/** A leader that streams to node 2 with a window of four appends, each of one entry. */
function streaming(): Cluster {
  const cluster = new Cluster({ voters: 3, limits });
  cluster.elect(1);
  cluster.run(250);
  expect(cluster.progress(1, 2).state).toBe("replicate");
  return cluster;
}

function proposeMany(cluster: Cluster, count: number): void {
  for (let i = 0; i < count; i++) cluster.propose(1, `${i}`);
}

function appendsTo(cluster: Cluster, to: number): readonly Message[] {
  return cluster.pool.filter(
    (message) => message.kind === "AppendEntries" && message.to === to && message.entries.length > 0,
  );
}

test("L10 a probe is one append at a time until the logs are known to agree", () => {
  const cluster = new Cluster({ voters: 3, limits });
  cluster.isolate(2);
  cluster.elect(1);
  proposeMany(cluster, 10);
  cluster.heal();
  expect(cluster.progress(1, 2).state).toBe("probe");
  expect(appendsTo(cluster, 2).length).toBe(0); // the first was lost; the next waits for a sign of life
  cluster.advance(100);
  cluster.tick(1);
  cluster.deliver({ kind: "Heartbeat" });
  cluster.deliver({ kind: "HeartbeatResponse", from: 2 });
  expect(appendsTo(cluster, 2).length).toBe(1);
  cluster.deliver({ to: 2 });
  cluster.deliver({ from: 2 });
  expect(cluster.progress(1, 2).state).toBe("replicate");
  expect(appendsTo(cluster, 2).length).toBe(4);
});

test("L10 a full window pauses the stream, and every acknowledgement moves it on", () => {
  const cluster = streaming();
  proposeMany(cluster, 10);
  expect(appendsTo(cluster, 2).length).toBe(4);
  cluster.step(appendsTo(cluster, 2)[0] ?? never());
  cluster.deliver({ from: 2 });
  expect(appendsTo(cluster, 2).length).toBe(5);
  expect(cluster.progress(1, 2).nextIndex).toBe(7);
  cluster.deliver();
  expect(termsOf(cluster.raft(2).view).length).toBe(11);
});

test("L10 the window is bounded in bytes, too, but always takes one append", () => {
  const cluster = new Cluster({ voters: 3, limits: { inflightBytesMax: 10, appendBytesMax: 1 } });
  cluster.elect(1);
  for (let i = 0; i < 3; i++) cluster.propose(1, "x".repeat(6));
  expect(appendsTo(cluster, 2).length).toBe(2);
  cluster.deliver();
  cluster.propose(1, "y".repeat(1000));
  cluster.propose(1, "z");
  expect(appendsTo(cluster, 2).length).toBe(1);
  cluster.deliver();
  expect(termsOf(cluster.raft(2).view).length).toBe(6);
});

test("L10 the window counts what it holds", () => {
  const inflights = new Inflights(2, 100);
  inflights.add({ lastIndex: 3, bytes: 10 });
  inflights.add({ lastIndex: 5, bytes: 10 });
  expect([inflights.full, inflights.length]).toEqual([true, 2]);
  expect(() => inflights.add({ lastIndex: 6, bytes: 1 })).toThrow("window");
  inflights.freeTo(4);
  expect([inflights.full, inflights.length]).toEqual([false, 1]);
  inflights.add({ lastIndex: 6, bytes: 200 });
  inflights.freeTo(5);
  expect([inflights.full, inflights.length]).toEqual([true, 1]); // by bytes
  inflights.clear();
  expect([inflights.full, inflights.length]).toEqual([false, 0]);
});

test("L10 a window that was lost as a whole is sent again within two heartbeats", () => {
  const cluster = streaming();
  proposeMany(cluster, 10);
  cluster.take({ to: 2, kind: "AppendEntries" });
  cluster.deliver();
  expect(termsOf(cluster.raft(2).view).length).toBe(1);
  cluster.run(200);
  expect(termsOf(cluster.raft(2).view).length).toBe(11);
});

test("L10 a window whose acknowledgements were lost moves on within two heartbeats", () => {
  const cluster = streaming();
  proposeMany(cluster, 10);
  cluster.deliver({ to: 2 });
  cluster.take({ from: 2 });
  cluster.run(200);
  expect(cluster.progress(1, 2).matchIndex).toBe(11);
});

test("L10 an append lost in the middle of the window is refused behind the gap and sent again at once", () => {
  const cluster = streaming();
  proposeMany(cluster, 4);
  const lost = appendsTo(cluster, 2)[1];
  cluster.pool = cluster.pool.filter((message) => message !== lost);
  cluster.deliver();
  expect(termsOf(cluster.raft(2).view).length).toBe(5);
});

test("L10 a lost probe is repeated after a heartbeat is answered, not before", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.timeout(1);
  cluster.deliver({ kind: "RequestPreVote" });
  cluster.deliver({ kind: "RequestPreVoteResponse" });
  cluster.deliver({ kind: "RequestVote" });
  cluster.deliver({ kind: "RequestVoteResponse" });
  expect(cluster.take({ kind: "AppendEntries", to: 2 }).length).toBe(1);
  cluster.propose(1, "x");
  expect(cluster.take({ kind: "AppendEntries", to: 2 })).toEqual([]);
  cluster.run(100);
  expect(termsOf(cluster.raft(2).view)).toEqual([1, 1]);
});

test("L10 the rounds of reads repeat no probe and suspect no window", () => {
  for (const state of ["probe", "replicate"] as const) {
    const cluster = new Cluster({ voters: 3 });
    cluster.elect(1);
    cluster.run(250);
    if (state === "probe") cluster.restart(2);
    cluster.node(2).autoDisk = false;
    cluster.advance(100);
    cluster.tick(1);
    cluster.propose(1, "x");
    cluster.deliver();
    expect(cluster.progress(1, 2).state).toBe(state);
    let appends = 0;
    for (let i = 0; i < 50; i++) {
      cluster.advance(1);
      cluster.read(1);
      cluster.deliver({ kind: "Heartbeat" });
      cluster.deliver({ kind: "HeartbeatResponse" });
      appends += cluster.take({ kind: "AppendEntries", to: 2 }).length;
    }
    expect(appends).toBeLessThanOrEqual(1);
    expect(cluster.node(1).reads.size).toBe(50);
  }
});

test("L10 a follower that is away costs one probe, however much is proposed", () => {
  const cluster = streaming();
  cluster.isolate(2);
  proposeMany(cluster, 100);
  cluster.deliver();
  expect(cluster.progress(1, 2).inflights.length).toBeLessThanOrEqual(4);
  cluster.run(5000);
  expect(cluster.progress(1, 2).inflights.length).toBeLessThanOrEqual(4);
  cluster.heal();
  cluster.run(300);
  expect(cluster.progress(1, 2).matchIndex).toBe(101);
});

test("L10 entries that left the memory are read from disk, for followers and to apply", () => {
  const cluster = new Cluster({ voters: 3, limits: { tailBytesMax: 20, appendBytesMax: 30 } });
  cluster.isolate(3);
  cluster.elect(1);
  for (let i = 0; i < 100; i++) {
    cluster.propose(1, `number ${i}`);
    cluster.deliver();
  }
  cluster.heal();
  cluster.run(500);
  expect(cluster.node(3).applied.map((entry) => textOf(entry.payload))).toEqual(
    cluster.node(1).applied.map((entry) => textOf(entry.payload)),
  );
  expect(cluster.node(3).applied.length).toBe(101);
});

test("L10 only the newest entries stay in memory", () => {
  const solo = new Solo({ limits: { tailBytesMax: 100 } });
  solo.lead();
  for (let index = 1; index <= 50; index++) {
    solo.acknowledge(2, index);
    solo.input((raft) => raft.propose(payloadOf("0123456789")));
  }
  expect(solo.diskReads).toBe(0); // what is new is applied and sent from memory
  solo.acknowledge(3, 1);
  expect(solo.diskReads).toBe(1); // node 3 is far behind
});

test("L10 entries that the own disk does not have stay in memory, applied or not", () => {
  const cluster = new Cluster({ voters: 4, learners: 1, limits: { tailBytesMax: 20 } });
  cluster.isolate(5);
  cluster.elect(1);
  cluster.node(1).autoDisk = false;
  for (let i = 0; i < 20; i++) {
    cluster.propose(1, `number ${i}`);
    cluster.deliver();
  }
  expect([cluster.node(1).applied.length, cluster.node(1).durable.terms.length]).toEqual([21, 1]); // the others are a quorum
  cluster.heal();
  cluster.run(300);
  expect(cluster.node(5).applied.length).toBe(21);
});

test("L11 what a follower said before its restart no longer counts", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  for (let i = 0; i < 5; i++) cluster.propose(1, `${i}`);
  cluster.deliver({ to: 3 });
  const captured = cluster.take({ kind: "AppendEntriesResponse", from: 3 });
  expect(captured.length).toBeGreaterThan(0);
  cluster.restart(3);
  cluster.run(100); // the first answer of its new life
  cluster.isolate(3);
  cluster.restart(3);
  cluster.heal();
  cluster.advance(100);
  cluster.tick(1);
  cluster.deliver({ kind: "Heartbeat", to: 3 });
  cluster.deliver({ kind: "HeartbeatResponse", from: 3 });
  expect(cluster.progress(1, 3).matchIndex).toBe(0);
  cluster.take({ to: 3 });
  for (const message of captured) cluster.step(message);
  expect(cluster.progress(1, 3).matchIndex).toBe(0);
  cluster.run(200);
  expect(cluster.progress(1, 3).matchIndex).toBe(6);
});

test("L11 answers of another session, of an older life, or of a stranger do not count", () => {
  const solo = new Solo();
  solo.lead();
  const answer = (from: number, session: number, boot: number): void =>
    solo.step({
      kind: "AppendEntriesResponse",
      ...solo.from(from, 1),
      session,
      boot,
      outcome: { kind: "accepted", matchIndex: 1 },
    });
  answer(2, 2, 1); // the session of node 3
  answer(9, 1, 1);
  solo.step({ kind: "HeartbeatResponse", ...solo.from(2, 1), session: 1, boot: 4, round: 0 });
  answer(2, 1, 3);
  expect(solo.raft.view.log.commitIndex).toBe(0);
  answer(2, 1, 4);
  expect(solo.raft.view.log.commitIndex).toBe(1);
});

test("L11 answers to an earlier term of the same leader do not count", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.propose(1, "x");
  cluster.deliver({ to: 2 });
  const captured = cluster.take({ from: 2 });
  cluster.restart(1);
  cluster.advance(2000);
  cluster.timeout(1);
  cluster.deliver({ kind: "RequestPreVote" });
  cluster.deliver({ kind: "RequestPreVoteResponse" });
  cluster.deliver({ kind: "RequestVote" });
  cluster.deliver({ kind: "RequestVoteResponse" });
  for (const message of captured) cluster.step(message);
  expect([cluster.progress(1, 2).matchIndex, cluster.raft(1).view.log.commitIndex]).toEqual([0, 0]);
});

test("L12 beyond the bound proposals are refused for certain, and never appear", () => {
  const cluster = new Cluster({ voters: 3, limits: { uncommittedBytesMax: 100 } });
  cluster.elect(1);
  cluster.isolate(1);
  const accepted: string[] = [];
  for (let i = 0; i < 1000; i++) {
    const text = `proposal ${i}`;
    const proposal = cluster.propose(1, text);
    if (proposal.ok) accepted.push(text);
    else expect(proposal).toEqual({ ok: false, reason: "overloaded", leader: 1 });
  }
  expect([accepted.length, cluster.raft(1).view.log.lastIndex]).toEqual([10, 11]);
  cluster.heal();
  cluster.run(500);
  expect(cluster.node(2).applied.map((entry) => textOf(entry.payload))).toEqual(["", ...accepted]);
  expect(cluster.propose(1, "more").ok).toBe(true); // what is committed makes room
});

test("L12 a million proposals without a quorum cost no memory", () => {
  const solo = new Solo({ limits: { uncommittedBytesMax: 1000 } });
  solo.lead();
  const payload = payloadOf("0123456789");
  let accepted = 0;
  for (let i = 0; i < 1_000_000; i++) if (solo.raft.propose(payload).ok) accepted++;
  expect([accepted, solo.raft.view.log.lastIndex]).toEqual([100, 101]);
});

test("L12 one payload always fits, and the empty entry of a term needs no room", () => {
  const solo = new Solo({ limits: { uncommittedBytesMax: 1 } });
  solo.lead();
  expect(solo.raft.view.log.lastIndex).toBe(1);
  expect(solo.raft.propose(payloadOf("larger than the bound")).ok).toBe(true);
  expect(solo.raft.propose(payloadOf("x")).ok).toBe(false);
});

function never(): never {
  throw new Error("there is no such message");
}
