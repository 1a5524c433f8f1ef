/** Changes of the configuration: who may come, and what becomes of those who leave (rules M8 to M11). */
import { expect, test } from "bun:test";
import { entryChecksum } from "../../src/lib/checksum.ts";
import { type Message, newMembership } from "../../src/raft/mod.ts";
import { membershipCodec } from "../../src/wire/mod.ts";
import { change, led, membersAt, refusal } from "./changing.ts";
import { Cluster } from "./harness.ts";
import { append, Solo } from "./solo.ts";

test("M8 only a learner that keeps pace becomes a voter", () => {
  const cluster = led({ voters: 3, learners: 1, spares: 1, limits: { appendBytesMax: 1 } });
  cluster.isolate(4);
  for (let i = 0; i < 500; i++) cluster.propose(1, "xy");
  cluster.run(2500);
  expect(refusal(cluster, 1, [1, 2, 3, 4])).toBe("notCaughtUp 4"); // silent
  cluster.heal();
  cluster.runUntil(() => cluster.progress(1, 4).contactAt === cluster.now, 1000);
  if (cluster.progress(1, 4).matchIndex < 500) expect(refusal(cluster, 1, [1, 2, 3, 4])).toBe("notCaughtUp 4");
  expect(refusal(cluster, 1, [1, 2, 3, 5], [4])).toBe("notCaughtUp 5"); // not even a learner
  cluster.run(300);
  change(cluster, 1, [1, 2, 3, 4]);
});

test("M8 a learner that answers and is far behind does not become a voter", () => {
  const cluster = led({ voters: 3, learners: 1 });
  cluster.cut(1, 4);
  for (let i = 0; i < 3000; i++) cluster.propose(1, "x");
  cluster.run(1000);
  cluster.run(1000);
  cluster.heal();
  // The network brings the heartbeats of the leader at once, and of the log little.
  cluster.advance(100);
  cluster.tick(1);
  cluster.deliver({ from: 1, to: 4, kind: "Heartbeat" });
  cluster.deliver({ from: 4, to: 1 });
  expect(cluster.progress(1, 4).contactAt).toBe(cluster.now);
  expect(refusal(cluster, 1, [1, 2, 3, 4])).toBe("notCaughtUp 4");
  cluster.run(200);
  change(cluster, 1, [1, 2, 3, 4]);
});

test("M8 a change that would leave fewer live voters than a quorum is refused", () => {
  const cluster = led({ voters: 3 });
  cluster.crash(3);
  cluster.run(1500);
  expect(refusal(cluster, 1, [1, 3])).toBe("quorumLost 3");
  change(cluster, 1, [1, 2]);
  cluster.run(300);
  expect(membersAt(cluster, 1)).toBe("1 2");
});

test("M9 a leader that is removed leads until that is committed, without counting itself, and hands over", () => {
  const cluster = led({ voters: 2 });
  cluster.propose(1, "x");
  cluster.run(200);
  change(cluster, 1, [2]);
  cluster.deliverOnce();
  cluster.deliverOnce(); // the joint configuration is committed, and its end is in the log of node 1 alone
  expect(membersAt(cluster, 1)).toBe("2");
  const last = cluster.raft(1).view.log.lastIndex;
  expect([cluster.raft(1).view.role.kind, cluster.raft(1).view.log.commitIndex]).toEqual(["leader", last - 1]);
  cluster.deliverOnce();
  cluster.deliverOnce({ to: 1 });
  expect(cluster.raft(1).view.log.commitIndex).toBe(last); // by the acknowledgement of node 2 alone
  cluster.run(200);
  expect([cluster.leader, cluster.raft(2).view.role.kind]).toEqual([2, "leader"]);
  cluster.run(3000);
  expect([cluster.raft(1).view.role.kind, cluster.raft(1).view.isRemoved]).toEqual(["follower", true]);
});

test("M9 a removed leader that nobody succeeds in time steps down", () => {
  const cluster = led({ voters: 3 });
  change(cluster, 1, [2, 3]);
  cluster.runUntil(() => cluster.raft(1).view.isRemoved, 500);
  cluster.isolate(1);
  cluster.take();
  cluster.run(2100);
  expect(cluster.raft(1).view.role.kind).toBe("follower");
  expect([2, 3]).toContain(cluster.leader ?? 0);
});

test("M9 a removed leader whose voters are slow leads on until all that it took in is committed", () => {
  const cluster = led({ voters: 3 });
  change(cluster, 1, [2, 3]);
  cluster.deliverOnce();
  cluster.deliverOnce();
  expect(membersAt(cluster, 1)).toBe("2 3");
  const late = cluster.propose(1, "late");
  if (!late.ok) throw new Error(late.reason);
  const { index } = late.id;
  const isHeld = (message: Message): boolean =>
    message.kind === "AppendEntriesResponse" &&
    message.outcome.kind === "accepted" &&
    message.outcome.matchIndex >= index;
  for (let passed = 0; passed < 3500; passed += 10) {
    const next = (): number => cluster.pool.findIndex((message) => !isHeld(message));
    for (let position = next(); position >= 0; position = next()) cluster.deliverAt(position);
    cluster.advance(10);
    for (const id of cluster.ids) if (cluster.raft(id).deadline <= cluster.now) cluster.tick(id);
  }
  const { role, isRemoved, log, term } = cluster.raft(1).view;
  expect([role.kind, isRemoved, log.commitIndex]).toEqual(["leader", true, index - 1]);
  cluster.run(300);
  expect([2, 3]).toContain(cluster.leader ?? 0);
  expect(cluster.raft(2).view.term).toBe(term + 1); // handed over: nobody had to wait for an election
  expect(cluster.node(1).applied.some((entry) => entry.index === index)).toBe(true);
});

test("M9 what was proposed before the removal of the leader is committed before it goes", () => {
  const cluster = led({ voters: 3 });
  change(cluster, 1, [2, 3]);
  const proposals: number[] = [];
  for (let i = 0; i < 200 && cluster.raft(1).view.role.kind === "leader"; i++) {
    const proposal = cluster.propose(1, `${i}`);
    if (proposal.ok) proposals.push(proposal.id.index);
    if (cluster.pool.length > 0) cluster.deliverAt(i % cluster.pool.length);
  }
  cluster.run(1500);
  expect(proposals.length).toBeGreaterThan(3);
  expect(cluster.node(1).applied.filter((entry) => entry.kind === "commands").length).toBe(proposals.length);
});

test("M10 a node that knows nobody takes the log of whoever leads", () => {
  const cluster = led({ voters: 1, spares: 1 });
  for (let i = 0; i < 5; i++) cluster.propose(1, "x");
  change(cluster, 1, [1], [2]);
  cluster.run(300);
  expect([membersAt(cluster, 2), cluster.node(2).applied.length]).toEqual(["1 | 2", 7]);
  cluster.run(700);
  change(cluster, 1, [1, 2]);
  cluster.run(300);
  expect(membersAt(cluster, 2)).toBe("1 2");
});

test("M10 a node that lives by an old configuration votes for a member that it does not know", () => {
  const cluster = led({ voters: 3, spares: 1 });
  cluster.isolate(3);
  change(cluster, 1, [1, 2, 3], [4]);
  cluster.run(1500);
  change(cluster, 1, [1, 2, 3, 4]);
  cluster.run(300);
  expect(membersAt(cluster, 3)).toBe("1 2 3");
  cluster.crash(1);
  cluster.crash(2);
  cluster.restart(2);
  cluster.cut(2, 4); // node 2 hears node 4 and cannot win against it
  cluster.heal();
  cluster.run(100);
  cluster.timeout(4);
  cluster.deliver();
  expect(cluster.leader).toBe(4);
  cluster.run(500);
  expect(membersAt(cluster, 3)).toBe("1 2 3 4");
});

test("M10 a node that knows nobody never campaigns", () => {
  const cluster = new Cluster({ voters: 1, spares: 1 });
  cluster.crash(1);
  cluster.run(20_000);
  expect([cluster.raft(2).view.role.kind, cluster.raft(2).view.term]).toEqual(["follower", 0]);
});

test("M11 a node that was removed while it was away disturbs nobody, is told, and answers no read", () => {
  const cluster = led({ voters: 4 });
  cluster.isolate(4);
  cluster.run(3000); // it campaigns in vain
  change(cluster, 1, [1, 2, 3]);
  cluster.run(500);
  const { term } = cluster.raft(1).view;
  expect([cluster.raft(4).view.isRemoved, membersAt(cluster, 4)]).toEqual([false, "1 2 3 4"]);
  cluster.heal();
  cluster.run(5000);
  expect(cluster.raft(4).view.isRemoved).toBe(true);
  const ended = cluster.now;
  const token = cluster.read(4);
  expect(cluster.readIndex(4, token)).toBe(null);
  for (let i = 0; i < 100; i++) cluster.run(1000);
  expect(cluster.now - ended).toBe(100_000);
  expect(cluster.ids.slice(0, 3).map((id) => cluster.raft(id).view.term)).toEqual([term, term, term]);
  expect([cluster.leader, cluster.raft(4).view.role.kind]).toEqual([1, "follower"]);
});

test("M11 who is left out is told once that is committed, and does not have to miss its leader first", () => {
  for (const learners of [0, 1]) {
    const cluster = led({ voters: 4 - learners, learners });
    change(cluster, 1, [1, 2, 3]);
    cluster.cut(2, 1);
    cluster.cut(3, 1);
    cluster.run(50);
    expect([cluster.raft(4).view.isRemoved, cluster.raft(1).view.hasLeft(4)]).toEqual([false, false]);
    cluster.heal();
    cluster.runUntil(() => cluster.raft(1).view.hasLeft(4), 500);
    cluster.deliver();
    expect([cluster.raft(4).view.isRemoved, cluster.raft(4).view.role.kind]).toEqual([true, "follower"]);
    cluster.run(200);
    expect(cluster.take({ to: 4 })).toEqual([]); // once is enough: whoever misses it asks
  }
});

test("M11 a removed node that asks with a high term and the transfer flag is told, and its term is not taken", () => {
  const cluster = led({ voters: 3 });
  change(cluster, 1, [1, 2]);
  cluster.run(500);
  const { term } = cluster.raft(2).view;
  const route = { group: 0, directory: 0, from: 3, to: 2, term: term + 9 };
  cluster.step({ kind: "RequestVote", ...route, lastLog: { index: 99, term: term + 8 }, transfer: true });
  expect(cluster.take({ from: 2, to: 3 }).map((message) => message.kind)).toEqual(["Removed"]);
  expect(cluster.raft(2).view.term).toBe(term);
});

test("M11 what a removed node answered in a higher term comes late, and its term is not taken", () => {
  const cluster = led({ voters: 3 });
  change(cluster, 1, [1, 2]);
  cluster.run(500);
  const { term } = cluster.raft(1).view;
  for (const to of [1, 2]) {
    const late = { group: 0, directory: 0, from: 3, to, term: term + 9 };
    cluster.step({ kind: "RequestPreVoteResponse", ...late, campaignTerm: term + 9, granted: false });
    cluster.step({ kind: "RequestVoteResponse", ...late, granted: false });
    cluster.step({ kind: "HeartbeatResponse", ...late, session: 1, boot: 1, round: 0 });
  }
  cluster.run(3000);
  expect([1, 2].map((id) => cluster.raft(id).view.term)).toEqual([term, term]);
  expect(cluster.leader).toBe(1);
});

test("M11 nobody is told to be gone before that is committed", () => {
  const cluster = led({ voters: 3 });
  cluster.isolate(1);
  change(cluster, 1, [1, 2]);
  cluster.deliver();
  const { term, log } = cluster.raft(1).view;
  cluster.step({ kind: "RequestPreVote", group: 0, directory: 0, from: 3, to: 1, term: term + 1, lastLog: log.last });
  expect(cluster.take({ to: 3, kind: "Removed" })).toEqual([]);
});

test("M11 a read of somebody who is no member is not answered by the leader", () => {
  const cluster = led({ voters: 3, spares: 1 });
  const { term } = cluster.raft(1).view;
  cluster.step({ kind: "ReadIndex", group: 0, directory: 0, from: 4, to: 1, term, request: 1, boot: 1, lease: false });
  cluster.run(300);
  expect(cluster.take({ to: 4 })).toEqual([]);
});

test("E8 a server that its newest configuration leaves out campaigns as long as that may not be committed", () => {
  const cluster = led({ voters: 2 });
  change(cluster, 1, [2]);
  cluster.deliverOnce();
  cluster.deliverOnce(); // node 1 has the end of the change in its log, node 2 has not
  expect([membersAt(cluster, 1), membersAt(cluster, 2)]).toEqual(["2", "2&1 2"]);
  cluster.take();
  cluster.restart(1);
  // Only node 1 can win: its log is longer, and node 2 needs its vote.
  cluster.run(10_000);
  expect([membersAt(cluster, 2), cluster.leader]).toEqual(["2", 2]);
  expect(cluster.raft(1).view.isRemoved).toBe(true);
});

test("P13 an id that has left does not come back", () => {
  const cluster = led({ voters: 3 });
  change(cluster, 1, [1, 2]);
  cluster.run(500);
  expect([refusal(cluster, 1, [1, 2, 3]), refusal(cluster, 1, [1, 2], [3])]).toEqual(["retired 3", "retired 3"]);
  cluster.elect(2);
  cluster.run(500);
  expect(refusal(cluster, 2, [1, 2], [3])).toBe("retired 3");
});

test("L15 an entry before a change is committed by those who decide about it, and the change by its own quorum", () => {
  const cluster = led({ voters: 1, learners: 2 });
  const before = cluster.raft(1).view.log.lastIndex;
  cluster.partition([1], [2, 3]);
  cluster.inTurn(1, () => {
    cluster.propose(1, "x");
    change(cluster, 1, [1, 2, 3]);
    cluster.propose(1, "y");
  });
  cluster.deliver();
  expect([cluster.raft(1).view.log.commitIndex, cluster.raft(1).view.log.lastIndex]).toEqual([before + 1, before + 3]);
  cluster.heal();
  cluster.run(300);
  expect(membersAt(cluster, 3)).toBe("1 2 3");
});

test("L15 an entry before the end of a change still needs both halves", () => {
  const cluster = led({ voters: 3, learners: 1 });
  change(cluster, 1, [1, 4]);
  cluster.deliver({ to: 4 });
  cluster.deliverOnce();
  cluster.deliverOnce({ to: 1 }); // joint, and committed; its end is appended
  expect(membersAt(cluster, 1)).toBe("1 4");
  const { log } = cluster.raft(1).view;
  expect([log.memberships.at(log.commitIndex).outgoing, log.lastIndex - log.commitIndex]).toEqual([[1, 2, 3], 1]);
});

test("L11 a follower that was removed and comes under another id is another follower: old answers do not count", () => {
  const cluster = led({ voters: 3, learners: 1, spares: 1 });
  cluster.propose(1, "x");
  cluster.run(200);
  change(cluster, 1, [1, 2, 3], [5]);
  cluster.propose(1, "y");
  cluster.deliver({ to: 4 });
  const captured = cluster.take({ from: 4 });
  cluster.run(300);
  expect(() => cluster.progress(1, 4)).toThrow("not in the group");
  for (const message of captured) cluster.step({ ...message, from: 5 });
  expect(cluster.progress(1, 5).matchIndex).toBeLessThanOrEqual(cluster.raft(5).view.log.lastIndex);
});

test("T3 the office goes to a voter of the new half only, and no change begins while it is handed over", () => {
  const cluster = led({ voters: 3, learners: 1 });
  change(cluster, 1, [1, 4]);
  expect([cluster.transfer(1, 2), cluster.transfer(1, 7)]).toMatchObject([
    { reason: "learner" },
    { reason: "unknownNode" },
  ]);
  cluster.run(300);
  expect(cluster.transfer(1, 2)).toMatchObject({ reason: "unknownNode" });
  cluster.cut(1, 4);
  cluster.propose(1, "x");
  expect(cluster.transfer(1, 4)).toEqual({ ok: true });
  expect(refusal(cluster, 1, [1])).toBe("transferring");
});

test("X4 a configuration in the log that cannot be read stops the node: it would live by another than the rest", () => {
  const solo = new Solo({ voters: 3 });
  const payload = membershipCodec.encode(newMembership({ voters: [1, 2] })).fill(9, 0, 1);
  const entry = { index: 1, term: 1, kind: "membership", payload } as const;
  const message = append(solo.from(2, 1), { previous: { index: 0, term: 0 } });
  const entries = [{ ...entry, checksum: entryChecksum(entry) }];
  expect(() => solo.step({ ...message, entries })).toThrow("version 9");
});

test("M12 a snapshot carries the configuration of its place, in the middle of a change, too", () => {
  const cluster = led({ voters: 3, learners: 1 });
  cluster.crash(3);
  change(cluster, 1, [1, 2, 3, 4]);
  cluster.deliver({ from: 1 });
  for (const peer of [2, 4]) {
    for (const answer of cluster.take({ from: peer, to: 1 })) cluster.step(answer);
  }
  // The joint configuration is committed, its end is not.
  expect([membersAt(cluster, 1), cluster.raft(1).view.log.commitIndex]).toEqual(["1 2 3 4", 2]);
  cluster.node(1).takeSnapshot();
  cluster.take();
  cluster.restart(3);
  cluster.runUntil(() => cluster.raft(3).view.snapshot !== null, 900);
  const { log } = cluster.raft(3).view;
  expect([log.memberships.at(2).voters, log.memberships.at(2).outgoing]).toEqual([
    [1, 2, 3, 4],
    [1, 2, 3],
  ]);
  cluster.restart(3);
  expect(cluster.raft(3).view.log.memberships.at(2).outgoing).toEqual([1, 2, 3]);
});
