/** Changes of the configuration: when one acts, what decides meanwhile, and who counts (rules M1 to M7). */
import { expect, test } from "bun:test";
import type { NodeId } from "../../src/raft/mod.ts";
import { membershipCodec } from "../../src/wire/mod.ts";
import { change, led, membersAt, refusal } from "./changing.ts";

test("M1 a configuration acts when it is appended: the election that follows uses it, committed or not", () => {
  const cluster = led({ voters: 3, learners: 1 });
  cluster.cut(1, 2);
  cluster.cut(1, 3);
  change(cluster, 1, [1, 2, 3, 4]);
  cluster.deliver();
  expect([4, 2].map((id) => membersAt(cluster, id))).toEqual(["1 2 3 4&1 2 3", "1 2 3 | 4"]);
  cluster.crash(1);
  cluster.heal();
  // Node 4 may now campaign, by both halves: it alone has the configuration, and it is not committed.
  cluster.elect(4);
  cluster.run(500);
  expect(cluster.ids.filter((id) => id !== 1).map((id) => membersAt(cluster, id))).toEqual([
    "1 2 3 4",
    "1 2 3 4",
    "1 2 3 4",
  ]);
});

test("M1 a configuration that is truncated never was: the one before acts again", () => {
  const cluster = led({ voters: 3, learners: 1 });
  cluster.isolate(1);
  change(cluster, 1, [1, 2], [3, 4]);
  cluster.deliver();
  expect(membersAt(cluster, 1)).toBe("1 2&1 2 3 | 4 then 3");
  cluster.elect(2);
  cluster.heal();
  cluster.run(500);
  expect(cluster.ids.map((id) => membersAt(cluster, id))).toEqual(Array<string>(4).fill("1 2 3 | 4"));
  expect(cluster.raft(1).view.role.kind).toBe("follower");
});

test("M1 a restart finds the configuration that its log ends with, and can still roll it back", () => {
  const cluster = led({ voters: 3 });
  cluster.isolate(1);
  change(cluster, 1, [1, 2]);
  cluster.deliver();
  cluster.restart(1);
  expect(membersAt(cluster, 1)).toBe("1 2&1 2 3");
  cluster.elect(3);
  cluster.heal();
  cluster.run(500);
  expect(membersAt(cluster, 1)).toBe("1 2 3");
});

test("M2 one change at a time: a second one in the same turn is refused", () => {
  const cluster = led({ voters: 3, learners: 2 });
  cluster.inTurn(1, () => {
    change(cluster, 1, [1, 2, 3], [4]);
    expect(refusal(cluster, 1, [1, 2, 3], [5])).toBe("changing");
  });
  cluster.run(500);
  expect(membersAt(cluster, 1)).toBe("1 2 3 | 4");
});

test("M2 a new leader takes no change until the one that it found in its log is over", () => {
  const cluster = led({ voters: 3, learners: 1 });
  change(cluster, 1, [1, 2, 3], []);
  cluster.deliverOnce({ from: 1, to: 2 });
  cluster.crash(1);
  cluster.take();
  cluster.timeout(2);
  cluster.deliver({ kind: "RequestPreVote" });
  cluster.deliver({ kind: "RequestPreVoteResponse" });
  cluster.deliver({ kind: "RequestVote" });
  cluster.deliver({ kind: "RequestVoteResponse" });
  expect(cluster.raft(2).view.role.kind).toBe("leader");
  expect(refusal(cluster, 2, [2, 3])).toBe("notReady");
  cluster.run(500);
  change(cluster, 2, [2, 3]);
});

test("M3 no change before the leader has committed an entry of its own term", () => {
  const cluster = led({ voters: 4, learners: 1 });
  cluster.crash(1);
  cluster.timeout(2);
  for (const kind of ["RequestPreVote", "RequestPreVoteResponse", "RequestVote", "RequestVoteResponse"] as const) {
    cluster.deliver({ kind });
  }
  expect(cluster.raft(2).view.role.kind).toBe("leader");
  expect([
    refusal(cluster, 2, [1, 2, 3]),
    refusal(cluster, 2, [1, 2, 3, 4], []),
    refusal(cluster, 2, [1, 2, 3, 4, 5]),
  ]).toEqual(Array<string>(3).fill("notReady"));
  cluster.run(500);
  change(cluster, 2, [2, 3, 4]);
});

test("M3 the bug of 2015: changes of leaders that cross never make two groups that decide apart", () => {
  // Two additions, two removals, one of each: what node 1 began alone is gone before node 2's change is committed.
  const cases: readonly (readonly [readonly NodeId[], readonly NodeId[]])[] = [
    [
      [1, 2, 3, 4, 5],
      [1, 2, 3, 4, 6],
    ],
    [
      [1, 2, 3],
      [1, 2, 4],
    ],
    [
      [1, 2, 3, 4, 5],
      [1, 2, 3],
    ],
  ];
  for (const [first, second] of cases) {
    const cluster = led({ voters: 4, learners: 2 });
    cluster.partition([1], [2, 3, 4, 6]);
    change(cluster, 1, first);
    cluster.deliver();
    cluster.elect(2);
    cluster.run(300);
    change(cluster, 2, second);
    cluster.run(300);
    expect(membersAt(cluster, 2)).toBe(second.join(" "));
    cluster.heal();
    cluster.run(3000);
    expect(cluster.raft(1).view.role.kind).toBe("follower");
    expect(second.map((id) => membersAt(cluster, id))).toEqual(second.map(() => second.join(" ")));
  }
});

test("M4 while a configuration is joint, both majorities elect and commit", () => {
  const cluster = led({ voters: 3, learners: 3 });
  cluster.partition([1, 2, 3], [4, 5, 6]);
  cluster.deliver();
  change(cluster, 1, [4, 5, 6]);
  const before = cluster.raft(1).view.log.commitIndex;
  cluster.run(200);
  expect(cluster.raft(1).view.log.commitIndex).toBe(before); // the old ones alone
  cluster.run(2000);
  expect(cluster.raft(1).view.role.kind).not.toBe("leader"); // and they are no quorum to lead with (E5)
  expect(cluster.ids.filter((id) => cluster.raft(id).view.role.kind === "leader")).toEqual([]);
  cluster.heal();
  cluster.run(5000);
  expect([4, 5, 6].map((id) => membersAt(cluster, id))).toEqual(Array<string>(3).fill("4 5 6"));
});

test("M4 a read in a joint configuration waits for both majorities", () => {
  const cluster = led({ voters: 3, learners: 2 });
  change(cluster, 1, [3, 4, 5]);
  // The joint configuration is committed on 1, 3 and 4, and the end of it is on its way nowhere.
  cluster.deliver({ to: 2 });
  for (let i = 0; i < 3; i++) cluster.deliverOnce();
  cluster.take();
  for (const id of [4, 5]) cluster.cut(id, 1);
  const token = cluster.read(1);
  cluster.deliver();
  expect(cluster.readIndex(1, token)).toBe(undefined);
  cluster.heal();
  cluster.run(300);
  expect(typeof cluster.readIndex(1, token)).toBe("number");
});

test("M5 the joint configuration is left once it is committed, by one entry", () => {
  const cluster = led({ voters: 3, learners: 1 });
  change(cluster, 1, [1, 2, 3, 4]);
  cluster.run(1000);
  const changes = cluster.node(4).applied.filter((entry) => entry.kind === "membership");
  expect(changes.map((entry) => membershipCodec.decode(entry.payload).outgoing)).toEqual([[1, 2, 3], []]);
  expect(membersAt(cluster, 4)).toBe("1 2 3 4");
});

test("M5 a leader that dies at any step of a change leaves it begun or done, and never half done", () => {
  for (let steps = 0; steps < 40; steps++) {
    const cluster = led({ voters: 3, learners: 3, seed: steps + 1 });
    change(cluster, 1, [4, 5, 6]);
    for (let i = 0; i < steps && cluster.pool.length > 0; i++) cluster.deliverAt((i * 7) % cluster.pool.length);
    cluster.crash(1);
    cluster.take();
    cluster.run(8000);
    const leader = cluster.leader;
    if (leader === null) throw new Error(`nobody leads after ${steps} steps`);
    const { voters, outgoing } = cluster.raft(leader).view.membership;
    expect(outgoing).toEqual([]);
    expect(["1 2 3", "4 5 6"]).toContain(voters.join(" "));
    expect(cluster.propose(leader, "x").ok).toBe(true);
    cluster.run(200);
    expect(cluster.raft(leader).view.log.commitIndex).toBe(cluster.raft(leader).view.log.lastIndex);
  }
});

test("M5 a transfer in the middle of a change delays its end, and the next leader sees to it", () => {
  const cluster = led({ voters: 3, learners: 1 });
  cluster.inTurn(1, () => {
    change(cluster, 1, [1, 2, 3, 4]);
    expect(cluster.transfer(1, 2)).toEqual({ ok: true });
  });
  cluster.run(1000);
  expect([cluster.leader, membersAt(cluster, 1)]).toEqual([2, "1 2 3 4"]);
});

test("M6 in a joint configuration no other change is accepted", () => {
  const cluster = led({ voters: 3, learners: 1 });
  change(cluster, 1, [1, 2, 3, 4]);
  cluster.cut(4, 1);
  cluster.cut(3, 1);
  cluster.cut(2, 1);
  cluster.deliver();
  expect([refusal(cluster, 1, [1, 2, 3]), refusal(cluster, 1, [1, 2, 3, 4])]).toEqual(["changing", "changing"]);
});

test("M6 nobody is no configuration, and neither is one with too many", () => {
  const cluster = led({ voters: 1, learners: 1 });
  expect(refusal(cluster, 1, [])).toBe("noVoters");
  expect(refusal(cluster, 1, [], [1, 2])).toBe("noVoters");
  const crowd = Array.from({ length: 64 }, (_, position) => position + 2);
  expect(refusal(cluster, 1, [1], crowd)).toBe("tooMany");
  expect(refusal(cluster, 1, [1], [2])).toBe("unchanged");
  expect(membersAt(cluster, 1)).toBe("1 | 2");
});

test("M7 a learner counts for nothing: not for commits, not for the leader's contact", () => {
  const cluster = led({ voters: 3, learners: 2 });
  cluster.partition([1, 4, 5], [2, 3]);
  cluster.propose(1, "x");
  cluster.run(500);
  expect(cluster.raft(1).view.log.commitIndex).toBeLessThan(cluster.raft(1).view.log.lastIndex);
  cluster.run(2000);
  expect(cluster.raft(1).view.role.kind).not.toBe("leader");
});

test("M7 a learner votes when it is asked: it may be a voter without knowing", () => {
  const cluster = led({ voters: 2, learners: 1 });
  // Node 3 becomes a voter; 1 and 2 know, node 3 does not, and then node 1 is gone.
  cluster.cut(1, 3);
  cluster.inTurn(1, () => change(cluster, 1, [1, 2, 3]));
  cluster.run(300);
  expect([membersAt(cluster, 2), membersAt(cluster, 3)]).toEqual(["1 2 3", "1 2 | 3"]);
  cluster.crash(1);
  cluster.elect(2);
  cluster.run(300);
  expect([cluster.leader, membersAt(cluster, 3)]).toEqual([2, "1 2 3"]);
});

test("M7 a voter that is demoted decides until the change is over, and learns from then on", () => {
  const cluster = led({ voters: 3 });
  change(cluster, 1, [1, 2], [3]);
  expect(membersAt(cluster, 1)).toBe("1 2&1 2 3 |  then 3");
  cluster.run(300);
  expect(cluster.ids.map((id) => membersAt(cluster, id))).toEqual(Array<string>(3).fill("1 2 | 3"));
  cluster.isolate(3);
  cluster.run(5000);
  expect(cluster.raft(3).view.role.kind).toBe("follower"); // E8
  cluster.heal();
  cluster.propose(1, "x");
  cluster.run(300);
  expect(cluster.node(3).applied.at(-1)?.kind).toBe("commands");
});
