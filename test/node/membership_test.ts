/** Changes of members on real nodes in virtual time: what becomes of writes, of those who asked, and of those who left. */
import { describe, expect, test } from "bun:test";
import { assert } from "../../src/lib/assert.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";
import { addressBook, targetOf } from "../../src/node/membership.ts";
import { defaultLimits, type Node } from "../../src/node/mod.ts";
import { newMembership } from "../../src/raft/mod.ts";
import { serverOf, TestCluster, textOf, type WriteEnd } from "./cluster.ts";

/** The node that leads the newest term and belongs to `ids`, once it can serve. */
function leaderAmong(cluster: TestCluster, ids: readonly number[]): Node {
  const leaders = (): readonly Node[] =>
    ids.map((id) => cluster.node(id)).filter((node) => node.view(0).role === "leader" && node.view(0).ready);
  cluster.until(() => leaders().length > 0);
  const [leader] = leaders();
  assert(leader !== undefined, "until() came back without a leader");
  return leader;
}

/** Writes to whoever leads, and remembers what was acknowledged. */
class Writer {
  private readonly waiting: { readonly key: string; readonly put: { readonly end: WriteEnd | null } }[] = [];
  private count = 0;

  constructor(private readonly cluster: TestCluster) {}

  write(): void {
    for (const node of this.cluster.nodes) {
      if (node.view(0).role !== "leader") continue;
      const key = `key ${++this.count}`;
      this.waiting.push({ key, put: this.cluster.put(node, key, key) });
    }
  }

  get ends(): readonly (WriteEnd["kind"] | null)[] {
    return this.waiting.map(({ put }) => put.end?.kind ?? null);
  }

  /** The acknowledged keys that `node` does not have. */
  lostAt(node: Node): readonly string[] {
    const acknowledged = this.waiting.filter(({ put }) => put.end?.kind === "applied").map(({ key }) => key);
    return acknowledged.filter((key) => textOf(this.cluster.get(node, key, "stale")) !== key);
  }
}

/** Changes the members while a writer writes, and asks again where the leader is only not ready for it. */
function changeUnder(writer: Writer, cluster: TestCluster, change: Parameters<TestCluster["change"]>[1]): void {
  const voters = new Set(cluster.nodes.filter((node) => !node.view(0).removed).map(({ id }) => id));
  for (;;) {
    const asked = cluster.change(leaderAmong(cluster, [...voters]), change);
    cluster.until(() => {
      writer.write();
      return asked.end !== null;
    });
    if (asked.end?.kind === "changed") return;
    if (asked.end?.kind === "refused" && ["notCaughtUp", "notReady", "changing"].includes(asked.end.reason)) {
      writer.write();
      cluster.advance(50);
    } else throw new Error(`the change ended with ${JSON.stringify(asked.end)}`);
  }
}

function grow(writer: Writer, cluster: TestCluster, ids: readonly number[]): void {
  for (const id of ids) {
    cluster.join(id);
    changeUnder(writer, cluster, { kind: "add", server: serverOf(id) });
  }
}

for (const seed of [1, 2, 3]) {
  const faults = { drop: 0.05, duplicate: 0.1, reorder: 0.2 };

  test(`from one node to five and back, the leader leaving each time: nothing acknowledged is lost (seed ${seed})`, () => {
    const cluster = new TestCluster({ nodes: 1, seed });
    cluster.network.faults = faults;
    const writer = new Writer(cluster);
    cluster.leader();
    for (const id of [2, 3, 4, 5]) {
      grow(writer, cluster, [id]);
      changeUnder(writer, cluster, { kind: "promote", id });
    }
    const left = new Set([1, 2, 3, 4, 5]);
    while (left.size > 1) {
      const { id } = leaderAmong(cluster, [...left]);
      left.delete(id);
      changeUnder(writer, cluster, { kind: "remove", id });
    }
    const last = leaderAmong(cluster, [...left]);
    cluster.until(() => writer.ends.every((end) => end !== null));
    expect(writer.ends.filter((end) => end === "applied").length).toBeGreaterThan(10);
    expect(writer.lostAt(last)).toEqual([]);
    expect(last.status(0).members).toMatchObject({ voters: [...left], outgoing: [], learners: [] });
    cluster.network.faults = { drop: 0, duplicate: 0, reorder: 0 };
    cluster.until(() => cluster.nodes.every((node) => node === last || node.view(0).removed));
    expect(last.view(0).role).toBe("leader");
  });

  test(`three nodes take the place of three in one change: nothing acknowledged is lost (seed ${seed})`, () => {
    const cluster = new TestCluster({ nodes: 3, seed });
    cluster.network.faults = faults;
    const writer = new Writer(cluster);
    cluster.leader();
    grow(writer, cluster, [4, 5, 6]);
    changeUnder(writer, cluster, { kind: "set", voters: [4, 5, 6] });
    leaderAmong(cluster, [4, 5, 6]);
    for (const id of [1, 2, 3]) cluster.crash(id);
    cluster.network.faults = { drop: 0, duplicate: 0, reorder: 0 };
    writer.write();
    cluster.until(() => writer.ends.every((end) => end !== null));
    cluster.until(() => new Set(cluster.nodes.map((node) => node.status(0).state_hash)).size === 1);
    for (const node of cluster.nodes) {
      expect(writer.lostAt(node)).toEqual([]);
      expect(node.status(0).members).toMatchObject({ voters: [4, 5, 6], retired: [1, 2, 3] });
    }
  });
}

/** One thing happens: a write, what a node has put off, a message that arrives, or time that passes. */
function stir(cluster: TestCluster, writer: Writer, random: Random): void {
  if (random.next() < 0.2) writer.write();
  const choice = random.next();
  if (choice < 0.45) cluster.clock.runDeferred();
  else if (choice < 0.85) cluster.network.deliverOne();
  else cluster.clock.advance(1 + random.integer(0, 3), () => undefined);
}

for (const seed of [7, 12]) {
  test(`where messages are late and none is lost, no write ends unknown while all members change (seed ${seed})`, () => {
    const random = seededRandom(seed);
    const cluster = new TestCluster({ nodes: 3, seed });
    const writer = new Writer(cluster);
    cluster.leader();
    grow(writer, cluster, [4, 5, 6]);
    cluster.advance(2000);
    cluster.network.faults = { drop: 0, duplicate: 0, reorder: 0.3 };
    for (let steps = 0; steps < 200; steps++) stir(cluster, writer, random);
    const leader = cluster.nodes.find((node) => node.view(0).role === "leader");
    assert(leader !== undefined, "nothing has happened that costs the office");
    const change = cluster.change(leader, { kind: "set", voters: [4, 5, 6] }); // before what was stirred up has settled
    const isOver = (): boolean =>
      change.end !== null && [1, 2, 3].every((id) => cluster.node(id).view(0).role === "follower");
    for (let steps = 0; !isOver() && steps < 100_000; steps++) stir(cluster, writer, random);
    leaderAmong(cluster, [4, 5, 6]);
    cluster.until(() => writer.ends.every((end) => end !== null));
    expect(change.end?.kind).toBe("changed");
    expect(new Set(writer.ends)).toEqual(new Set(["applied", "notApplied"]));
    cluster.advance(defaultLimits.commitNewsMs); // until then some may not have heard of the last commit
    for (const id of [4, 5, 6]) expect(writer.lostAt(cluster.node(id))).toEqual([]);
  });
}

test("a removal of the leader loses no write that it had taken in, and the next one is done by its successor", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const old = cluster.leader();
  const { term } = old.view(0);
  const before = cluster.put(old, "before", "1");
  const removal = cluster.change(old, { kind: "remove", id: old.id });
  const after = cluster.put(old, "after", "2");
  cluster.until(() => old.view(0).role !== "leader");
  expect([before.end?.kind, removal.end?.kind]).toEqual(["applied", "changed"]);
  expect(after.end?.kind === "applied" || after.end?.kind === "notApplied").toBe(true); // known, one way or the other
  const rest = [1, 2, 3].filter((id) => id !== old.id);
  const next = leaderAmong(cluster, rest);
  expect(next.view(0).term).toBe(term + 1); // by transfer, not by an election that somebody had to wait for
  expect(textOf(cluster.get(next, "before", "stale"))).toBe("1");
  expect(textOf(cluster.get(next, "after", "stale"))).toBe(after.end?.kind === "applied" ? "2" : null);
});

test("a change whose leader is cut off has an unknown end there, and its successor decides it", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const old = cluster.leader();
  cluster.isolate(old.id);
  const change = cluster.change(old, { kind: "remove", id: old.id });
  expect(change.end).toBe(null);
  const rest = [1, 2, 3].filter((id) => id !== old.id);
  const next = leaderAmong(cluster, rest);
  cluster.until(() => change.end !== null);
  expect(change.end).toEqual({ kind: "unknown", reason: "leadershipLost" });
  expect(next.status(0).members.voters).toEqual([1, 2, 3]); // it never left the old leader
  cluster.network.heal();
  cluster.until(() => old.view(0).leader === next.id);
  expect(old.status(0).members.voters).toEqual([1, 2, 3]); // and is gone there, too
  const again = cluster.change(next, { kind: "remove", id: old.id });
  cluster.until(() => again.end !== null);
  expect(again.end?.kind).toBe("changed");
});

test("a change whose leader lost its entry and leads again has an unknown end, whatever takes its place", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const old = cluster.leader();
  cluster.isolate(old.id);
  for (const key of ["a", "b"]) {
    cluster.put(old, key, "lost");
    cluster.settle();
  }
  const change = cluster.change(old, { kind: "remove", id: old.id });
  const next = leaderAmong(
    cluster,
    [1, 2, 3].filter((id) => id !== old.id),
  );
  cluster.network.heal();
  cluster.until(() => old.view(0).leader === next.id);
  expect(change.end).toBe(null); // the log here is not yet as long again
  next.transferLeader(0, old.id, () => undefined);
  cluster.until(() => old.view(0).role === "leader" && old.view(0).ready);
  const put = cluster.put(old, "c", "kept");
  cluster.until(() => put.end !== null);
  expect(put.end?.kind).toBe("applied");
  expect(change.end).toEqual({ kind: "unknown", reason: "leadershipLost" });
});

test("a change that was begun survives the death of its leader in the joint configuration", () => {
  const cluster = new TestCluster({ nodes: 5 });
  const old = cluster.leader();
  const [gone = 0, ...rest] = [1, 2, 3, 4, 5].filter((id) => id !== old.id);
  cluster.isolate(gone); // so that its answer is not the one that decides
  cluster.change(old, { kind: "remove", id: gone });
  for (let moves = 0; !rest.every((id) => cluster.node(id).status(0).members.outgoing.length > 0); moves++) {
    expect(moves < 1000).toBe(true);
    if (!cluster.clock.runDeferred()) cluster.network.deliverOne();
  }
  cluster.crash(old.id);
  const next = leaderAmong(cluster, rest);
  const voters = [1, 2, 3, 4, 5].filter((id) => id !== gone);
  cluster.until(() => next.status(0).members.outgoing.length === 0);
  expect(next.status(0).members.voters).toEqual(voters);
});

test("one change at a time; what asks meanwhile is refused", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const [a = 0, b = 0] = [1, 2, 3].filter((id) => id !== leader.id);
  const first = cluster.change(leader, { kind: "remove", id: a });
  const second = cluster.change(leader, { kind: "remove", id: b });
  expect(second.end).toEqual({ kind: "refused", reason: "changing", nodes: [] });
  cluster.until(() => first.end !== null);
  expect(first.end?.kind).toBe("changed");
});

test("a node that joins late is sent a snapshot, and votes", () => {
  const limits = { snapshotEntries: 10, trailingEntries: 2, snapshotSliceBytes: 100, chunkBytesMax: 100 };
  const cluster = new TestCluster({ nodes: 1, limits });
  const writer = new Writer(cluster);
  const leader = cluster.leader();
  for (let i = 0; i < 50; i++) {
    writer.write();
    cluster.settle();
  }
  expect(leader.status(0).first_index).toBeGreaterThan(20);
  cluster.join(2);
  changeUnder(writer, cluster, { kind: "add", server: serverOf(2) });
  changeUnder(writer, cluster, { kind: "promote", id: 2 });
  expect(cluster.node(2).status(0).snapshot_index).toBeGreaterThan(20);
  changeUnder(writer, cluster, { kind: "remove", id: 1 });
  const last = leaderAmong(cluster, [2]);
  expect(writer.lostAt(last)).toEqual([]);
});

test("who has joined or left knows it after a restart", () => {
  const cluster = new TestCluster({ nodes: 2 });
  const writer = new Writer(cluster);
  cluster.leader();
  grow(writer, cluster, [3]);
  changeUnder(writer, cluster, { kind: "promote", id: 3 });
  cluster.crash(3);
  cluster.start(3);
  expect(cluster.node(3).status(0).members.voters).toEqual([1, 2, 3]);
  cluster.until(() => cluster.node(3).view(0).leader !== null);
  const gone = cluster.follower().id;
  changeUnder(writer, cluster, { kind: "remove", id: gone });
  cluster.crash(gone);
  cluster.start(gone);
  cluster.until(() => cluster.node(gone).view(0).removed);
  const { term } = cluster.leader().view(0);
  cluster.advance(20_000);
  expect(cluster.leader().view(0).term).toBe(term);
});

test("a plan changes nothing, and says what a change would", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const { last_index } = leader.status(0);
  const planned = cluster.change(leader, { kind: "set", voters: [1, 2] }, { plan: true });
  expect(planned.end).toMatchObject({ kind: "planned", before: { voters: [1, 2, 3] }, after: { voters: [1, 2] } });
  cluster.advance(1000);
  expect(leader.status(0).last_index).toBe(last_index);
  const change = cluster.change(leader, { kind: "set", voters: [1, 2] });
  cluster.until(() => change.end !== null);
  assert(change.end?.kind === "changed", "the change did not end as it was planned");
  expect(planned.end).toEqual({ ...change.end, kind: "planned" });
});

test("listeners are told of new members before anything is sent to them", () => {
  const cluster = new TestCluster({ nodes: 1 });
  const leader = cluster.leader();
  const told: (readonly number[])[] = [];
  leader.onChange(() => told.push(leader.servers.map(({ id }) => id)));
  const sent = leader.status(0).transport.messagesSent;
  cluster.change(leader, { kind: "add", server: serverOf(2) });
  while (leader.status(0).transport.messagesSent === sent && cluster.clock.runDeferred());
  expect(told[0]).toEqual([1, 2]);
});

describe("a wish becomes a target", () => {
  const current = { ...newMembership({ voters: [1, 2, 3], learners: [4] }), retired: [9] };
  const servers = [1, 2, 3, 4].map(serverOf);
  const target = (request: Parameters<typeof targetOf>[1]): unknown => targetOf(current, request, servers);

  test("that has who is named, and all others as they are", () => {
    expect(target({ kind: "add", server: serverOf(5) })).toEqual({
      voters: [1, 2, 3],
      learners: [4, 5],
      servers: [...servers, serverOf(5)],
    });
    expect(target({ kind: "promote", id: 4 })).toEqual({ voters: [1, 2, 3, 4], learners: [], servers });
    expect(target({ kind: "promote", id: 3 })).toEqual({ voters: [1, 2, 3], learners: [4], servers });
    expect(target({ kind: "remove", id: 4 })).toEqual({ voters: [1, 2, 3], learners: [], servers });
    expect(target({ kind: "remove", id: 2 })).toEqual({ voters: [1, 3], learners: [4], servers });
    expect(target({ kind: "set", voters: [4, 1] })).toEqual({ voters: [4, 1], learners: [], servers });
  });

  test("unless it names who is not there, or what is taken", () => {
    expect(target({ kind: "promote", id: 5 })).toEqual({ reason: "unknownNode", nodes: [5] });
    expect(target({ kind: "set", voters: [1, 5, 6] })).toEqual({ reason: "unknownNode", nodes: [5, 6] });
    expect(target({ kind: "remove", id: 5 })).toEqual({ reason: "unknownNode", nodes: [5] });
    expect(target({ kind: "add", server: serverOf(3) })).toEqual({ reason: "alreadyMember", nodes: [3] });
    const sharing = { ...serverOf(5), service: serverOf(2).service };
    expect(target({ kind: "add", server: sharing })).toEqual({ reason: "addressTaken", nodes: [2] });
    // Whoever left stays away without a word: a removal that was repeated is not an error that says there is no such node.
    expect(target({ kind: "remove", id: 9 })).toEqual({ voters: [1, 2, 3], learners: [4], servers });
  });
});

test("what a node was started with says where members are, never who they are", () => {
  const members = newMembership({ voters: [1, 2], servers: [serverOf(1), serverOf(2)] });
  const moved = { ...serverOf(2), service: "elsewhere:1" };
  expect(addressBook(members, [moved, serverOf(3)])).toEqual([serverOf(1), moved]);
  expect(addressBook(newMembership({ voters: [] }), [serverOf(3)])).toEqual([serverOf(3)]);
});
