/** Rules E1 to E8: who may campaign, who may win, and who is not even heard. */
import { expect, test } from "bun:test";
import type { Message, NodeId, RequestVote } from "../../src/raft/mod.ts";
import { Cluster, testLimits } from "./harness.ts";
import { append, Solo } from "./solo.ts";

const none = { index: 0, term: 0 };

function granted(messages: readonly Message[]): boolean {
  return messages.some(
    (message) =>
      (message.kind === "RequestVoteResponse" || message.kind === "RequestPreVoteResponse") && message.granted,
  );
}

test("E1 an empty log behind a compacted prefix ends where that prefix ends", () => {
  const restored = { compacted: { index: 100, term: 3 }, hardState: { term: 3, vote: null } };
  const candidates = [
    { lastLog: { index: 50, term: 3 }, wins: false },
    { lastLog: { index: 200, term: 2 }, wins: false },
    { lastLog: { index: 100, term: 3 }, wins: true },
  ];
  for (const { lastLog, wins } of candidates) {
    const solo = new Solo(restored);
    expect(granted(solo.answers({ kind: "RequestPreVote", ...solo.from(2, 4), lastLog }))).toBe(wins);
    expect(granted(solo.answers({ kind: "RequestVote", ...solo.from(2, 4), lastLog, transfer: false }))).toBe(wins);
  }
  const solo = new Solo(restored);
  solo.tick(2000);
  const [request] = solo.take();
  expect(request?.kind === "RequestPreVote" && request.lastLog).toEqual({ index: 100, term: 3 });
});

test("E2 while the leader is heard, nobody takes the term of a node that campaigns, not even the leader", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  for (let i = 0; i < 200; i++) {
    cluster.run(50);
    const envelope = { group: 0, directory: 0, from: 4, to: 1 + (i % 3), term: 50 + i };
    const lastLog = { index: 1000, term: 49 };
    cluster.step({ kind: "RequestVote", ...envelope, lastLog, transfer: false });
    cluster.step({ kind: "RequestPreVote", ...envelope, lastLog });
  }
  expect(cluster.up.map(({ raft }) => raft.view.term)).toEqual([1, 1, 1]);
  expect(cluster.leader).toBe(1);
});

test("E2 ends one election timeout after the leader was last heard", () => {
  for (const [silence, heard] of [
    [999, true],
    [1000, false],
  ] as const) {
    const solo = new Solo();
    solo.tick(500);
    solo.step({ kind: "Heartbeat", ...solo.from(2, 1), commitIndex: 0, round: 1, session: 1 });
    solo.take();
    solo.now += silence;
    const request: Message = { kind: "RequestVote", ...solo.from(3, 2), lastLog: none, transfer: false };
    expect(granted(solo.answers({ ...request, kind: "RequestPreVote" }))).toBe(!heard);
    expect(granted(solo.answers(request))).toBe(!heard);
  }
});

test("E2 a leader whose quorum has been silent for a timeout listens to candidates again", () => {
  const solo = new Solo();
  solo.lead();
  solo.now += 1000;
  expect(
    granted(solo.answers({ kind: "RequestVote", ...solo.from(2, 2), lastLog: { index: 1, term: 1 }, transfer: false })),
  ).toBe(true);
});

test("E2 whoever follows the leader of a term gives no vote in it", () => {
  const solo = new Solo();
  solo.step(append(solo.from(2, 1), { previous: none }));
  expect(solo.raft.view.vote).toBeNull();
  solo.now += 1500;
  expect(granted(solo.answers({ kind: "RequestVote", ...solo.from(3, 1), lastLog: none, transfer: false }))).toBe(
    false,
  );
});

test("E3 a pre-vote changes nothing at the node that is asked", () => {
  const solo = new Solo({ terms: [1], autoDisk: false });
  const { term, vote } = solo.raft.view;
  const { deadline } = solo.raft;
  solo.now += 500;
  expect(granted(solo.answers({ kind: "RequestPreVote", ...solo.from(2, 7), lastLog: { index: 1, term: 1 } }))).toBe(
    true,
  );
  expect(granted(solo.answers({ kind: "RequestPreVote", ...solo.from(3, 7), lastLog: { index: 1, term: 1 } }))).toBe(
    true,
  ); // binds nobody
  expect([solo.raft.view.term, solo.raft.view.vote, solo.raft.deadline]).toEqual([term, vote, deadline]);
  expect(solo.writes).toEqual([]);
});

test("E3 asking for pre-votes changes neither term nor vote and forgets the leader", () => {
  const solo = new Solo({ autoDisk: false });
  solo.step({ kind: "Heartbeat", ...solo.from(2, 1), commitIndex: 0, round: 1, session: 1 });
  solo.complete();
  expect(solo.raft.view.leader).toBe(2);
  solo.tick(2000);
  const { view } = solo.raft;
  expect([view.role.kind, view.term, view.vote, view.leader]).toEqual(["preCandidate", 1, null, null]);
  expect(solo.writes).toEqual([]);
});

test("E3 pre-votes that come late or twice do not count as votes", () => {
  const cluster = new Cluster({ voters: 5 });
  cluster.timeout(1);
  cluster.deliver({ kind: "RequestPreVote" });
  const preVotes = cluster.take({ kind: "RequestPreVoteResponse" });
  for (const preVote of [...preVotes, ...preVotes, ...preVotes]) cluster.step(preVote);
  expect([cluster.raft(1).view.role.kind, cluster.raft(1).view.term]).toEqual(["candidate", 1]);
  cluster.deliver({ kind: "RequestVote", to: 2 });
  cluster.deliver({ kind: "RequestVoteResponse" });
  for (const preVote of preVotes) cluster.step(preVote);
  expect(cluster.raft(1).view.role.kind).toBe("candidate"); // two real votes of five
});

test("E3 a pre-vote counts only for the campaign that it names", () => {
  const solo = new Solo({ hardState: { term: 4, vote: null } });
  solo.tick(2000);
  for (const campaignTerm of [4, 6]) {
    solo.step({ kind: "RequestPreVoteResponse", ...solo.from(2, campaignTerm), campaignTerm, granted: true });
    expect(solo.raft.view.role.kind).toBe("preCandidate");
  }
  solo.step({ kind: "RequestPreVoteResponse", ...solo.from(2, 5), campaignTerm: 5, granted: true });
  expect(solo.raft.view.role.kind).toBe("candidate");
});

test("E3 the votes of an earlier campaign are forgotten", () => {
  const solo = new Solo({ voters: 5 });
  for (const peer of [2, 3]) {
    solo.tick(2000);
    solo.step({ kind: "RequestPreVoteResponse", ...solo.from(peer, 1), campaignTerm: 1, granted: true });
  }
  expect(solo.raft.view.role.kind).toBe("preCandidate");
});

test("E4 a node with a higher term is freed by one election", () => {
  const past = { terms: [5], term: 5 };
  const cluster = new Cluster({ voters: 3, pasts: { 1: past, 2: past, 3: { terms: [5], term: 9 } } });
  cluster.isolate(3);
  cluster.elect(1);
  cluster.propose(1, "x");
  cluster.run(500);
  cluster.heal();
  cluster.runUntil(() => cluster.leader !== null && cluster.raft(3).view.leader === cluster.leader, 6000);
  expect(cluster.raft(3).view.term).toBe(10);
  cluster.run(10_000);
  expect(cluster.raft(3).view.term).toBe(10);
  expect(cluster.raft(3).view.log.commitIndex).toBe(4);
});

test("E4 appends, heartbeats, votes and pre-votes of a past term are answered with ours", () => {
  const past = 3;
  const messages = (solo: Solo): readonly Message[] => [
    append(solo.from(2, past), { previous: none }),
    { kind: "Heartbeat", ...solo.from(2, past), commitIndex: 0, round: 1, session: 1 },
    { kind: "RequestVote", ...solo.from(2, past), lastLog: none, transfer: false },
    { kind: "RequestPreVote", ...solo.from(2, past), lastLog: none },
  ];
  for (let i = 0; i < 4; i++) {
    const solo = new Solo({ hardState: { term: 9, vote: null } });
    const message = messages(solo)[i];
    const answers = message === undefined ? [] : solo.answers(message);
    expect(answers.map((answer) => [answer.to, answer.term])).toEqual([[2, 9]]);
    expect(granted(answers)).toBe(false);
  }
});

test("E5 a leader cut off steps down within two timeouts, gives up its reads and commits nothing", () => {
  const cluster = new Cluster({ voters: 5, learners: 1 });
  cluster.elect(1);
  cluster.run(500);
  cluster.partition([1, 2, 6], [3, 4, 5]); // one other voter and a learner are no quorum
  cluster.propose(1, "x");
  const token = cluster.read(1);
  const { commitIndex } = cluster.raft(1).view.log;
  cluster.run(2 * testLimits.electionTimeoutMs);
  const { view } = cluster.raft(1);
  expect([view.role.kind === "leader", view.log.commitIndex]).toEqual([false, commitIndex]);
  expect(cluster.readIndex(1, token)).toBeNull();
});

test("E5 what a leader sends keeps nobody convinced but itself: it steps down in the middle of its work", () => {
  const cluster = new Cluster({ voters: 3, limits: { inflightMessagesMax: 1000 } });
  cluster.elect(1);
  cluster.run(300);
  cluster.isolate(1);
  for (let i = 0; i < 40; i++) {
    cluster.propose(1, `${i}`);
    cluster.run(50);
  }
  expect(cluster.raft(1).view.role.kind).not.toBe("leader");
});

test("E5 a leader with a quorum stays, whoever else is away", () => {
  const cluster = new Cluster({ voters: 5, learners: 1 });
  cluster.elect(1);
  cluster.partition([1, 2, 3], [4, 5, 6]);
  cluster.run(20_000);
  expect([cluster.leader, cluster.raft(1).view.term]).toEqual([1, 1]);
});

test("X2 a leader that could not run for long asks again before it believes that nobody answers", () => {
  const solo = new Solo();
  solo.lead();
  solo.tick(100 * testLimits.electionTimeoutMs);
  expect(solo.raft.view.role.kind).toBe("leader");
  expect(solo.take().filter((message) => message.kind === "Heartbeat").length).toBe(2);
  for (let i = 0; i < 20 && solo.raft.view.role.kind === "leader"; i++) solo.tick(testLimits.heartbeatMs);
  expect(solo.raft.view.role.kind).toBe("follower"); // and now nobody did
});

test("E6 partial connectivity does not livelock", () => {
  for (const first of [1, 2, 3, 4, 5]) {
    const cluster = new Cluster({ voters: 5, seed: first });
    cluster.elect(first);
    cluster.partition([4], [1, 3, 5]);
    cluster.partition([5], [1, 2, 4]);
    cluster.run(10_000); // whoever led may have to be replaced
    const { leader } = cluster;
    const term = cluster.raft(leader ?? 0).view.term;
    const before = cluster.safety.commitIndex;
    for (let second = 0; second < 60; second++) {
      cluster.run(1000);
      cluster.propose(cluster.leader ?? 0, `${second}`);
    }
    expect(cluster.raft(cluster.leader ?? 0).view.term - term).toBeLessThanOrEqual(2);
    expect(cluster.safety.commitIndex - before).toBeGreaterThan(50);
  }
});

test("E7 a leader of a past term does not keep anybody from campaigning", () => {
  const solo = new Solo({ hardState: { term: 5, vote: null } });
  for (let ms = 0; ms <= 2000; ms += 100) {
    solo.tick(100);
    solo.step({ kind: "Heartbeat", ...solo.from(2, 4), commitIndex: 0, round: ms, session: 1 });
    solo.step(append(solo.from(2, 4), { previous: none }));
  }
  expect(solo.raft.view.role.kind).toBe("preCandidate");
});

test("E7 a candidate that is refused buys no time, whatever term it brings", () => {
  const solo = new Solo({ terms: [3] });
  const { deadline } = solo.raft;
  solo.tick(900);
  solo.step({ kind: "RequestVote", ...solo.from(2, 4), lastLog: { index: 9, term: 2 }, transfer: false });
  expect([solo.raft.view.term, solo.raft.view.vote, solo.raft.deadline]).toEqual([4, null, deadline]);
  solo.step({ kind: "RequestPreVote", ...solo.from(2, 5), lastLog: { index: 9, term: 5 } });
  expect(solo.raft.deadline).toBe(deadline);
});

test("E7 a vote that is granted and a leader that is heard buy time", () => {
  const messages: ((solo: Solo) => Message)[] = [
    (solo) => ({ kind: "RequestVote", ...solo.from(2, 4), lastLog: { index: 1, term: 3 }, transfer: false }),
    (solo) => ({ kind: "Heartbeat", ...solo.from(2, 3), commitIndex: 0, round: 1, session: 1 }),
    (solo) => append(solo.from(2, 3), { previous: { index: 9, term: 3 } }), // refused, but it is the leader
  ];
  for (const make of messages) {
    const solo = new Solo({ terms: [3] });
    solo.tick(900);
    solo.step(make(solo));
    expect(solo.raft.deadline).toBeGreaterThanOrEqual(1900);
  }
});

test("E7 a leader that steps down waits a fresh timeout", () => {
  const solo = new Solo();
  solo.lead();
  while (solo.raft.view.role.kind === "leader") solo.tick(testLimits.heartbeatMs);
  expect(solo.raft.view.role.kind).toBe("follower");
  expect(solo.raft.deadline).toBeGreaterThanOrEqual(solo.now + 1000);
});

test("E7 a vote for itself that becomes durable late does not count in another term", () => {
  const solo = new Solo({ autoDisk: false });
  const win = (term: number): void =>
    solo.step({ kind: "RequestPreVoteResponse", ...solo.from(2, term), campaignTerm: term, granted: true });
  solo.tick(2000);
  win(1);
  solo.tick(2000);
  win(2);
  expect([solo.raft.view.role.kind, solo.raft.view.term]).toEqual(["candidate", 2]);
  solo.completeOne(); // the vote of term 1
  solo.step({ kind: "RequestVoteResponse", ...solo.from(2, 2), granted: true });
  expect(solo.raft.view.role.kind).toBe("candidate");
  solo.completeOne();
  expect(solo.raft.view.role.kind).toBe("leader");
});

test("E7 a vote for itself that becomes durable after the election was lost changes nothing", () => {
  const solo = new Solo({ autoDisk: false });
  solo.tick(2000);
  solo.step({ kind: "RequestPreVoteResponse", ...solo.from(2, 1), campaignTerm: 1, granted: true });
  solo.step(append(solo.from(3, 1), { previous: none }));
  solo.complete();
  expect([solo.raft.view.role.kind, solo.raft.view.leader]).toEqual(["follower", 3]);
});

test("E7 an election that a majority refused is over, and no sooner", () => {
  const solo = new Solo({ voters: 5 });
  solo.tick(2000);
  for (const peer of [2, 3])
    solo.step({ kind: "RequestPreVoteResponse", ...solo.from(peer, 1), campaignTerm: 1, granted: true });
  const refuse = (from: NodeId): void =>
    solo.step({ kind: "RequestVoteResponse", ...solo.from(from, 1), granted: false });
  refuse(2);
  refuse(3);
  expect(solo.raft.view.role.kind).toBe("candidate");
  refuse(4);
  expect(solo.raft.view.role.kind).toBe("follower");
});

test("E8 a learner never campaigns, but votes when it is asked", () => {
  const solo = new Solo({ learner: true });
  solo.step({ kind: "Heartbeat", ...solo.from(2, 1), commitIndex: 0, round: 1, session: 1 });
  solo.take();
  for (let i = 0; i < 10; i++) solo.tick(2000);
  solo.step({ kind: "TimeoutNow", ...solo.from(2, 1) });
  expect(solo.take()).toEqual([]);
  expect([solo.raft.view.role.kind, solo.raft.view.leader]).toEqual(["follower", null]);
  const request: RequestVote = { kind: "RequestVote", ...solo.from(3, 2), lastLog: none, transfer: false };
  expect(granted(solo.answers(request))).toBe(true);
});

test("E8 votes of learners and strangers do not count", () => {
  const cluster = new Cluster({ voters: 3, learners: 2 });
  cluster.partition([1, 4, 5], [2, 3]);
  cluster.timeout(1);
  cluster.deliver();
  for (const from of [4, 5, 9]) {
    cluster.step({
      kind: "RequestPreVoteResponse",
      group: 0,
      directory: 0,
      from,
      to: 1,
      term: 1,
      campaignTerm: 1,
      granted: true,
    });
  }
  expect(cluster.raft(1).view.role.kind).toBe("preCandidate");
});
