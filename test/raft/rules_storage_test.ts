/** Rules P1 to P6, P14 and P15: what must be on disk before what, as far as the core decides it. */
import { expect, test } from "bun:test";
import type { Message, NodeId } from "../../src/raft/mod.ts";
import { Cluster, textOf } from "./harness.ts";
import { termsOf } from "./safety.ts";
import { append, Solo } from "./solo.ts";

const none = { index: 0, term: 0 };

/** Nodes 1 and 3 campaign in term 5 and node 2, whose disk is slow, has been asked by node 1 alone. */
function twoCandidates(): Cluster {
  const past = { terms: [1], term: 4 };
  const cluster = new Cluster({ voters: 3, pasts: { 1: past, 2: past, 3: past } });
  for (const id of [1, 3]) cluster.timeout(id);
  cluster.deliver({ kind: "RequestPreVote" });
  cluster.deliver({ kind: "RequestPreVoteResponse" });
  cluster.node(2).autoDisk = false;
  cluster.deliver({ kind: "RequestVote", from: 1, to: 2 });
  return cluster;
}

function votesFor(cluster: Cluster, candidate: NodeId): number {
  return cluster.pool.filter(
    (message) => message.kind === "RequestVoteResponse" && message.to === candidate && message.granted,
  ).length;
}

test("P1 a vote that was lost in a crash was never told, and may be given to another", () => {
  const cluster = twoCandidates();
  expect(votesFor(cluster, 1)).toBe(0);
  cluster.crash(2);
  cluster.restart(2);
  cluster.advance(1000); // until then it holds back for a leader that it may have heard (rule R6)
  cluster.deliver({ kind: "RequestVote", from: 3, to: 2 });
  cluster.node(2).complete(1);
  expect([votesFor(cluster, 1), votesFor(cluster, 3)]).toEqual([0, 1]);
});

test("P1 a vote that reached the disk binds after a crash, told or not", () => {
  for (const told of [true, false]) {
    const cluster = twoCandidates();
    if (told) cluster.node(2).complete(1);
    cluster.crash(2, told ? 0 : 1);
    cluster.restart(2);
    cluster.advance(1000); // until then it holds back for a leader that it may have heard (rule R6)
    cluster.deliver({ kind: "RequestVote", from: 3, to: 2 });
    cluster.node(2).complete(cluster.node(2).writes.length);
    expect([votesFor(cluster, 1), votesFor(cluster, 3)]).toEqual([told ? 1 : 0, 0]);
    expect(cluster.raft(2).view.vote).toBe(1);
  }
});

test("P1 a refusal waits for the term that it tells", () => {
  const solo = new Solo({ terms: [2], autoDisk: false });
  const answers = solo.answers({ kind: "RequestVote", ...solo.from(2, 5), lastLog: none, transfer: false });
  expect(answers).toEqual([]);
  solo.complete();
  expect(solo.take().map((message) => message.kind)).toEqual(["RequestVoteResponse"]);
});

test("P1 a candidate asks for votes only once its own is on disk, and does not count it before", () => {
  const solo = new Solo({ autoDisk: false, voters: 1 });
  solo.tick(2000);
  expect(solo.raft.view.role.kind).toBe("candidate");
  solo.complete();
  expect(solo.raft.view.role.kind).toBe("leader");
  const other = new Solo({ autoDisk: false });
  other.tick(2000);
  other.take();
  other.step({ kind: "RequestPreVoteResponse", ...other.from(2, 1), granted: true, campaignTerm: 1 });
  expect(other.take()).toEqual([]);
  other.complete();
  expect(other.take().map((message) => message.kind)).toEqual(["RequestVote", "RequestVote"]);
});

test("P1 answers to heartbeats and pre-votes wait for a term that is not on disk, and only for that", () => {
  const solo = new Solo({ autoDisk: false });
  const heartbeat: Message = { kind: "Heartbeat", ...solo.from(2, 3), commitIndex: 0, round: 1, session: 1 };
  expect(solo.answers(heartbeat)).toEqual([]);
  expect(solo.answers({ kind: "RequestPreVote", ...solo.from(3, 2), lastLog: none })).toEqual([]);
  solo.complete();
  expect(solo.take().map((message) => message.kind)).toEqual(["HeartbeatResponse", "RequestPreVoteResponse"]);
  solo.step(append(solo.from(2, 3), { previous: none, terms: [3] })); // an entry under way does not hold them up
  expect(solo.answers({ ...heartbeat, round: 2 }).map((message) => message.kind)).toEqual(["HeartbeatResponse"]);
});

test("P2 a node alone commits nothing before its own disk has it", () => {
  const cluster = new Cluster({ voters: 1 });
  cluster.run(2000);
  const node = cluster.node(1);
  node.autoDisk = false;
  cluster.propose(1, "x");
  expect(node.applied.length).toBe(1);
  node.crash();
  cluster.restart(1);
  node.autoDisk = true;
  cluster.run(3000);
  expect(node.applied.map((entry) => textOf(entry.payload))).toEqual(["", ""]);
  node.autoDisk = false;
  cluster.propose(1, "y");
  node.complete(1);
  expect(node.applied.map((entry) => textOf(entry.payload))).toEqual(["", "", "y"]);
});

test("P2 the leader's copy does not count before its disk has it; a quorum of followers is enough", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.node(1).autoDisk = false;
  cluster.propose(1, "x");
  cluster.deliver({ to: 2 });
  cluster.deliver({ from: 2 });
  expect(cluster.raft(1).view.log.commitIndex).toBe(1); // stored by one follower alone
  cluster.deliver();
  expect(cluster.raft(1).view.log.commitIndex).toBe(2);
  expect(cluster.node(1).durable.terms).toEqual([1]);
  cluster.restart(1);
  cluster.node(1).autoDisk = true;
  cluster.elect(2);
  expect(cluster.raft(1).view.log.commitIndex).toBe(3);
});

test("P2 an entry that only the leader has is not committed", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.isolate(1);
  cluster.propose(1, "x");
  cluster.deliver();
  expect(cluster.raft(1).view.log.commitIndex).toBe(1);
  cluster.advance(2000);
  cluster.elect(2);
  cluster.heal();
  cluster.run(200);
  expect(cluster.node(1).applied.map((entry) => textOf(entry.payload))).toEqual(["", ""]);
});

test("P2 an acknowledgement leaves only when the entries are on disk", () => {
  const solo = new Solo({ autoDisk: false });
  expect(solo.answers(append(solo.from(2, 1), { previous: none, terms: [1, 1] }))).toEqual([]);
  expect(solo.answers(append(solo.from(2, 1), { previous: none, terms: [1, 1] }))).toEqual([]); // nor does a repeat hurry it
  solo.completeOne();
  expect(solo.take().length).toBe(1);
  solo.complete();
  expect(solo.take().length).toBe(1);
});

test("P2 an acknowledgement is dropped when a later leader overwrites the entries in the same turn", () => {
  const solo = new Solo({ voters: 5 });
  const appends = [
    append(solo.from(2, 1), { previous: none, terms: [1, 1] }),
    append(solo.from(3, 2), { previous: none, terms: [2] }),
  ];
  solo.input((raft) => {
    for (const message of appends) raft.step(message, solo.now);
  });
  expect(solo.take().map((message) => [message.kind, message.to, message.term])).toEqual([
    ["AppendEntriesResponse", 3, 2],
  ]);
});

test("P3 a term is on disk no later than its entries, wherever the power goes", () => {
  for (let reached = 0; reached <= 1; reached++) {
    const cluster = new Cluster({ voters: 3, pasts: { 1: { term: 4 }, 2: { term: 1 }, 3: { term: 4 } } });
    cluster.node(2).autoDisk = false;
    cluster.timeout(1);
    cluster.take({ to: 2 }); // the first that node 2 hears of term 5 is an entry of term 5
    for (const to of [3, 1, 3, 1]) {
      cluster.deliver({ to });
      cluster.take({ to: 2, kind: "RequestVote" });
    }
    cluster.deliver({ to: 2 });
    const [write] = cluster.node(2).writes;
    expect(write?.entries.map((entry) => entry.term)).toEqual([5]);
    cluster.crash(2, reached);
    const { hardState, terms } = cluster.node(2).durable;
    expect([hardState.term, [...terms]]).toEqual(reached === 1 ? [5, [5]] : [1, []]);
    cluster.restart(2);
    expect(cluster.raft(2).view.term).toBe(hardState.term);
  }
});

test("P3 a log with an entry above the stored term is refused", () => {
  expect(() => new Solo({ terms: [1, 5], hardState: { term: 4, vote: null } })).toThrow("term");
});

test("P4 a vote outlives every step down and restart inside its term", () => {
  const cluster = new Cluster({ voters: 5, pasts: { 2: { term: 7, vote: 1 } } });
  cluster.step({
    kind: "Heartbeat",
    group: 0,
    directory: 0,
    from: 3,
    to: 2,
    term: 7,
    commitIndex: 0,
    round: 1,
    session: 1,
  });
  cluster.restart(2);
  cluster.step({
    kind: "RequestVote",
    group: 0,
    directory: 0,
    from: 4,
    to: 2,
    term: 7,
    lastLog: none,
    transfer: false,
  });
  expect(cluster.pool.at(-1)).toEqual({
    kind: "RequestVoteResponse",
    group: 0,
    directory: 0,
    from: 2,
    to: 4,
    term: 7,
    granted: false,
  });
  expect(cluster.node(2).durable.hardState).toEqual({ term: 7, vote: 1 });
});

test("P4 a leader that steps down without a quorum still has voted for itself", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.isolate(1);
  cluster.runUntil(() => cluster.raft(1).view.role.kind !== "leader", 2000);
  cluster.step({
    kind: "RequestVote",
    group: 0,
    directory: 0,
    from: 3,
    to: 1,
    term: 1,
    lastLog: { index: 9, term: 1 },
    transfer: false,
  });
  const [answer] = cluster.take({ kind: "RequestVoteResponse", from: 1 });
  expect(answer?.kind === "RequestVoteResponse" && answer.granted).toBe(false);
});

test("P5 a cut and what replaces it are one write: the disk has the old log or the new one", () => {
  const old = [1, 1, 1, 1, 2, 2, 2, 2, 2, 2];
  const next = [1, 1, 1, 1, 3, 3, 3];
  for (let reached = 0; reached <= 1; reached++) {
    const cluster = new Cluster({
      voters: 3,
      pasts: { 1: { terms: next }, 2: { terms: next.slice(0, 4) }, 3: { terms: old } },
    });
    cluster.crash(3);
    cluster.timeout(1);
    cluster.deliver();
    cluster.restart(3);
    cluster.node(3).autoDisk = false;
    const { writes } = cluster.node(3);
    while (!writes.some((write) => write.truncateFrom !== null)) {
      cluster.node(3).complete(writes.length);
      cluster.run(10);
      expect(cluster.now).toBeLessThan(5000);
    }
    cluster.crash(3, reached === 0 ? writes.length - 1 : writes.length);
    expect([...cluster.node(3).durable.terms]).toEqual(reached === 0 ? old : next);
    cluster.node(3).autoDisk = true;
    cluster.restart(3);
    cluster.run(500);
    expect(termsOf(cluster.raft(3).view)).toEqual([...next, 4]);
  }
});

test("P6 a late completion does not vouch for overwritten entries", () => {
  const solo = new Solo({ terms: [1, 1, 1, 1], autoDisk: false, voters: 5 });
  solo.step(append(solo.from(2, 1), { previous: { index: 4, term: 1 }, terms: [1, 1] }));
  solo.take();
  solo.step(append(solo.from(3, 2), { previous: { index: 4, term: 1 }, terms: [2, 2] }));
  expect(solo.terms).toEqual([1, 1, 1, 1, 2, 2]);
  solo.completeOne(); // the entries of term 1, which are no longer in the log
  expect(solo.raft.view.log.stableIndex).toBe(4);
  expect(solo.take().filter((message) => message.term === 2)).toEqual([]);
  solo.complete();
  expect(solo.raft.view.log.stableIndex).toBe(6);
  const [answer] = solo.take();
  expect(answer?.kind === "AppendEntriesResponse" && answer.outcome).toEqual({ kind: "accepted", matchIndex: 6 });
});

test("P6 the same term again at the same place: only its own completion counts", () => {
  const solo = new Solo({ terms: [1], autoDisk: false, voters: 5 });
  const acknowledged = (): readonly number[] =>
    solo
      .take()
      .flatMap((message) =>
        message.kind === "AppendEntriesResponse" && message.outcome.kind === "accepted"
          ? [message.outcome.matchIndex]
          : [],
      );
  solo.step(append(solo.from(2, 2), { previous: { index: 1, term: 1 }, terms: [2, 2] })); // 2..3 of term 2
  solo.step(append(solo.from(3, 3), { previous: { index: 1, term: 1 }, terms: [3] })); // 2 of term 3
  solo.step(append(solo.from(4, 4), { previous: { index: 1, term: 1 }, terms: [2, 2] })); // A again
  solo.take();
  const stable: number[] = [];
  while (solo.writes.length > 0) {
    solo.completeOne();
    stable.push(solo.raft.view.log.stableIndex);
  }
  expect(stable).toEqual([1, 1, 3]);
  expect(acknowledged()).toEqual([3, 2, 3]); // each to the leader of its own term
});

test("P14 every life applies the same entries from the first one on, without a gap or a repeat", () => {
  const cluster = new Cluster({ voters: 3, limits: { applyBytesMax: 1 } });
  cluster.elect(1);
  const expected = [""];
  for (let i = 0; i < 10; i++) {
    cluster.node(2).autoDisk = i % 2 === 0;
    cluster.propose(1, `incr ${i}`);
    expected.push(`incr ${i}`);
    cluster.deliver();
    cluster.crash(2, cluster.node(2).writes.length % 2);
    cluster.restart(2);
    cluster.node(2).autoDisk = true;
    cluster.run(300);
    expect(cluster.node(2).applied.map((entry) => textOf(entry.payload))).toEqual(expected);
  }
});

test("P14 entries are handed out within the limit of a turn, at least one, and reported no further", () => {
  const solo = new Solo({ autoDisk: false, limits: { applyBytesMax: 7 } });
  solo.input((raft) => raft.step(append(solo.from(2, 1), { previous: none, terms: [1, 1, 1, 1], commitIndex: 4 }), 0));
  expect(solo.committed.map((entry) => entry.index)).toEqual([1, 2]); // three bytes each
  expect(solo.raft.hasMore).toBe(true);
  solo.input(() => undefined);
  expect(solo.committed.length).toBe(4);
  expect(() => solo.raft.applied(5)).toThrow("handed out");
});

test("P15 after a restart a commit index above the log is only a hint", () => {
  const solo = new Solo({ terms: [1, 1, 1, 1, 1, 1, 1], boot: 2 });
  expect(solo.raft.view.log.commitIndex).toBe(0);
  solo.step({ kind: "Heartbeat", ...solo.from(2, 1), commitIndex: 9, round: 1, session: 1 });
  expect(solo.raft.view.log.commitIndex).toBe(7);
  solo.step(append(solo.from(2, 1), { previous: { index: 7, term: 1 }, terms: [1, 1], commitIndex: 9 }));
  expect(solo.raft.view.log.commitIndex).toBe(9);
});

test("P15 a node alone commits and applies its log again on start", () => {
  const cluster = new Cluster({ voters: 1, pasts: { 1: { terms: [1, 1, 2] } } });
  cluster.run(2500);
  expect(cluster.node(1).applied.map((entry) => entry.index)).toEqual([1, 2, 3, 4]);
});
