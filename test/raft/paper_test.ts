/** One test for each rule of the Raft paper: figure 2 box by box, then section 5. Longer stories are in test/scripts. */
import { expect, test } from "bun:test";
import type { Message } from "../../src/raft/mod.ts";
import { Cluster, textOf } from "./harness.ts";
import { append, Solo } from "./solo.ts";
import { termsOf } from "./safety.ts";

const none = { index: 0, term: 0 };

// Figure 2, state.

test("figure 2, state: term, vote and log survive a restart, the commit index starts again at 0", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.propose(1, "x");
  cluster.deliver();
  expect(cluster.raft(2).view.log.commitIndex).toBe(2);
  cluster.restart(2);
  const { view } = cluster.raft(2);
  expect([view.term, view.vote, view.log.lastIndex, view.log.commitIndex]).toEqual([1, 1, 2, 0]);
});

test("figure 2, state: a new leader expects every follower to have its own log, and knows of nothing stored", () => {
  const solo = new Solo({ terms: [1, 1, 2] });
  solo.lead();
  const { role } = solo.raft.view;
  if (role.kind !== "leader") throw new Error("not leader");
  for (const progress of role.progress.values()) expect([progress.nextIndex, progress.matchIndex]).toEqual([4, 0]);
});

// Figure 2, AppendEntries RPC, receiver.

test("figure 2, AppendEntries 1: an append of a past term changes nothing and tells our term", () => {
  const solo = new Solo({ terms: [1, 2] });
  const answers = solo.answers(
    append(solo.from(2, 1), { previous: { index: 1, term: 1 }, terms: [1, 1], commitIndex: 3 }),
  );
  expect(answers.map((answer) => [answer.kind, answer.term])).toEqual([["HeartbeatResponse", 2]]);
  expect(solo.terms).toEqual([1, 2]);
  expect(solo.raft.view.log.commitIndex).toBe(0);
});

test("figure 2, AppendEntries 2: refused without the previous entry, or with another one in its place", () => {
  const solo = new Solo({ terms: [1, 1], hardState: { term: 3, vote: null } });
  for (const previous of [
    { index: 3, term: 3 },
    { index: 2, term: 2 },
  ]) {
    const [answer] = solo.answers(append(solo.from(2, 3), { previous, terms: [3] }));
    expect(outcomeOf(answer)).toBe("rejected");
  }
  expect(solo.terms).toEqual([1, 1]);
});

test("figure 2, AppendEntries 3: a conflicting entry goes, with all that follow it", () => {
  const solo = new Solo({ terms: [1, 1, 2, 2], hardState: { term: 3, vote: null } });
  solo.step(append(solo.from(2, 3), { previous: { index: 1, term: 1 }, terms: [1, 3] }));
  expect(solo.terms).toEqual([1, 1, 3]);
});

test("figure 2, AppendEntries 4: entries that are not in the log are appended, those that are stay", () => {
  const solo = new Solo({ terms: [1, 1] });
  const [answer] = solo.answers(append(solo.from(2, 1), { previous: { index: 1, term: 1 }, terms: [1, 1, 1] }));
  expect(solo.terms).toEqual([1, 1, 1, 1]);
  expect(answer?.kind === "AppendEntriesResponse" && answer.outcome).toEqual({ kind: "accepted", matchIndex: 4 });
});

test("figure 2, AppendEntries 5: commitIndex becomes the least of leaderCommit and the last new entry", () => {
  const solo = new Solo({ terms: [1] });
  solo.step(append(solo.from(2, 1), { previous: { index: 1, term: 1 }, terms: [1], commitIndex: 9 }));
  expect(solo.raft.view.log.commitIndex).toBe(2);
  solo.step(append(solo.from(2, 1), { previous: { index: 2, term: 1 }, terms: [1, 1], commitIndex: 3 }));
  expect(solo.raft.view.log.commitIndex).toBe(3);
});

// Figure 2, RequestVote RPC, receiver.

test("figure 2, RequestVote 1: a candidate of a past term is refused and told our term", () => {
  const solo = new Solo({ terms: [3] });
  const answers = solo.answers({
    kind: "RequestVote",
    ...solo.from(2, 2),
    lastLog: { index: 9, term: 2 },
    transfer: false,
  });
  expect(answers).toEqual([
    { kind: "RequestVoteResponse", group: 0, directory: 0, from: 1, to: 2, term: 3, granted: false },
  ]);
});

test("figure 2, RequestVote 2: one vote a term, first come first served, and again for the same candidate", () => {
  const solo = new Solo();
  const asked = [2, 3, 2].map((peer) => {
    const [answer] = solo.answers({ kind: "RequestVote", ...solo.from(peer, 1), lastLog: none, transfer: false });
    return answer?.kind === "RequestVoteResponse" && answer.granted;
  });
  expect(asked).toEqual([true, false, true]);
});

// Figure 2, rules for servers.

test("figure 2, all servers: committed entries are applied in order, once", () => {
  const solo = new Solo();
  solo.step(append(solo.from(2, 1), { previous: none, terms: [1, 1, 1], commitIndex: 2 }));
  solo.step(append(solo.from(2, 1), { previous: { index: 3, term: 1 }, commitIndex: 3 }));
  solo.step(append(solo.from(2, 1), { previous: { index: 3, term: 1 }, commitIndex: 3 }));
  expect(solo.committed.map((entry) => entry.index)).toEqual([1, 2, 3]);
});

test("figure 2, all servers: a later term in any message but a pre-vote makes a follower of every role", () => {
  const later = (solo: Solo): readonly Message[] => [
    append(solo.from(2, 9), { previous: none }),
    {
      kind: "AppendEntriesResponse",
      ...solo.from(2, 9),
      session: 1,
      boot: 1,
      outcome: { kind: "accepted", matchIndex: 0 },
    },
    { kind: "RequestVote", ...solo.from(2, 9), lastLog: none, transfer: true },
    { kind: "RequestVoteResponse", ...solo.from(2, 9), granted: false },
    { kind: "RequestPreVoteResponse", ...solo.from(2, 9), granted: false, campaignTerm: 2 },
    { kind: "Heartbeat", ...solo.from(2, 9), commitIndex: 0, round: 1, session: 1 },
    { kind: "HeartbeatResponse", ...solo.from(2, 9), round: 0, session: 1, boot: 1 },
  ];
  const count = later(new Solo()).length;
  const roles: ((solo: Solo) => void)[] = [
    (solo) => solo.lead(),
    (solo) => solo.tick(2000),
    (solo) => {
      solo.tick(2000);
      solo.step({ kind: "RequestPreVoteResponse", ...solo.from(3, 1), granted: true, campaignTerm: 1 });
    },
  ];
  for (const takeRole of roles) {
    for (let i = 0; i < count; i++) {
      const solo = new Solo();
      takeRole(solo);
      const message = later(solo)[i];
      if (message !== undefined) solo.step(message);
      expect([solo.raft.view.role.kind, solo.raft.view.term]).toEqual(["follower", 9]);
    }
  }
});

test("figure 2, followers: no election while the leader is heard or within the timeout of a granted vote", () => {
  const solo = new Solo();
  for (let i = 0; i < 30; i++) {
    solo.tick(900);
    solo.step({ kind: "Heartbeat", ...solo.from(2, 1), commitIndex: 0, round: i + 1, session: 1 });
  }
  expect(solo.raft.view.role.kind).toBe("follower");
  solo.tick(1900);
  solo.step({ kind: "RequestVote", ...solo.from(3, 2), lastLog: none, transfer: false });
  solo.tick(900);
  expect(solo.raft.view.role.kind).toBe("follower");
  solo.tick(1200);
  expect(solo.raft.view.role.kind).toBe("preCandidate");
});

test("figure 2, candidates: a campaign raises the term, votes for itself and asks everybody", () => {
  const solo = new Solo({ voters: 5 });
  solo.tick(2000);
  solo.step({ kind: "RequestPreVoteResponse", ...solo.from(2, 1), granted: true, campaignTerm: 1 });
  const before = solo.raft.deadline;
  solo.take();
  solo.step({ kind: "RequestPreVoteResponse", ...solo.from(3, 1), granted: true, campaignTerm: 1 });
  const { view } = solo.raft;
  expect([view.role.kind, view.term, view.vote]).toEqual(["candidate", 1, 1]);
  expect(solo.take().map((message) => [message.kind, message.to])).toEqual(
    [2, 3, 4, 5].map((to) => ["RequestVote", to]),
  );
  expect(solo.raft.deadline).not.toBe(before);
});

test("figure 2, candidates: votes of a majority make a leader", () => {
  const cluster = new Cluster({ voters: 5 });
  cluster.timeout(1);
  cluster.deliver({ kind: "RequestPreVote" });
  cluster.deliver({ kind: "RequestPreVoteResponse" });
  cluster.deliver({ kind: "RequestVote" });
  cluster.deliver({ kind: "RequestVoteResponse", from: 2 });
  expect(cluster.raft(1).view.role.kind).toBe("candidate");
  cluster.deliver({ kind: "RequestVoteResponse", from: 3 });
  expect(cluster.raft(1).view.role.kind).toBe("leader");
});

test("figure 2, candidates: whoever hears the leader of the same term follows it", () => {
  const solo = new Solo();
  solo.tick(2000);
  solo.step({ kind: "RequestPreVoteResponse", ...solo.from(2, 1), granted: true, campaignTerm: 1 });
  expect(solo.raft.view.role.kind).toBe("candidate");
  solo.step(append(solo.from(3, 1), { previous: none }));
  expect([solo.raft.view.role.kind, solo.raft.view.leader]).toEqual(["follower", 3]);
});

test("figure 2, candidates: an election that is not decided in time begins anew", () => {
  const solo = new Solo();
  solo.tick(2000);
  solo.step({ kind: "RequestPreVoteResponse", ...solo.from(2, 1), granted: true, campaignTerm: 1 });
  solo.take();
  solo.tick(2000);
  solo.step({ kind: "RequestPreVoteResponse", ...solo.from(2, 2), granted: true, campaignTerm: 2 });
  expect([solo.raft.view.role.kind, solo.raft.view.term]).toEqual(["candidate", 2]);
});

test("figure 2, leaders: a new leader is heard at once and then every heartbeat interval", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.timeout(1);
  cluster.deliver({ kind: "RequestPreVote" });
  cluster.deliver({ kind: "RequestPreVoteResponse" });
  cluster.deliver({ kind: "RequestVote" });
  cluster.deliver({ kind: "RequestVoteResponse" });
  expect(cluster.take({ from: 1 }).map((message) => message.kind)).toEqual(["AppendEntries", "AppendEntries"]);
  for (let i = 0; i < 5; i++) {
    cluster.advance(100);
    cluster.tick(1);
    const heard = cluster.take({ from: 1 }).map((message) => [message.kind, message.to]);
    expect(heard).toEqual([
      ["Heartbeat", 2],
      ["Heartbeat", 3],
    ]);
  }
});

test("figure 2, leaders: a command is handed to the state machine once a majority stores it, and not before", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.propose(1, "x");
  const applied = (): readonly string[] => cluster.node(1).applied.map((entry) => textOf(entry.payload));
  expect(applied()).toEqual([""]);
  cluster.deliver({ to: 2 });
  expect(applied()).toEqual([""]);
  cluster.deliver({ from: 2 });
  expect(applied()).toEqual(["", "x"]);
});

test("figure 2, leaders: a follower that lacks entries gets them all from nextIndex on", () => {
  const cluster = new Cluster({ voters: 3, pasts: { 1: { terms: [1, 1, 1] }, 2: { terms: [1, 1, 1] } } });
  cluster.isolate(3);
  cluster.elect(1);
  cluster.propose(1, "x");
  cluster.deliver();
  cluster.heal();
  cluster.run(200);
  expect(termsOf(cluster.raft(3).view)).toEqual([1, 1, 1, 2, 2]);
  expect(cluster.raft(3).view.log.commitIndex).toBe(5);
});

test("figure 2, leaders: success raises matchIndex and nextIndex", () => {
  const solo = new Solo({ terms: [1] });
  solo.lead();
  solo.acknowledge(2, 2);
  const { role } = solo.raft.view;
  const progress = role.kind === "leader" ? role.progress.get(2) : undefined;
  expect([progress?.matchIndex, progress?.nextIndex]).toEqual([2, 3]);
});

test("figure 2, leaders: refusal lowers nextIndex and the append is tried again", () => {
  const solo = new Solo({ terms: [1, 1, 1] });
  solo.lead();
  const outcome = { kind: "rejected", previousIndex: 3, hint: { index: 1, term: 1 } } as const;
  const [retry] = solo.answers({ kind: "AppendEntriesResponse", ...solo.from(2, 2), session: 1, boot: 1, outcome });
  expect(retry?.kind === "AppendEntries" && [retry.to, retry.previous, retry.entries[0]?.index]).toEqual([
    2,
    { index: 1, term: 1 },
    2,
  ]);
});

test("figure 2, leaders: commitIndex follows the majority of matchIndex in the current term", () => {
  const solo = new Solo({ voters: 5 });
  solo.lead();
  solo.input((raft) => raft.propose(new Uint8Array(1)));
  solo.acknowledge(2, 2);
  expect(solo.raft.view.log.commitIndex).toBe(0);
  solo.acknowledge(3, 1);
  expect(solo.raft.view.log.commitIndex).toBe(1);
  solo.acknowledge(4, 2);
  expect(solo.raft.view.log.commitIndex).toBe(2);
});

// Section 5.

test("§5.1: terms only rise, one leader each; a leader cut off yields to a later one", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.isolate(1);
  cluster.advance(2000);
  cluster.elect(2);
  expect([cluster.raft(1).view.role.kind, cluster.raft(1).view.term]).toEqual(["leader", 1]);
  cluster.heal();
  cluster.run(200);
  expect([cluster.raft(1).view.role.kind, cluster.raft(1).view.term]).toEqual(["follower", 2]);
});

test("§5.2: timeouts are drawn anew from one to two times the election timeout, and differ between nodes", () => {
  const drawn = new Set<number>();
  const solo = new Solo();
  for (let round = 1; round <= 300; round++) {
    solo.step({ kind: "Heartbeat", ...solo.from(2, 1), commitIndex: 0, round, session: 1 });
    const wait = solo.raft.deadline - solo.now;
    expect(wait).toBeGreaterThanOrEqual(1000);
    expect(wait).toBeLessThanOrEqual(2000);
    drawn.add(wait);
  }
  expect(drawn.size).toBeGreaterThan(100);
  const cluster = new Cluster({ voters: 5 });
  expect(new Set(cluster.up.map((node) => node.raft.deadline)).size).toBe(5);
});

test("§5.2: a split vote elects nobody and the next election decides", () => {
  const cluster = new Cluster({ voters: 4 });
  for (const id of [1, 2]) cluster.timeout(id);
  cluster.deliver({ kind: "RequestPreVote" });
  cluster.deliver({ kind: "RequestPreVoteResponse" });
  for (const [from, to] of [
    [1, 3],
    [2, 4],
  ] as const)
    cluster.deliver({ kind: "RequestVote", from, to });
  cluster.deliver();
  expect(cluster.leader).toBeNull();
  cluster.runUntil(() => cluster.leader !== null, 6000);
  expect(cluster.raft(cluster.leader ?? 0).view.term).toBe(2);
});

test("§5.3: logs that agree at one entry agree on everything before, whatever was lost or repeated", () => {
  const cluster = new Cluster({ voters: 3, pasts: { 2: { terms: [1, 1] }, 3: { terms: [1, 2, 2, 2] } } });
  cluster.elect(3);
  for (const text of ["a", "b"]) cluster.propose(3, text);
  cluster.run(300);
  expect(termsOf(cluster.raft(1).view)).toEqual(termsOf(cluster.raft(3).view));
  expect(termsOf(cluster.raft(2).view)).toEqual(termsOf(cluster.raft(3).view));
});

test("§5.3: figure 7, every follower comes to have the leader's log", () => {
  const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  const followers: Record<string, readonly number[]> = {
    a: [1, 1, 1, 4, 4, 5, 5, 6, 6],
    b: [1, 1, 1, 4],
    c: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    d: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    e: [1, 1, 1, 4, 4, 4, 4],
    f: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
  };
  for (const [name, terms] of Object.entries(followers)) {
    const pasts = { 1: { terms: leader, term: 7 }, 2: { terms, term: 7 }, 3: { terms: leader.slice(0, 4), term: 7 } };
    const cluster = new Cluster({ voters: 3, pasts });
    cluster.isolate(2);
    cluster.elect(1);
    cluster.heal();
    cluster.run(200);
    expect(termsOf(cluster.raft(2).view), name).toEqual([...leader, 8]);
    expect(cluster.node(2).durable.terms, name).toEqual([...leader, 8]);
  }
});

test("§5.3: a leader never overwrites or shortens its own log", () => {
  const solo = new Solo({ terms: [1, 1, 2] });
  solo.lead();
  const before = solo.terms;
  for (const previousIndex of [0, 1, 2, 3]) {
    const outcome = { kind: "rejected", previousIndex, hint: none } as const;
    solo.step({ kind: "AppendEntriesResponse", ...solo.from(2, 3), session: 1, boot: 1, outcome });
  }
  expect(solo.terms.slice(0, before.length)).toEqual([...before]);
});

test("§5.4.1: votes go only to candidates whose log is at least as complete: by last term, then by length", () => {
  const candidates = [
    { lastLog: { index: 2, term: 2 }, granted: true },
    { lastLog: { index: 1, term: 3 }, granted: true },
    { lastLog: { index: 3, term: 2 }, granted: true },
    { lastLog: { index: 1, term: 2 }, granted: false },
    { lastLog: { index: 9, term: 1 }, granted: false },
  ];
  for (const { lastLog, granted } of candidates) {
    const solo = new Solo({ terms: [1, 2] });
    const [vote] = solo.answers({ kind: "RequestVote", ...solo.from(2, 4), lastLog, transfer: false });
    expect(vote?.kind === "RequestVoteResponse" && vote.granted).toBe(granted);
    const other = new Solo({ terms: [1, 2] });
    const [preVote] = other.answers({ kind: "RequestPreVote", ...other.from(2, 4), lastLog });
    expect(preVote?.kind === "RequestPreVoteResponse" && preVote.granted).toBe(granted);
  }
});

test("§5.4.1: a candidate names the last entry of its log", () => {
  const solo = new Solo({ terms: [1, 2], hardState: { term: 5, vote: null } });
  solo.tick(2000);
  solo.step({ kind: "RequestPreVoteResponse", ...solo.from(2, 6), granted: true, campaignTerm: 6 });
  const named = solo.take().map((message) => "lastLog" in message && [message.kind, message.lastLog]);
  const last = { index: 2, term: 2 };
  expect(named).toEqual([
    ["RequestPreVote", last],
    ["RequestPreVote", last],
    ["RequestVote", last],
    ["RequestVote", last],
  ]);
});

test("§5.4.2: an entry of an earlier term is committed only together with one of the leader's own", () => {
  const solo = new Solo({ terms: [1, 2] });
  solo.lead();
  solo.acknowledge(2, 2);
  expect(solo.raft.view.log.commitIndex).toBe(0);
  solo.acknowledge(2, 3);
  expect(solo.raft.view.log.commitIndex).toBe(3);
});

test("§5.4.3: what was committed is in the log of every later leader", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.isolate(3);
  cluster.propose(1, "x");
  cluster.deliver();
  expect(cluster.safety.commitIndex).toBe(2);
  cluster.crash(1);
  cluster.heal();
  cluster.advance(2000);
  cluster.timeout(3);
  cluster.deliver();
  expect(cluster.leader).toBeNull(); // it lacks x
  cluster.elect(2);
  expect(cluster.node(2).applied.map((entry) => textOf(entry.payload))).toEqual(["", "x", ""]);
});

test("§5.5: a repeated append to a follower that crashed or only lost its answer does no harm", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.propose(1, "x");
  const appends = cluster.take({ kind: "AppendEntries", to: 2 });
  for (const message of [...appends, ...appends]) cluster.step(message);
  cluster.restart(2);
  for (const message of appends) cluster.step(message);
  cluster.deliver();
  expect(termsOf(cluster.raft(2).view)).toEqual([1, 1]);
});

test("§5.6: while messages are much faster than the timeout, one leader stays", () => {
  const cluster = new Cluster({ voters: 5 });
  cluster.runUntil(() => cluster.leader !== null, 3000);
  const { leader } = cluster;
  cluster.run(60_000);
  expect(cluster.leader).toBe(leader);
  expect(cluster.raft(leader ?? 0).view.term).toBe(1);
});

function outcomeOf(message: Message | undefined): string {
  return message?.kind === "AppendEntriesResponse" ? message.outcome.kind : "another message";
}
