/** Rules L1 to L9: what is appended, cut, acknowledged and committed. */
import { describe, expect, test } from "bun:test";
import { seededRandom } from "../../src/lib/random.ts";
import type { AppendOutcome, EntryId, Message, NodeId } from "../../src/raft/mod.ts";
import { Cluster, testLimits, textOf } from "./harness.ts";
import { termsOf } from "./safety.ts";
import { append, Solo } from "./solo.ts";

const none = { index: 0, term: 0 };

function outcome(messages: readonly Message[]): AppendOutcome | undefined {
  const [message] = messages;
  return message?.kind === "AppendEntriesResponse" ? message.outcome : undefined;
}

function reject(solo: Solo, from: NodeId, previousIndex: number, hint: EntryId): Message {
  const session = from - 1; // a new leader numbers its followers in order
  return {
    kind: "AppendEntriesResponse",
    ...solo.from(from, solo.raft.view.term),
    session,
    boot: 1,
    outcome: { kind: "rejected", previousIndex, hint },
  };
}

test("L1 a term begins with an empty entry, and an old tail commits only with it", () => {
  const past = { terms: [1, 1], term: 1 };
  const cluster = new Cluster({ voters: 3, pasts: { 1: past, 2: past } });
  cluster.crash(3);
  cluster.timeout(1);
  cluster.deliver({ kind: "RequestPreVote" });
  cluster.deliver({ kind: "RequestPreVoteResponse" });
  cluster.deliver({ kind: "RequestVote" });
  cluster.deliver({ kind: "RequestVoteResponse" });
  expect(termsOf(cluster.raft(1).view)).toEqual([1, 1, 2]);
  expect(cluster.raft(1).view.log.commitIndex).toBe(0);
  cluster.deliver();
  expect(cluster.node(1).applied.map((entry) => entry.kind)).toEqual(["commands", "commands", "noop"]);
});

test("L2 figure 8: an entry of an older term on a majority is not committed, and may be overwritten", () => {
  const pasts = {
    1: { terms: [1, 2], term: 3 },
    2: { terms: [1, 2], term: 3 },
    3: { terms: [1], term: 3 },
    4: { terms: [1], term: 3 },
    5: { terms: [1, 3], term: 3 },
  };
  const cluster = new Cluster({ voters: 5, pasts, limits: { appendBytesMax: 1 } });
  cluster.partition([1, 2, 3], [4, 5]);
  cluster.timeout(1);
  // (c): node 1 leads term 4 and brings entry 2 to node 3, but not yet its own entry 3.
  while (cluster.node(3).durable.terms.length < 2 || cluster.node(2).durable.terms.length < 2) {
    const position = cluster.pool.findIndex(
      (message) => message.kind !== "AppendEntries" || message.entries[0]?.term !== 4,
    );
    cluster.deliverAt(position);
  }
  while (cluster.pool.some((message) => message.to === 1)) cluster.deliver({ to: 1 });
  expect(cluster.raft(1).view.role.kind).toBe("leader");
  expect([1, 2, 3].map((id) => cluster.node(id).durable.terms[1])).toEqual([2, 2, 2]);
  expect(cluster.safety.commitIndex).toBe(0);
  // (d): node 1 crashes, node 5 wins with its entry of term 3 and overwrites entry 2 everywhere.
  cluster.crash(1);
  cluster.take();
  cluster.heal();
  cluster.advance(2000);
  cluster.timeout(5);
  cluster.deliver();
  if (cluster.leader === null) cluster.elect(5); // its first term was already taken
  cluster.run(500);
  for (const id of [2, 3, 4]) expect(termsOf(cluster.raft(id).view).slice(0, 2)).toEqual([1, 3]);
  expect(cluster.safety.committed[1]?.term).toBe(3);
});

test("L2 figure 8, the other way: once an entry of the leader's term is on a majority, all before it is safe", () => {
  const pasts = {
    1: { terms: [1, 2], term: 3 },
    2: { terms: [1, 2], term: 3 },
    3: { terms: [1], term: 3 },
    4: { terms: [1], term: 3 },
    5: { terms: [1, 3], term: 3 },
  };
  const cluster = new Cluster({ voters: 5, pasts });
  cluster.partition([1, 2, 3], [4, 5]);
  cluster.elect(1);
  expect(cluster.safety.commitIndex).toBe(3);
  cluster.crash(1);
  cluster.heal();
  cluster.advance(2000);
  cluster.timeout(5);
  cluster.deliver();
  expect(cluster.leader).toBeNull(); // node 5 cannot win any more
});

test("L3 a follower with a stale tail commits only what the message covers", () => {
  const solo = new Solo({ terms: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], hardState: { term: 2, vote: null } });
  solo.step(append(solo.from(2, 2), { previous: { index: 9, term: 1 }, commitIndex: 11 }));
  expect(solo.raft.view.log.commitIndex).toBe(9);
});

test("L3 a heartbeat names no more than what its receiver is known to store", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.isolate(3);
  for (let i = 0; i < 3; i++) cluster.propose(1, `${i}`);
  cluster.deliver();
  expect(cluster.raft(1).view.log.commitIndex).toBe(4);
  cluster.advance(100);
  cluster.tick(1);
  const told = cluster.pool.flatMap((message) =>
    message.kind === "Heartbeat" ? [[message.to, message.commitIndex]] : [],
  );
  expect(told).toEqual([
    [2, 4],
    [3, 1],
  ]);
});

test("L4 an old, short, repeated or empty append that agrees does not shorten the log", () => {
  const solo = new Solo({ terms: [1, 1, 1, 1] });
  const long = append(solo.from(2, 1), { previous: { index: 4, term: 1 }, terms: [1, 1, 1, 1] });
  const short = append(solo.from(2, 1), { previous: { index: 4, term: 1 }, terms: [1, 1] });
  const empty = append(solo.from(2, 1), { previous: { index: 5, term: 1 } });
  for (const [message, matchIndex] of [
    [long, 8],
    [short, 6],
    [long, 8],
    [empty, 5],
  ] as const) {
    expect(outcome(solo.answers(message))).toEqual({ kind: "accepted", matchIndex });
    expect(solo.terms.length).toBe(8);
  }
});

test("L4 a conflict in the middle of an append cuts there and no earlier", () => {
  const solo = new Solo({ terms: [1, 1, 2, 2, 2], hardState: { term: 3, vote: null }, autoDisk: false });
  solo.step(append(solo.from(2, 3), { previous: none, terms: [1, 1, 2, 3] }));
  const [write] = solo.writes;
  expect([write?.truncateFrom, write?.entries.map((entry) => entry.index)]).toEqual([4, [4]]);
});

test("L5 a message that would overwrite a committed entry stops the node before anything is written", () => {
  const commit = (solo: Solo): void =>
    solo.step(append(solo.from(2, 3), { previous: { index: 4, term: 1 }, terms: [3], commitIndex: 4 }));
  for (const [index, terms] of [
    [3, [2]],
    [2, [1, 2, 2]],
    [0, [1, 1, 2, 2, 2]],
  ] as const) {
    const solo = new Solo({ terms: [1, 1, 1, 1], autoDisk: false });
    commit(solo);
    const writes = solo.writes.length;
    const previous = { index, term: index === 0 ? 0 : 1 };
    expect(() => solo.step(append(solo.from(2, 3), { previous, terms }))).toThrow("committed");
    expect(solo.writes.length).toBe(writes);
  }
});

test("L6 an append behind the commit index is answered with the commit index and changes nothing", () => {
  const solo = new Solo();
  const old = append(solo.from(2, 1), { previous: { index: 1, term: 1 }, terms: [1] });
  solo.step(append(solo.from(2, 1), { previous: none, terms: [1, 1, 1, 1, 1], commitIndex: 4 }));
  for (let i = 0; i < 2; i++) expect(outcome(solo.answers(old))).toEqual({ kind: "accepted", matchIndex: 4 });
  expect([solo.terms.length, solo.raft.view.log.commitIndex, solo.committed.length]).toEqual([5, 4, 4]);
});

test("L6 behind the commit index even a previous entry that is gone counts as agreed", () => {
  const solo = new Solo({ compacted: { index: 10, term: 2 }, terms: [2, 2] });
  expect(outcome(solo.answers(append(solo.from(2, 2), { previous: { index: 7, term: 2 }, terms: [2, 2] })))).toEqual({
    kind: "accepted",
    matchIndex: 10,
  });
});

test("L7 shuffled and repeated answers neither stall nor confuse the leader", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed);
    const cluster = new Cluster({ voters: 3, seed, limits: { inflightMessagesMax: 4, appendBytesMax: 8 } });
    cluster.elect(1);
    for (let i = 0; i < 30; i++) cluster.propose(1, `${i}`);
    for (let step = 0; cluster.safety.commitIndex < 31; step++) {
      expect(step).toBeLessThan(5000);
      if (cluster.pool.length === 0 || step % 50 === 49) {
        cluster.advance(100);
        for (const node of cluster.up) cluster.tick(node.id);
      }
      const position = random.integer(0, Math.max(0, cluster.pool.length - 1));
      const message = cluster.pool[position];
      if (message === undefined) continue;
      if (message.to === 1 && random.next() < 0.5) cluster.step(message); // once more later
      cluster.deliverAt(position);
    }
    expect(cluster.leader).toBe(1);
    cluster.run(300);
    expect(cluster.node(2).applied.length).toBe(31);
  }
});

test("L7 an acknowledgement says what is stored, and never lowers what is known", () => {
  const solo = new Solo({ voters: 5 });
  solo.lead();
  for (let i = 0; i < 5; i++) solo.input((raft) => raft.propose(new Uint8Array(1)));
  const known: number[] = [];
  for (const matchIndex of [3, 1, 5, 5, 2]) {
    solo.acknowledge(2, matchIndex);
    const { role } = solo.raft.view;
    known.push(role.kind === "leader" ? (role.progress.get(2)?.matchIndex ?? -1) : -1);
  }
  expect(known).toEqual([3, 3, 5, 5, 5]);
});

test("L7 an acknowledgement of more than the leader has is ignored", () => {
  const solo = new Solo();
  solo.lead();
  solo.acknowledge(2, 9);
  expect(solo.raft.view.log.commitIndex).toBe(0);
});

test("L7 acknowledgements of one turn leave as one, for the greatest", () => {
  const solo = new Solo();
  const messages = [1, 2, 3].map((count) =>
    append(solo.from(2, 1), { previous: none, terms: Array.from({ length: count }, () => 1) }),
  );
  solo.input((raft) => {
    for (const message of messages) raft.step(message, solo.now);
  });
  const sent = solo.take();
  expect(sent.length).toBe(1);
  expect(outcome(sent)).toEqual({ kind: "accepted", matchIndex: 3 });
});

test("L7 acknowledgements of two sessions leave apart, and so does what follows a refusal", () => {
  const solo = new Solo();
  const first = append(solo.from(2, 1), { previous: none, terms: [1] });
  const messages = [
    first,
    { ...first, session: 2 },
    append(solo.from(2, 1), { previous: { index: 9, term: 1 } }),
    first,
  ];
  solo.input((raft) => {
    for (const message of messages) raft.step(message, solo.now);
  });
  const sent = solo
    .take()
    .flatMap((message) => (message.kind === "AppendEntriesResponse" ? [[message.session, message.outcome.kind]] : []));
  expect(sent).toEqual([
    [1, "accepted"],
    [2, "accepted"],
    [1, "rejected"],
    [1, "accepted"],
  ]);
});

test("L8 a refusal that a later answer overtook is ignored", () => {
  const solo = new Solo({ terms: [1, 1, 1, 1] });
  solo.lead();
  const stale = reject(solo, 2, 4, { index: 2, term: 1 });
  solo.acknowledge(2, 5);
  expect(solo.answers(stale)).toEqual([]);
  solo.input((raft) => raft.propose(new Uint8Array(1)));
  const [next] = solo.take().filter((message) => message.to === 2);
  expect(next?.kind === "AppendEntries" && [next.previous.index, next.entries.length]).toEqual([5, 1]);
});

test("L8 while probing, only a refusal of this very probe counts", () => {
  const solo = new Solo({ terms: [1, 1, 1, 1, 1, 1] });
  solo.lead();
  const nextIndex = (): number => {
    const { role } = solo.raft.view;
    return role.kind === "leader" ? (role.progress.get(2)?.nextIndex ?? -1) : -1;
  };
  expect(nextIndex()).toBe(7);
  expect(solo.answers(reject(solo, 2, 6, { index: 3, term: 1 })).length).toBe(1); // probes behind 3
  expect(nextIndex()).toBe(4);
  for (const previousIndex of [6, 5, 4, 2]) expect(solo.answers(reject(solo, 2, previousIndex, none))).toEqual([]);
  expect(nextIndex()).toBe(4);
});

test("L8 a refusal from before the stream began does not stop it", () => {
  const solo = new Solo({ terms: [1, 1, 1, 1, 1, 1] });
  solo.lead();
  const stale = reject(solo, 2, 6, { index: 1, term: 1 }); // answered once, and repeated below
  solo.step(stale);
  const { role } = solo.raft.view;
  const progress = role.kind === "leader" ? role.progress.get(2) : undefined;
  solo.acknowledge(2, 4); // the probe behind 1 brought three entries
  expect([progress?.state, progress?.matchIndex, progress?.nextIndex]).toEqual(["replicate", 4, 8]);
  for (let i = 0; i < 2; i++) solo.step(reject(solo, 2, 8 + i, { index: 1, term: 1 }));
  expect([progress?.state, progress?.nextIndex]).toEqual(["replicate", 8]);
});

test("L8 an acceptance below the probe is believed, but does not end it", () => {
  const solo = new Solo({ terms: [1, 1, 1, 1, 1, 1] });
  solo.lead();
  solo.acknowledge(2, 3);
  const { role } = solo.raft.view;
  const progress = role.kind === "leader" ? role.progress.get(2) : undefined;
  expect([progress?.state, progress?.matchIndex, progress?.nextIndex]).toEqual(["probe", 3, 7]);
});

test("L8 a refusal never moves nextIndex to or below what is known to match", () => {
  const solo = new Solo({ terms: [1, 1, 1, 1] });
  solo.lead();
  solo.acknowledge(2, 3);
  for (let i = 0; i < 4; i++) solo.input((raft) => raft.propose(new Uint8Array(1)));
  solo.acknowledge(2, 5);
  for (const previousIndex of [7, 6, 5, 4]) solo.step(reject(solo, 2, previousIndex, none)); // the harness checks matchIndex < nextIndex
  const { role } = solo.raft.view;
  expect(role.kind === "leader" && role.progress.get(2)?.nextIndex).toBe(6);
});

/** How often node 1, leading with the log `leader`, is refused before node 2, which has `follower`, agrees with it. */
function refusals(leader: readonly number[], follower: readonly number[]): number {
  const term = Math.max(leader.at(-1) ?? 0, follower.at(-1) ?? 0);
  let count = 0;
  const cluster = new Cluster({
    voters: 3,
    pasts: { 1: { terms: leader, term }, 2: { terms: follower, term } },
    limits: { appendBytesMax: 1 << 20 },
    observe: (event) => {
      const refused =
        event.kind === "sent" &&
        event.message.kind === "AppendEntriesResponse" &&
        event.message.outcome.kind === "rejected";
      if (refused && event.message.from === 2) count++;
    },
  });
  cluster.crash(2);
  cluster.elect(1);
  cluster.restart(2);
  cluster.run(1000);
  expect(termsOf(cluster.raft(2).view)).toEqual([...leader, term + 1]);
  return count;
}

const repeat = (term: number, count: number): readonly number[] => Array.from({ length: count }, () => term);

test("L9 a divergent tail of 10,000 entries over three terms costs at most four refusals", () => {
  const common = repeat(1, 50);
  const tail = [...repeat(2, 3000), ...repeat(3, 3000), ...repeat(4, 4000)];
  expect(refusals([...common, ...repeat(5, 20)], [...common, ...tail])).toBeLessThanOrEqual(4);
  expect(refusals([...common, ...repeat(5, 12_000)], [...common, ...tail])).toBeLessThanOrEqual(4);
  expect(
    refusals(
      [...common, ...repeat(2, 3000), ...repeat(6, 20)],
      [...common, ...repeat(3, 3000), ...repeat(4, 3000), ...repeat(5, 4000)],
    ),
  ).toBeLessThanOrEqual(4);
});

test("L9 a follower that is only behind is found in one refusal", () => {
  expect(refusals(repeat(1, 1000), repeat(1, 10))).toBe(1);
  expect(refusals([...repeat(1, 500), ...repeat(2, 500)], [])).toBe(1);
});

test("L9 logs that interleave cost at most one refusal a term", () => {
  expect(refusals([1, 1, 3, 3, 3, 5, 5, 5, 7, 7], [1, 1, 2, 2, 4, 4, 4, 6, 6, 6, 6])).toBeLessThanOrEqual(4);
});

test("L9 the hint skips what cannot agree and nothing that can", () => {
  const cases: readonly [readonly number[], EntryId, EntryId][] = [
    [[1, 1, 1], { index: 7, term: 2 }, { index: 3, term: 1 }], // too short: all of it may agree
    [[1, 3, 3, 3], { index: 4, term: 2 }, { index: 1, term: 1 }], // terms above the leader's cannot
    [[1, 2, 4, 4], { index: 4, term: 3 }, { index: 2, term: 2 }],
    [[5, 5, 5], { index: 3, term: 4 }, none],
  ];
  for (const [terms, previous, hint] of cases) {
    const solo = new Solo({ terms, hardState: { term: 9, vote: null } });
    expect(outcome(solo.answers(append(solo.from(2, 9), { previous })))).toEqual({
      kind: "rejected",
      previousIndex: previous.index,
      hint,
    });
  }
});

test("L2 L9 figure 7's worst followers apply the same commands", () => {
  const pasts = {
    1: { terms: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6], term: 7 },
    2: { terms: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3], term: 7 },
  };
  const cluster = new Cluster({ voters: 3, pasts });
  cluster.crash(2);
  cluster.elect(1);
  cluster.restart(2);
  cluster.run(500);
  const applied = (id: NodeId): readonly string[] => cluster.node(id).applied.map((entry) => textOf(entry.payload));
  expect(applied(2)).toEqual([...applied(1)]);
  expect(applied(2).length).toBe(11);
});

test("X4 what comes before an entry that cannot be read is kept and acknowledged, and nothing else", () => {
  const solo = new Solo({ terms: [1] });
  const first = append(solo.from(2, 1), { previous: { index: 1, term: 1 }, terms: [1], commitIndex: 9 });
  const [answer] = solo.answers({ ...first, unreadable: "of another age" });
  expect(answer).toMatchObject({ outcome: { kind: "unreadable", matchIndex: 2 } });
  expect(solo.raft.view.unreadable).toEqual({ index: 3, reason: "of another age" });
  expect([solo.raft.view.log.lastIndex, solo.raft.view.log.commitIndex]).toEqual([2, 2]);
  solo.answers(append(solo.from(3, 2), { previous: { index: 2, term: 1 }, terms: [2] }));
  expect([solo.raft.view.unreadable, solo.raft.view.log.lastIndex]).toEqual([null, 3]); // another leader, another entry
});

test("X4 who cannot read an entry is counted up to there, and sent nothing more in this life", () => {
  const solo = new Solo();
  solo.lead();
  for (let i = 0; i < 3; i++) solo.input((raft) => raft.propose(new Uint8Array(1)));
  solo.take();
  const { role, term } = solo.raft.view;
  if (role.kind !== "leader") throw new Error("no leader");
  const { session = 0 } = role.progress.get(2) ?? {};
  const answer = {
    kind: "AppendEntriesResponse",
    ...solo.from(2, term),
    session,
    boot: 1,
    outcome: { kind: "unreadable", matchIndex: 2 },
  } as const;
  solo.step(answer);
  expect(solo.raft.view.log.commitIndex).toBe(2);
  const appends = (): number =>
    solo.take().filter((message) => message.kind === "AppendEntries" && message.to === 2).length;
  solo.take();
  for (let i = 0; i < 8; i++) {
    solo.tick(testLimits.heartbeatMs);
    solo.step({ kind: "HeartbeatResponse", ...solo.from(2, term), session, boot: 1, round: role.round });
    solo.step(answer); // repeated, it changes nothing
  }
  expect(appends()).toBe(0);
  solo.step({ kind: "HeartbeatResponse", ...solo.from(2, term), session, boot: 2, round: role.round });
  expect(appends()).toBe(1);
});

describe("what is committed", () => {
  const commits = (cluster: Cluster): readonly number[] =>
    cluster.ids.map((id) => cluster.raft(id).view.log.commitIndex);

  /** A leader whose followers know of every commit so far. */
  function settled(): Cluster {
    const cluster = new Cluster({ voters: 3, limits: { commitNewsMs: 20 } });
    cluster.elect(1);
    cluster.run(20);
    expect(commits(cluster)).toEqual([1, 1, 1]);
    return cluster;
  }

  test("is told to followers with the next entry", () => {
    const cluster = settled();
    cluster.propose(1, "a");
    cluster.deliver();
    expect(commits(cluster)).toEqual([2, 1, 1]);
    cluster.advance(19);
    cluster.propose(1, "b");
    cluster.deliver();
    expect(commits(cluster)).toEqual([3, 2, 2]);
    cluster.advance(19);
    cluster.tick(1); // the wait began anew
    cluster.deliver();
    expect(commits(cluster)).toEqual([3, 2, 2]);
  });

  test("is told alone when no entry came for a while", () => {
    const cluster = settled();
    cluster.propose(1, "a");
    cluster.deliver();
    expect(cluster.raft(1).deadline).toBe(cluster.now + 20);
    cluster.run(20);
    expect(commits(cluster)).toEqual([2, 2, 2]);
    expect(cluster.raft(1).deadline).toBeGreaterThan(cluster.now);
  });

  test("is told at once to whoever reads, also when no heartbeat is needed for it", () => {
    const cluster = settled();
    cluster.run(testLimits.heartbeatMs);
    cluster.propose(1, "a");
    cluster.deliver();
    const token = cluster.read(2, { lease: true });
    expect(cluster.pool.map(({ kind }) => kind)).toEqual(["ReadIndex"]);
    cluster.deliver({ to: 1 });
    expect(cluster.pool.some(({ kind }) => kind === "Heartbeat")).toBe(false);
    cluster.deliver();
    expect(cluster.readIndex(2, token)).toBe(2);
    expect(cluster.raft(2).view.log.commitIndex).toBe(2);
  });
});
