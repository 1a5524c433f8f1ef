/** Rules S1 to S6, E1, E8 and P15 in the core: what snapshots do to a log, and how they come to a follower. */
import { expect, test } from "bun:test";
import type { EntryId, InstallSnapshot, Message, Term } from "../../src/raft/mod.ts";
import { Cluster } from "./harness.ts";
import { termsOf } from "./safety.ts";
import { append, Solo } from "./solo.ts";

const imageBytes = 100;

/** A chunk of a snapshot from node 2, the leader of `term`. */
function chunkOf(
  solo: Solo,
  snapshot: EntryId,
  piece: { readonly term?: Term; readonly offset?: number; readonly length?: number; readonly session?: number } = {},
): InstallSnapshot {
  const { term = solo.raft.view.term, offset = 0, length = imageBytes - offset, session = 1 } = piece;
  return {
    kind: "InstallSnapshot",
    ...solo.from(2, term),
    session,
    snapshot,
    membership: solo.raft.view.membership,
    bytes: imageBytes,
    offset,
    chunk: new Uint8Array(length),
  };
}

/** Lets node 2 lead and node 1 follow it. */
function following(solo: Solo): Solo {
  const { term, log } = solo.raft.view;
  solo.step(append(solo.from(2, term), { previous: log.last }));
  solo.take();
  return solo;
}

function outcomes(messages: readonly Message[]): readonly string[] {
  return messages.map((message) => {
    if (message.kind === "InstallSnapshotResponse") return `received ${message.received}`;
    if (message.kind === "AppendEntriesResponse" && message.outcome.kind === "accepted")
      return `accepted ${message.outcome.matchIndex}`;
    return message.kind;
  });
}

/** A leader of three that has compacted its log up to entry 6, and node 3, which lacks all but the first. */
function behind(limits: { readonly chunkBytesMax: number; readonly inflightChunksMax?: number }): Cluster {
  const terms = [1, 1, 2, 2, 2, 2];
  const cluster = new Cluster({ voters: 3, limits, pasts: { 1: { terms }, 2: { terms }, 3: { terms: [1] } } });
  cluster.isolate(3);
  cluster.elect(1);
  cluster.node(1).takeSnapshot(1);
  cluster.propose(1, "more");
  cluster.deliver();
  cluster.heal();
  return cluster;
}

/** Lets the leader find out that node 3 needs a snapshot; the first chunk is then on its way. */
function untilFirstChunk(cluster: Cluster): void {
  cluster.run(50);
  for (let i = 0; cluster.pool.every((message) => message.kind !== "InstallSnapshot"); i++) {
    if (i > 20) throw new Error("the leader sends no snapshot");
    if (cluster.pool.length === 0) cluster.timeout(1);
    cluster.deliverAt(0);
  }
}

test("S1 a snapshot is of what is applied, and nothing beyond it is compacted", () => {
  const cluster = new Cluster({ voters: 3 });
  cluster.elect(1);
  cluster.propose(1, "not committed");
  const { raft } = cluster.node(1);
  const { membership, log } = raft.view;
  const info = { index: 2, term: 1, membership, bytes: 1 };
  expect(() => raft.snapshotTaken(info, 1)).toThrow("what is applied (rule S1)");
  expect(() => raft.snapshotTaken({ ...info, index: 1 }, 2)).toThrow("may go (rule S1)");
  expect(() => raft.snapshotTaken({ ...info, index: 1, term: 9 }, 1)).toThrow("what is applied (rule S1)");
  expect(log.firstIndex).toBe(1);
});

test("S1 the write that forgets the log names the snapshot that stands for it", () => {
  const cluster = new Cluster({ voters: 1 });
  cluster.elect(1);
  for (const text of ["a", "b", "c"]) cluster.propose(1, text);
  const node = cluster.node(1);
  node.autoDisk = false;
  node.takeSnapshot(1);
  expect(node.writes.map((write) => write.compaction)).toEqual([
    {
      compacted: { index: 3, term: 1 },
      snapshot: { index: 4, term: 1 },
      membership: cluster.membership,
    },
  ]);
  // Before it is durable, a power cut brings the old log back; afterwards, the new one.
  cluster.crash(1);
  cluster.restart(1);
  expect([node.raft.view.log.firstIndex, node.raft.view.log.commitIndex]).toEqual([1, 0]);
  cluster.timeout(1);
  node.complete(node.writes.length);
  node.complete(node.writes.length);
  node.takeSnapshot(0);
  cluster.crash(1, node.writes.length);
  cluster.restart(1);
  expect([node.raft.view.log.firstIndex, node.raft.view.log.lastIndex, node.applied.length]).toEqual([6, 5, 5]);
});

test("S2 a snapshot of what is committed is ignored, and answered with the commit index", () => {
  const solo = following(new Solo({ terms: [1, 1, 1, 1] }));
  solo.step({ ...append(solo.from(2, 1), { previous: { index: 4, term: 1 }, commitIndex: 3 }) });
  expect(outcomes(solo.answers(chunkOf(solo, { index: 2, term: 1 })))).toEqual(["accepted 3"]);
  expect(solo.terms).toEqual([1, 1, 1, 1]);
});

test("S2 a snapshot that contradicts what is committed stops the process", () => {
  const solo = following(new Solo({ terms: [1, 1, 2, 2] }));
  solo.step({ ...append(solo.from(2, 2), { previous: { index: 4, term: 2 }, commitIndex: 3 }) });
  expect(() => solo.step(chunkOf(solo, { index: 3, term: 1 }))).toThrow("contradicts a committed entry");
});

test("S2 where the log leads to the snapshot, it commits up to there and keeps what follows", () => {
  const solo = new Solo({ terms: [1, 1, 2, 2, 2] });
  const answers = solo.answers(chunkOf(solo, { index: 3, term: 2 }));
  expect(outcomes(answers)).toEqual(["accepted 3"]);
  expect([solo.terms, solo.raft.view.log.commitIndex]).toEqual([[1, 1, 2, 2, 2], 3]);
  expect(solo.chunks).toEqual([]);
});

for (const [what, terms] of [
  ["is shorter", [1, 1]],
  ["has another entry there", [1, 1, 1, 1, 1, 1, 1]],
] as const) {
  test(`S2 where the log ${what}, all of it goes`, () => {
    const solo = following(new Solo({ terms, hardState: { term: 3, vote: null } }));
    const snapshot = { index: 5, term: 2 };
    solo.step(chunkOf(solo, snapshot));
    expect(solo.chunks.length).toBe(1);
    const { membership } = solo.raft.view;
    solo.take();
    expect(solo.raft.canInstall(snapshot)).toBe(true);
    solo.input((raft) => raft.install({ ...snapshot, membership, bytes: imageBytes }));
    expect(outcomes(solo.take())).toEqual(["accepted 5"]);
    const { log } = solo.raft.view;
    expect([log.firstIndex, log.lastIndex, log.last, log.commitIndex]).toEqual([6, 5, snapshot, 5]);
    expect(outcomes(solo.answers(append(solo.from(2, 3), { previous: snapshot, terms: [2, 3] })))).toEqual([
      "accepted 7",
    ]);
  });
}

test("S3 whatever part of an installation a power cut leaves, the log and its snapshot belong together", () => {
  for (const durable of [0, 1, 2]) {
    const cluster = behind({ chunkBytesMax: 1000 });
    untilFirstChunk(cluster);
    const node = cluster.node(3);
    node.autoDisk = false;
    cluster.deliver({ to: 3 });
    cluster.step(append({ group: 0, directory: 0, from: 1, to: 3, term: 3 }, { previous: { index: 7, term: 3 } }));
    expect(node.raft.view.log.lastIndex).toBeGreaterThanOrEqual(7);
    cluster.crash(3, Math.min(durable, node.writes.length));
    cluster.restart(3); // throws unless the snapshot that is recorded is there
    const { log } = node.raft.view;
    expect(durable === 0 ? log.firstIndex === 1 : log.firstIndex === 8).toBe(true);
    node.autoDisk = true;
    cluster.run(3000);
    expect(termsOf(node.raft.view).length + log.firstIndex - 1).toBe(8);
    expect(node.applied.length).toBe(8);
  }
});

test("S3 nothing is promised of a snapshot before the new log is durable", () => {
  const cluster = behind({ chunkBytesMax: 1000 });
  untilFirstChunk(cluster);
  const node = cluster.node(3);
  node.autoDisk = false;
  cluster.deliver({ to: 3, kind: "InstallSnapshot" });
  expect(cluster.pool.filter((message) => message.from === 3 && message.kind === "AppendEntriesResponse")).toEqual([]);
  node.complete(1);
  const promised = cluster.pool.filter((message) => message.from === 3 && message.kind === "AppendEntriesResponse");
  expect(outcomes(promised)).toEqual(["accepted 7"]);
});

test("S4 a newer snapshot takes the place of one that is arriving, and an older one does not", () => {
  const solo = following(new Solo({ terms: [1], hardState: { term: 3, vote: null } }));
  const half = { length: 50 };
  expect(outcomes(solo.answers(chunkOf(solo, { index: 5, term: 2 }, half)))).toEqual(["received 50"]);
  expect(outcomes(solo.answers(chunkOf(solo, { index: 9, term: 2 }, half)))).toEqual(["received 50"]);
  expect(outcomes(solo.answers(chunkOf(solo, { index: 5, term: 2 }, { offset: 50 })))).toEqual([]);
  solo.step(chunkOf(solo, { index: 9, term: 2 }, { offset: 50 }));
  expect(solo.chunks.map((chunk) => [chunk.snapshot.index, chunk.offset])).toEqual([
    [5, 0],
    [9, 0],
    [9, 50],
  ]);
});

test("S5 chunks may come twice and in disorder: each is taken once, in order", () => {
  const solo = following(new Solo({ terms: [1], hardState: { term: 3, vote: null } }));
  const snapshot = { index: 5, term: 2 };
  const [first, second, third] = [0, 40, 80].map((offset) =>
    chunkOf(solo, snapshot, { offset, length: Math.min(40, imageBytes - offset) }),
  ) as [InstallSnapshot, InstallSnapshot, InstallSnapshot];
  expect(outcomes(solo.answers(second))).toEqual(["received null"]);
  expect(outcomes(solo.answers(first))).toEqual(["received 40"]);
  expect(outcomes(solo.answers(third))).toEqual(["received 40"]);
  expect(outcomes(solo.answers(first))).toEqual(["received 40"]);
  expect(outcomes(solo.answers(second))).toEqual(["received 80"]);
  expect(outcomes(solo.answers(second))).toEqual(["received 80"]);
  solo.step(third);
  expect(solo.chunks.map((chunk) => chunk.offset)).toEqual([0, 40, 80]);
});

test("S5 a transfer of another session or another leader begins at its beginning", () => {
  const solo = following(new Solo({ terms: [1], hardState: { term: 3, vote: null } }));
  const snapshot = { index: 5, term: 2 };
  solo.step(chunkOf(solo, snapshot, { length: 40, session: 4 }));
  expect(outcomes(solo.answers(chunkOf(solo, snapshot, { offset: 40, session: 5 })))).toEqual(["received null"]);
  expect(outcomes(solo.answers(chunkOf(solo, snapshot, { offset: 0, length: 40, session: 5 })))).toEqual([
    "received 40",
  ]);
  expect(outcomes(solo.answers(chunkOf(solo, snapshot, { offset: 0, length: 40, session: 4 })))).toEqual([]);
  const next = { ...chunkOf(solo, snapshot, { offset: 40, session: 5, term: 4 }), from: 3 };
  expect(outcomes(solo.answers(next))).toEqual(["received null"]);
});

test("S5 a chunk is a sign of life of the leader", () => {
  const solo = following(new Solo({ terms: [1], hardState: { term: 3, vote: null } }));
  solo.tick(500);
  const before = solo.raft.deadline;
  solo.step(chunkOf(solo, { index: 5, term: 2 }, { length: 40 }));
  expect(solo.raft.view.electionDeadline).toBeGreaterThanOrEqual(solo.now + solo.raft.view.options.electionTimeoutMs);
  expect(solo.raft.deadline).not.toBe(before);
});

test("S5 a snapshot that proves damaged is asked for again", () => {
  const cluster = behind({ chunkBytesMax: 20 });
  cluster.node(3).damagedInstalls = 1;
  cluster.runUntil(() => cluster.node(3).applied.length === 8, 5000);
  expect(cluster.node(3).damagedInstalls).toBe(0);
});

test("S6 a transfer of which nothing arrives is begun anew after an election timeout", () => {
  const cluster = behind({ chunkBytesMax: 20 });
  untilFirstChunk(cluster);
  cluster.deliver({ to: 3, kind: "InstallSnapshot" });
  cluster.deliver({ from: 3 });
  const { sending, session } = cluster.progress(1, 3);
  expect(sending?.received).toBe(20);
  for (let ms = 0; ms < 1200; ms += 100) {
    cluster.take({ kind: "InstallSnapshot" });
    cluster.run(0);
    cluster.advance(100);
    cluster.tick(1);
    while (cluster.pool.some((message) => message.kind !== "InstallSnapshot"))
      cluster.deliverAt(cluster.pool.findIndex((message) => message.kind !== "InstallSnapshot"));
  }
  expect(cluster.progress(1, 3).session).toBeGreaterThan(session);
  expect(cluster.progress(1, 3).sending?.received).toBe(0);
  cluster.run(2000);
  expect(cluster.node(3).applied.length).toBe(8);
});

test("S6 a snapshot arrives over a way on which each chunk takes longer than an election timeout", () => {
  const cluster = behind({ chunkBytesMax: 20 });
  untilFirstChunk(cluster);
  const isChunk = ({ kind }: Message): boolean => kind === "InstallSnapshot";
  const slow: Message[] = [];
  let sent = 0;
  for (let ms = 0; cluster.node(3).applied.length < 8; ms += 100) {
    if (ms > 120_000) throw new Error("the snapshot never arrives");
    // One chunk after the other passes, each 2.5 s behind the one before; all else takes no time.
    const chunks = cluster.take({ kind: "InstallSnapshot" });
    slow.push(...chunks);
    sent += chunks.length;
    if (ms % 2500 === 0 && slow.length > 0) cluster.step(slow.shift() as Message);
    while (cluster.pool.some((message) => !isChunk(message))) {
      cluster.deliverAt(cluster.pool.findIndex((message) => !isChunk(message)));
    }
    cluster.advance(100);
    for (const id of [1, 2, 3]) cluster.tick(id);
  }
  expect(sent).toBeLessThan(25);
});

test("S6 a snapshot that the log has left behind is given up for the newest", () => {
  const cluster = behind({ chunkBytesMax: 20, inflightChunksMax: 1 });
  untilFirstChunk(cluster);
  expect(cluster.progress(1, 3).sending?.snapshot.index).toBe(7);
  cluster.propose(1, "even more");
  cluster.deliver({ to: 2 });
  cluster.deliver({ from: 2 });
  cluster.node(1).takeSnapshot(0);
  expect(cluster.progress(1, 3).sending?.snapshot.index).toBe(9);
  cluster.run(2000);
  expect(cluster.node(3).applied.length).toBe(9);
});

test("L10 the window of chunks opens while they arrive, and closes when they do not", () => {
  const cluster = behind({ chunkBytesMax: 5, inflightChunksMax: 4 });
  untilFirstChunk(cluster);
  const onTheirWay = (): number => cluster.pool.filter((message) => message.kind === "InstallSnapshot").length;
  const seen = [onTheirWay()];
  for (let i = 0; i < 4; i++) {
    cluster.deliverOnce({ to: 3 });
    cluster.deliverOnce({ from: 3 });
    seen.push(onTheirWay());
  }
  expect(seen).toEqual([1, 2, 4, 4, 3]);
  cluster.take({ kind: "InstallSnapshot" });
  for (let round = 0; round < 2; round++) {
    cluster.advance(100);
    cluster.tick(1);
    cluster.deliver({ kind: "Heartbeat" });
    cluster.deliver({ kind: "HeartbeatResponse" });
  }
  expect(onTheirWay()).toBe(1);
  cluster.run(1000);
  expect(cluster.node(3).applied.length).toBe(8);
});

test("L10 a chunk that does not arrive is sent again ever more seldom: it may be on a slow way that heartbeats overtake", () => {
  const cluster = behind({ chunkBytesMax: 5, inflightChunksMax: 1 });
  untilFirstChunk(cluster);
  const again: number[] = [];
  for (let look = 1; look <= 8; look++) {
    cluster.take({ kind: "InstallSnapshot" });
    cluster.advance(100);
    cluster.tick(1);
    cluster.deliver({ kind: "Heartbeat" });
    cluster.deliver({ kind: "HeartbeatResponse" });
    if (cluster.pool.some((message) => message.kind === "InstallSnapshot")) again.push(look);
  }
  expect(again).toEqual([1, 2, 4, 8]);
});

test("L10 a follower that has everything gets no snapshot, although the leader had not heard so", () => {
  const terms = [1, 1, 2, 2];
  const cluster = new Cluster({ voters: 3, pasts: { 1: { terms }, 2: { terms }, 3: { terms } } });
  cluster.isolate(3);
  cluster.elect(1);
  cluster.node(1).takeSnapshot(1);
  cluster.heal();
  cluster.run(1000);
  expect(cluster.node(3).applied.length).toBe(5);
  expect(cluster.node(3).raft.view.snapshot).toBe(null);
});

test("E1 the last entry may be in the snapshot", () => {
  const solo = new Solo({ compacted: { index: 100, term: 3 } });
  const vote = (lastLog: EntryId): Message => ({ kind: "RequestVote", ...solo.from(2, 9), lastLog, transfer: false });
  const granted = (message: Message): boolean | null => {
    const [answer] = solo.answers(message);
    return answer?.kind === "RequestVoteResponse" ? answer.granted : null;
  };
  expect(granted(vote({ index: 50, term: 3 }))).toBe(false);
  expect(granted(vote({ index: 99, term: 3 }))).toBe(false);
  expect(granted(vote({ index: 100, term: 3 }))).toBe(true);
});

test("E8 who waits for the rest of a snapshot does not campaign, until it stops waiting", () => {
  const solo = following(new Solo({ terms: [1], hardState: { term: 3, vote: null } }));
  solo.step(chunkOf(solo, { index: 5, term: 2 }, { length: 40 }));
  solo.take();
  expect(outcomes(solo.answers({ kind: "TimeoutNow", ...solo.from(2, 3) }))).toEqual([]);
  solo.tick(solo.raft.deadline - solo.now);
  expect(outcomes(solo.take())).toEqual([]);
  solo.tick(solo.raft.deadline - solo.now);
  expect(outcomes(solo.take())).toEqual(["RequestPreVote", "RequestPreVote"]);
});

test("P15 after a restart all that the snapshot holds is committed, and nothing else", () => {
  const solo = new Solo({ compacted: { index: 100, term: 3 }, terms: [3, 4] });
  const { log } = solo.raft.view;
  expect([log.commitIndex, log.appliedIndex, log.lastIndex]).toEqual([100, 100, 102]);
});

test("S6 a snapshot that is refused each time is sent more and more seldom", () => {
  const cluster = new Cluster({ voters: 3, limits: { chunkBytesMax: 10 } });
  cluster.isolate(3);
  cluster.elect(1);
  for (let i = 0; i < 5; i++) cluster.propose(1, `${i}`);
  cluster.run(300);
  cluster.node(1).takeSnapshot();
  cluster.heal();
  cluster.node(3).damagedInstalls = 1000;
  cluster.run(60_000);
  const refused = 1000 - cluster.node(3).damagedInstalls;
  expect(refused > 3 && refused < 12).toBe(true);
  cluster.node(3).damagedInstalls = 0;
  cluster.run(70_000);
  expect(cluster.raft(3).view.log.commitIndex).toBe(cluster.raft(1).view.log.commitIndex);
});
