/** Rule P13: a node that comes back on another data directory than the one that it is bound to is not counted, and stops. */
import { expect, test } from "bun:test";
import { entryChecksum } from "../../src/lib/checksum.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { type Entry, type Membership, type Message, newMembership } from "../../src/raft/mod.ts";
import { encodeMembership } from "../../src/wire/mod.ts";
import { change, led } from "./changing.ts";
import { Cluster, testLimits } from "./harness.ts";
import { append, Solo } from "./solo.ts";

/** Three voters of which some are bound, each to the directory of ten times its id. */
function boundTo(...ids: readonly number[]): Membership {
  return { ...newMembership({ voters: [1, 2, 3] }), directories: ids.map((id) => ({ id, directory: 10 * id })) };
}

function membershipEntry(id: { index: number; term: number }, membership: Membership): Entry {
  const entry = { ...id, kind: "membership", payload: encodeMembership(membership) } as const;
  return { ...entry, checksum: entryChecksum(entry) };
}

function directoriesAt(cluster: Cluster, id: number): string {
  const { directories } = cluster.raft(id).view.membership;
  return directories.map((binding) => `${binding.id}:${binding.directory}`).join(" ");
}

function kindsOf(messages: readonly Message[]): readonly string[] {
  return messages.map((message) => `${message.kind} ${message.to}`);
}

/** A leader of three, bound to their directories, that has committed all that it has. */
function leading(directories: Membership = boundTo(1, 2, 3)): Solo {
  const solo = new Solo({ directory: 10, membership: directories });
  solo.tick(solo.raft.deadline - solo.now);
  const term = solo.raft.view.term + 1;
  solo.step({ kind: "RequestPreVoteResponse", ...solo.from(2, term, 20), campaignTerm: term, granted: true });
  solo.step({ kind: "RequestVoteResponse", ...solo.from(2, term, 20), granted: true });
  expect(solo.raft.view.role.kind).toBe("leader");
  acknowledge(solo, { peer: 2, directory: 20, matchIndex: solo.raft.view.log.lastIndex });
  expect(solo.raft.view.log.commitIndex).toBe(solo.raft.view.log.lastIndex);
  solo.take();
  return solo;
}

function sessionOf(solo: Solo, peer: number): number {
  const { role } = solo.raft.view;
  return role.kind === "leader" ? (role.progress.get(peer)?.session ?? 0) : 0;
}

function acknowledge(
  solo: Solo,
  { peer, directory, matchIndex }: { readonly peer: number; readonly directory: number; readonly matchIndex: number },
): void {
  solo.step({
    kind: "AppendEntriesResponse",
    ...solo.from(peer, solo.raft.view.term, directory),
    session: sessionOf(solo, peer),
    boot: 1,
    outcome: { kind: "accepted", matchIndex },
  });
}

test("P13 a new cluster binds its voters to their directories, those that elected the leader in its second entry", () => {
  const cluster = new Cluster({ voters: 5, directories: true });
  cluster.isolate(5);
  cluster.elect(1);
  cluster.run(500);
  const entries = cluster.node(1).applied.filter((entry) => entry.kind === "membership");
  expect(entries[0]?.index).toBe(2);
  expect(entries.length).toBeLessThan(3); // whoever answers while one is under way is bound with the next
  expect(directoriesAt(cluster, 3)).toBe("1:1000 2:2000 3:3000 4:4000");
  cluster.heal();
  cluster.run(500);
  expect(cluster.ids.map((id) => directoriesAt(cluster, id))).toEqual(
    Array<string>(5).fill("1:1000 2:2000 3:3000 4:4000 5:5000"),
  );
  cluster.crash(1);
  cluster.runUntil(() => cluster.leader !== null, 5000);
  cluster.run(500);
  expect(cluster.node(2).applied.filter((entry) => entry.kind === "membership").length).toBe(entries.length + 1); // once and for all
});

test("P13 a follower that comes back on an empty directory is told so, and stops", () => {
  const cluster = led({ voters: 3, directories: true });
  cluster.propose(1, "a");
  cluster.run(200);
  cluster.wipe(3);
  cluster.run(200);
  expect([...cluster.refused]).toEqual([3]);
  expect(cluster.progress(1, 3).isRefused).toBe(true);
  cluster.propose(1, "b");
  cluster.run(200);
  expect([cluster.leader, cluster.raft(2).view.log.commitIndex]).toEqual([1, cluster.raft(1).view.log.lastIndex]);
  change(cluster, 1, [1, 2]); // its place is free for another id
  cluster.run(200);
  expect(directoriesAt(cluster, 2)).toBe("1:1000 2:2000");
});

test("P13 the leader dies when a wiped follower comes back: the other one knows, and nothing is lost", () => {
  for (const restarted of [false, true]) {
    const cluster = led({ voters: 3, directories: true });
    cluster.isolate(2);
    cluster.propose(1, "only on 1 and 3");
    cluster.deliver();
    const { commitIndex } = cluster.raft(1).view.log;
    expect(commitIndex).toBe(cluster.raft(1).view.log.lastIndex);
    cluster.crash(1);
    cluster.take();
    cluster.heal();
    if (restarted) cluster.restart(2); // it no longer knows what is committed
    cluster.wipe(3);
    cluster.run(10_000);
    expect(cluster.up.filter((node) => node.raft.view.role.kind === "leader").length).toBe(0);
    if (!restarted) expect([...cluster.refused]).toEqual([3]);
    cluster.restart(1);
    cluster.runUntil(() => cluster.leader === 1, 5000);
    cluster.run(1000);
    expect([...cluster.refused]).toEqual([3]);
    expect(cluster.raft(2).view.log.commitIndex).toBeGreaterThan(commitIndex);
  }
});

test("P13 the directory that was wiped is the one that counts when it is put back", () => {
  const solo = leading();
  acknowledge(solo, { peer: 3, directory: 99, matchIndex: 1 });
  solo.input((raft) => raft.propose(new Uint8Array(1)));
  acknowledge(solo, { peer: 3, directory: 30, matchIndex: solo.raft.view.log.lastIndex });
  expect(solo.raft.view.log.commitIndex).toBe(solo.raft.view.log.lastIndex);
});

test("P13 no acknowledgement, heartbeat, chunk or question of another directory counts, and each is refused", () => {
  const solo = leading();
  const { term, log } = solo.raft.view;
  solo.input((raft) => raft.propose(new Uint8Array(1)));
  solo.take();
  const foreign = { ...solo.from(3, term, 31), session: sessionOf(solo, 3), boot: 1 };
  const read = { kind: "ReadIndex", request: 1, lease: false } as const;
  const messages: readonly Message[] = [
    { kind: "AppendEntriesResponse", ...foreign, outcome: { kind: "accepted", matchIndex: log.lastIndex } },
    { kind: "HeartbeatResponse", ...foreign, round: 1 },
    { kind: "InstallSnapshotResponse", ...foreign, index: 1, received: 1 },
    { ...read, ...solo.from(3, term, 31), boot: 1 },
    { kind: "AppendEntriesResponse", ...foreign, term: term + 5, outcome: { kind: "accepted", matchIndex: 1 } },
  ];
  for (const message of messages) expect(kindsOf(solo.answers(message))).toEqual(["DirectoryRefused 3"]);
  expect([solo.raft.view.log.commitIndex, solo.raft.view.term]).toEqual([log.lastIndex - 1, term]);
  for (let i = 0; i < 30; i++) {
    solo.tick(testLimits.heartbeatMs);
    const { role } = solo.raft.view;
    if (role.kind !== "leader") break;
    solo.step({ kind: "HeartbeatResponse", ...foreign, round: role.round });
  }
  expect(solo.raft.view.role.kind).toBe("follower"); // its answers keep nobody in office
});

test("P13 no vote and no pre-vote of another directory counts", () => {
  const solo = new Solo({ directory: 10, membership: boundTo(1, 2, 3) });
  solo.tick(solo.raft.deadline - solo.now);
  const preVote = { kind: "RequestPreVoteResponse", campaignTerm: 1, granted: true } as const;
  solo.step({ ...preVote, ...solo.from(3, 1, 31) });
  expect(solo.raft.view.role.kind).toBe("preCandidate");
  solo.step({ ...preVote, ...solo.from(2, 1, 20) });
  expect(solo.raft.view.role.kind).toBe("candidate");
  solo.step({ kind: "RequestVoteResponse", ...solo.from(3, 1, 31), granted: true });
  expect(solo.raft.view.role.kind).toBe("candidate");
  solo.step({ kind: "RequestVoteResponse", ...solo.from(3, 1, 30), granted: true });
  expect(solo.raft.view.role.kind).toBe("leader");
});

test("P13 a candidate on another directory gets no vote, and its term is not taken", () => {
  const solo = new Solo({ directory: 10, membership: boundTo(1, 2, 3) });
  const lastLog = { index: 9, term: 9 };
  for (const directory of [31, 0]) {
    const from = solo.from(3, 9, directory);
    const answers = [
      ...solo.answers({ kind: "RequestPreVote", ...from, lastLog }),
      ...solo.answers({ kind: "RequestVote", ...from, lastLog, transfer: true }),
    ];
    expect(kindsOf(answers)).toEqual(["DirectoryRefused 3", "DirectoryRefused 3"]);
    expect(solo.raft.view.term).toBe(0);
  }
  solo.answers({ kind: "RequestVote", ...solo.from(3, 9, 30), lastLog, transfer: true });
  expect([solo.raft.view.term, solo.raft.view.vote]).toEqual([9, 3]);
});

test("P13 a binding that is not committed counts no other directory, tells nobody, and gives way to a leader", () => {
  const solo = new Solo({ directory: 10 });
  const binding = membershipEntry({ index: 1, term: 1 }, boundTo(1, 2, 3));
  const first = append(solo.from(2, 1, 20), { previous: { index: 0, term: 0 } });
  solo.step({ ...first, entries: [binding] });
  expect(solo.raft.view.membership.directories.length).toBe(3);
  solo.tick(testLimits.electionTimeoutMs);
  const lastLog = { index: 9, term: 9 };
  const request = { kind: "RequestVote", ...solo.from(3, 9, 31), lastLog, transfer: true } as const;
  expect(kindsOf(solo.answers(request))).toEqual([]);
  expect(solo.raft.view.term).toBe(1);
  // Others may have bound it to that very directory: whoever leads, leads.
  const overwriting = append(solo.from(3, 9, 31), { previous: { index: 0, term: 0 }, terms: [9] });
  expect(kindsOf(solo.answers(overwriting))).toEqual(["AppendEntriesResponse 3"]);
  expect([solo.raft.view.membership.directories.length, solo.raft.view.log.lastIndex]).toEqual([0, 1]);
});

test("P13 what is committed is not overwritten from another directory, nor is anybody told to go or to campaign", () => {
  const solo = new Solo({ directory: 10 });
  const binding = membershipEntry({ index: 1, term: 1 }, boundTo(1, 2, 3));
  const first = append(solo.from(2, 1, 20), { previous: { index: 0, term: 0 }, commitIndex: 1 });
  solo.step({ ...first, entries: [binding] });
  const foreign = solo.from(3, 9, 31);
  for (const message of [
    append(foreign, { previous: { index: 1, term: 1 }, terms: [9] }),
    { kind: "Heartbeat", ...foreign, commitIndex: 0, round: 1, session: 1 },
    { kind: "TimeoutNow", ...foreign },
    { kind: "Removed", ...foreign },
  ] as const)
    expect(kindsOf(solo.answers(message))).toEqual(["DirectoryRefused 3"]);
  expect([solo.raft.view.term, solo.raft.view.log.lastIndex, solo.raft.view.isRemoved]).toEqual([1, 1, false]);
});

test("P13 two directories of one voter are seen before it is bound: the first one counts", () => {
  const solo = leading(boundTo(1)); // node 2 has voted on directory 20, and is bound to it
  expect(solo.raft.view.membership.directories).toEqual(boundTo(1, 2).directories);
  solo.input((raft) => raft.propose(new Uint8Array(1)));
  const { lastIndex } = solo.raft.view.log;
  acknowledge(solo, { peer: 3, directory: 30, matchIndex: lastIndex - 1 });
  acknowledge(solo, { peer: 3, directory: 31, matchIndex: lastIndex });
  expect(solo.raft.view.log.commitIndex).toBe(lastIndex - 1);
  expect(solo.raft.view.membership.directories).toEqual(boundTo(1, 2, 3).directories);
});

test("P13 two directories of one voter answer one campaign: the first one counts", () => {
  const solo = new Solo({ directory: 10, voters: 5 });
  solo.tick(solo.raft.deadline - solo.now);
  for (const peer of [2, 3]) {
    solo.step({ kind: "RequestPreVoteResponse", ...solo.from(peer, 1, 7), campaignTerm: 1, granted: true });
  }
  solo.step({ kind: "RequestVoteResponse", ...solo.from(2, 1, 20), granted: false });
  solo.step({ kind: "RequestVoteResponse", ...solo.from(2, 1, 21), granted: true });
  solo.step({ kind: "RequestVoteResponse", ...solo.from(3, 1, 30), granted: true });
  expect(solo.raft.view.role.kind).toBe("candidate");
});

test("P13 a snapshot carries the bindings to whoever missed them", () => {
  const cluster = new Cluster({ voters: 3, directories: true });
  cluster.isolate(2);
  cluster.elect(1);
  for (let i = 0; i < 5; i++) cluster.propose(1, `${i}`);
  cluster.run(200);
  cluster.node(1).takeSnapshot();
  cluster.node(3).takeSnapshot();
  cluster.heal();
  cluster.run(2000);
  expect(directoriesAt(cluster, 2)).toBe("1:1000 2:2000 3:3000");
  cluster.crash(1);
  cluster.wipe(3);
  cluster.run(10_000);
  expect([cluster.leader, [...cluster.refused]]).toEqual([null, [3]]);
});

test("P13 a learner may begin anew on another directory; it is bound by the entry that makes it a voter", () => {
  const cluster = led({ voters: 3, spares: 1, directories: true });
  change(cluster, 1, [1, 2, 3], [4]);
  cluster.run(500);
  const before = cluster.raft(1).view.log.lastIndex;
  cluster.wipe(4);
  cluster.run(3000);
  expect([cluster.progress(1, 4).matchIndex, cluster.raft(1).view.log.lastIndex]).toEqual([before, before]);
  change(cluster, 1, [1, 2, 3, 4]);
  expect(directoriesAt(cluster, 1)).toBe("1:1000 2:2000 3:3000 4:4001");
  cluster.run(500);
  cluster.wipe(4);
  cluster.run(500);
  expect([...cluster.refused]).toEqual([4]);
});

test("P13 a binding under way holds up no change, and a change none", () => {
  const solo = new Solo({ directory: 10 });
  solo.tick(solo.raft.deadline - solo.now);
  solo.step({ kind: "RequestPreVoteResponse", ...solo.from(2, 1, 20), campaignTerm: 1, granted: true });
  solo.step({ kind: "RequestVoteResponse", ...solo.from(2, 1, 20), granted: true });
  acknowledge(solo, { peer: 2, directory: 20, matchIndex: 1 });
  const { memberships, commitIndex } = solo.raft.view.log;
  expect([memberships.currentIndex, commitIndex]).toEqual([2, 1]); // the binding is not committed yet
  acknowledge(solo, { peer: 3, directory: 30, matchIndex: 1 });
  expect(solo.raft.view.membership.directories).toEqual(boundTo(1, 2).directories); // one at a time
  acknowledge(solo, { peer: 3, directory: 31, matchIndex: 2 });
  expect(solo.raft.view.log.commitIndex).toBe(1); // it was counted on another directory
  const target = { voters: [1, 2], learners: [], servers: [] };
  const answer = solo.input((raft) => raft.changeMembership(target, solo.now));
  expect(answer.ok).toBe(true);
  expect(solo.raft.view.membership.directories).toEqual(boundTo(1, 2, 3).directories); // taken along
  const second = solo.input((raft) => raft.changeMembership({ ...target, voters: [1] }, solo.now));
  expect(second).toMatchObject({ ok: false, reason: "changing" });
});

test("P13 a change of members keeps the bindings of those who are away", () => {
  const cluster = led({ voters: 4, directories: true });
  cluster.crash(4);
  cluster.crash(1);
  cluster.restart(1);
  cluster.run(1000);
  cluster.elect(2); // which has never heard node 4
  cluster.run(200);
  change(cluster, 2, [1, 2, 4]);
  expect(directoriesAt(cluster, 2)).toBe("1:1000 2:2000 3:3000 4:4000");
  cluster.run(200);
  expect(directoriesAt(cluster, 2)).toBe("1:1000 2:2000 4:4000");
});

test("P13 nobody is stopped by what is about another directory, nor by one mistaken node", () => {
  const refusal = (solo: Solo, from: number, refused: number): boolean => {
    solo.step({ kind: "DirectoryRefused", ...solo.from(from, 1, 7), refused });
    return solo.raft.isRefused;
  };
  const fresh = new Solo({ directory: 10 });
  expect([refusal(fresh, 2, 11), refusal(fresh, 2, 10)]).toEqual([false, true]);
  const healthy = new Solo({ directory: 10, membership: boundTo(1, 2, 3) });
  expect([refusal(healthy, 2, 10), refusal(healthy, 2, 10), refusal(healthy, 3, 10)]).toEqual([false, false, true]);
  const elsewhere = new Solo({ directory: 11, membership: boundTo(1, 2, 3) });
  expect(elsewhere.raft.isRefused).toBe(true); // its own log knows
});

test("P13 a node that its log binds to another directory neither campaigns nor votes", () => {
  const solo = new Solo({ directory: 11 });
  const binding = membershipEntry({ index: 1, term: 1 }, boundTo(1, 2, 3));
  const first = append(solo.from(2, 1, 20), { previous: { index: 0, term: 0 } });
  solo.step({ ...first, entries: [binding] });
  expect(solo.raft.isRefused).toBe(false); // that may be cut off again
  solo.tick(10 * testLimits.electionTimeoutMs);
  expect(solo.raft.view.role.kind).toBe("follower");
  const lastLog = { index: 9, term: 1 };
  const [preVote] = solo.answers({ kind: "RequestPreVote", ...solo.from(3, 2, 30), lastLog });
  const [vote] = solo.answers({ kind: "RequestVote", ...solo.from(3, 2, 30), lastLog, transfer: false });
  expect([preVote, vote]).toMatchObject([{ granted: false }, { granted: false }]);
});

test("P13 whoever is wiped, whenever, among crashes: what is committed stays, or nobody leads", () => {
  for (let seed = 1; seed <= 24; seed++) {
    const random = seededRandom(seed);
    const cluster = new Cluster({ voters: 3 + 2 * (seed % 2), directories: true, seed });
    cluster.runUntil(
      () => cluster.ids.every((id) => directoriesAt(cluster, id).split(" ").length === cluster.ids.length),
      20_000,
    );
    const victim = random.integer(1, cluster.ids.length);
    const at = random.integer(0, 40);
    for (let step = 0; step < 60; step++) {
      const id = random.integer(1, cluster.ids.length);
      if (step === at) cluster.wipe(victim);
      else if (step % 4 === 0 && !cluster.refused.has(id)) cluster.restart(id);
      else if (step % 7 === 0) cluster.isolate(id);
      else if (step % 7 === 3) cluster.heal();
      else if (step % 9 === 0 && cluster.node(id).up) cluster.crash(id);
      if (cluster.leader !== null) cluster.propose(cluster.leader, `${step}`);
      cluster.run(random.integer(1, 700));
    }
    cluster.heal();
    for (const id of cluster.ids) if (!cluster.refused.has(id) && !cluster.node(id).up) cluster.restart(id);
    cluster.runUntil(() => cluster.leader !== null && cluster.refused.size === 1, 20_000);
    expect([...cluster.refused]).toEqual([victim]);
  }
});
