/** Snapshots of real nodes in virtual time: taken while writes go on, sent to who was away, restored at a start. */
import { describe, expect, test } from "bun:test";
import { seededRandom } from "../../src/lib/random.ts";
import type { Node, NodeLimits } from "../../src/node/mod.ts";
import { snapshotName } from "../../src/storage/snapshots.ts";
import { TestCluster, textOf } from "./cluster.ts";

/** Snapshots every few entries, in pieces of a few bytes. */
const limits: Partial<NodeLimits> = {
  snapshotEntries: 10,
  snapshotBytes: 1_000_000,
  trailingEntries: 4,
  snapshotSliceBytes: 100,
  chunkBytesMax: 100,
};

/** Writes `count` values, each in an entry of its own. */
function fill(
  cluster: TestCluster,
  node: Node,
  { from, count }: { readonly from: number; readonly count: number },
): void {
  for (let i = from; i < from + count; i++) {
    cluster.put(node, `key ${i % 7}`, `value ${i} `.padEnd(40, "."));
    cluster.settle();
  }
}

function hashes(cluster: TestCluster): readonly string[] {
  return cluster.nodes.map((node) => node.status(0).state_hash);
}

describe("snapshots", () => {
  test("S1 a node compacts its log behind a snapshot, keeps a trailing part, and one file", () => {
    const cluster = new TestCluster({ nodes: 1, limits });
    const leader = cluster.leader();
    fill(cluster, leader, { from: 0, count: 100 });
    const { first_index, last_index, snapshot_index } = leader.status(0);
    expect(snapshot_index).toBeGreaterThan(80);
    expect(snapshot_index - first_index).toBeLessThan(6);
    expect(last_index).toBe(102); // with the empty entry of the term, and the directories of the voters
    expect(cluster.snapshots(1).list().length).toBe(1);
  });

  test("the log grows to half of the last snapshot where that is more than the limit, and half as long again at most", () => {
    const cluster = new TestCluster({ nodes: 1, limits: { snapshotEntries: 1_000_000, snapshotBytes: 100 } });
    const leader = cluster.leader();
    for (let i = 0; i < 200; i++) cluster.put(leader, `key ${i}`, "".padEnd(100, "."));
    cluster.settle();
    const taken = (): number => leader.status(0).snapshot_index;
    const commandBytes = 116; // of a put of 100 bytes under a key of 7, with its head and that of its entry
    for (let round = 0; round < 5; round++) {
      const [last, image] = [taken(), cluster.snapshots(1).open(cluster.snapshots(1).list().at(-1) ?? "").bytes];
      while (taken() === last) {
        cluster.put(leader, "key 100", "".padEnd(100, "."));
        cluster.settle();
      }
      const grown = (taken() - last) * commandBytes;
      expect(grown).toBeGreaterThanOrEqual(image / 2 - commandBytes);
      expect(grown).toBeLessThanOrEqual((image / 2) * 1.5 + 2 * commandBytes);
    }
  });

  test("S7 a node that was restored from a snapshot has the state of those that replayed the log", () => {
    const cluster = new TestCluster({ nodes: 3, limits });
    const away = cluster.follower().id;
    const leader = cluster.leader();
    cluster.crash(away);
    fill(cluster, leader, { from: 0, count: 60 });
    expect(leader.status(0).first_index).toBeGreaterThan(30);
    cluster.start(away);
    cluster.until(() => cluster.node(away).status(0).applied_index === leader.status(0).applied_index);
    expect(cluster.node(away).status(0).snapshot_index).toBeGreaterThan(40);
    expect(new Set(hashes(cluster)).size).toBe(1);
  });

  test("P14 a start goes on from the snapshot, and the log behind it", () => {
    const cluster = new TestCluster({ nodes: 1, limits });
    fill(cluster, cluster.leader(), { from: 0, count: 33 });
    const before = cluster.node(1).status(0);
    cluster.crash(1);
    cluster.start(1);
    const started = cluster.node(1).status(0);
    expect([started.applied_index, started.snapshot_index]).toEqual([before.snapshot_index, before.snapshot_index]);
    expect(started.last_index).toBe(before.last_index);
    const leader = cluster.leader();
    cluster.until(() => leader.status(0).applied_index > before.last_index);
    expect(leader.status(0).state_hash).toBe(before.state_hash);
    const read = cluster.get(leader, "key 3");
    cluster.settle();
    expect(textOf(read)).toBe("value 31 ".padEnd(40, "."));
  });

  test("none is taken before all is applied that was there at the start: nobody is served until then", () => {
    const cluster = new TestCluster({ nodes: 1, limits: { ...limits, snapshotEntries: 1000 } });
    fill(cluster, cluster.leader(), { from: 0, count: 300 });
    const { last_index } = cluster.node(1).status(0);
    cluster.crash(1);
    const disk = cluster.snapshots(1);
    const begun: number[] = [];
    const create = disk.create.bind(disk);
    disk.create = (meta) => {
      begun.push(meta.index);
      return create(meta);
    };
    cluster.start(1, { snapshotEntries: 10, applyBytesMax: 1 });
    cluster.until(() => cluster.node(1).status(0).snapshot_index > 0);
    expect(Math.min(...begun)).toBeGreaterThanOrEqual(last_index);
  });

  test("S3 a start without the snapshot that was recorded is refused", () => {
    const cluster = new TestCluster({ nodes: 1, limits });
    fill(cluster, cluster.leader(), { from: 0, count: 33 });
    const [name = ""] = cluster.snapshots(1).list();
    cluster.crash(1);
    cluster.snapshots(1).remove(name);
    expect(() => cluster.start(1)).toThrow(`snapshot ${name}: missing`);
  });

  test("P12 a start from a damaged snapshot is refused, naming it", () => {
    const cluster = new TestCluster({ nodes: 1, limits });
    fill(cluster, cluster.leader(), { from: 0, count: 33 });
    const [name = ""] = cluster.snapshots(1).list();
    cluster.crash(1);
    cluster.snapshots(1).damage(name, 200);
    expect(() => cluster.start(1)).toThrow(`snapshot ${name}`);
  });

  test("S1 what a crash left of snapshots that were not recorded is removed", () => {
    const cluster = new TestCluster({ nodes: 1, limits });
    fill(cluster, cluster.leader(), { from: 0, count: 33 });
    const kept = cluster.snapshots(1).list();
    const writer = cluster.snapshots(1).create({
      group: 0,
      index: 999,
      term: 1,
      membership: cluster.node(1).inspect(0).membership,
    });
    writer.append(new Uint8Array([1]));
    writer.commit();
    cluster.crash(1);
    cluster.start(1);
    expect(cluster.snapshots(1).list()).toEqual(kept);
  });

  test("S1 the next snapshot is kept, though it is whole before the last one is recorded", () => {
    const often = { ...limits, snapshotEntries: 3, snapshotSliceBytes: 100_000, payloadBytesMax: 20 };
    const cluster = new TestCluster({ nodes: 1, autoComplete: false, limits: often });
    const disk = cluster.disk(1);
    for (let elected = false; !elected; elected = cluster.node(1).view(0).ready) {
      cluster.clock.advance(cluster.limits.electionTimeoutMs, () => undefined);
      cluster.settle();
      disk.completeAll();
      cluster.settle();
    }
    const taken = new Set<number>();
    const random = seededRandom(1);
    for (let step = 0; step < 2000; step++) {
      const what = random.integer(0, 5);
      if (what === 0)
        for (let i = 0; i < 6; i++) cluster.put(cluster.node(1), `key ${i}`, "value"); // six entries in one write
      else if (what === 1) disk.completeOne();
      else cluster.clock.runDeferred(); // one turn, and no more
      const index = cluster.node(1).status(0).snapshot_index;
      if (index === 0) continue;
      taken.add(index);
      const name = snapshotName({ group: 0, index, term: 1 });
      if (!cluster.snapshots(1).list().includes(name)) expect(`step ${step}`).toBe(`with ${name}`);
    }
    expect(taken.size).toBeGreaterThan(5);
  });

  test("writes go on while a snapshot is taken, a slice a turn", () => {
    const cluster = new TestCluster({ nodes: 1, limits: { ...limits, snapshotEntries: 50, snapshotSliceBytes: 10 } });
    const leader = cluster.leader();
    const ends: { end: unknown }[] = [];
    for (let i = 0; i < 400; i++) {
      ends.push(cluster.put(leader, `key ${i}`, "v"));
      cluster.clock.runDeferred();
    }
    // All are done, and the snapshot of the first of them is not.
    expect(ends.every(({ end }) => end !== null)).toBe(true);
    expect(leader.status(0).snapshot_index).toBe(0);
    cluster.settle();
    expect(leader.status(0).snapshot_index).toBeGreaterThan(50);
    cluster.crash(1);
    cluster.start(1);
    const again = cluster.leader();
    cluster.until(() => again.status(0).key_count === 400);
  });

  test("C3 whoever waits for an entry that comes as part of a snapshot is told that nobody knows", () => {
    const cluster = new TestCluster({ nodes: 3, limits });
    const old = cluster.leader();
    cluster.isolate(old.id);
    const waiting = cluster.put(old, "lost", "office");
    cluster.settle();
    cluster.until(() =>
      cluster.nodes.some((node) => node !== old && node.view(0).role === "leader" && node.view(0).ready),
    );
    const next = cluster.nodes.find((node) => node !== old && node.view(0).role === "leader");
    if (next === undefined) throw new Error("nobody leads");
    fill(cluster, next, { from: 0, count: 60 });
    cluster.network.heal();
    cluster.until(() => old.status(0).applied_index === next.status(0).applied_index);
    expect(old.status(0).snapshot_index).toBeGreaterThan(40);
    expect(waiting.end).toEqual({ kind: "unknown", reason: "leadershipLost" });
    expect(new Set(hashes(cluster)).size).toBe(1);
  });

  test("S5 a leader change in the middle of a transfer: the next leader begins anew, and the bytes are of one source", () => {
    const cluster = new TestCluster({ nodes: 3, limits: { ...limits, chunkBytesMax: 20, inflightChunksMax: 1 } });
    const away = cluster.follower().id;
    const leader = cluster.leader();
    cluster.crash(away);
    fill(cluster, leader, { from: 0, count: 60 });
    cluster.start(away);
    const sending = (): number => {
      const { role } = leader.inspect(0);
      return role.kind === "leader" ? (role.progress.get(away)?.sending?.received ?? 0) : 0;
    };
    for (let moves = 0; sending() < 100; moves++) {
      if (moves > 100_000) throw new Error("the transfer never began");
      if (!cluster.clock.runDeferred() && !cluster.network.deliverOne()) cluster.clock.advance(10, () => undefined);
    }
    cluster.isolate(leader.id);
    cluster.until(() => cluster.nodes.some((node) => node !== leader && node.view(0).role === "leader"));
    cluster.network.heal();
    cluster.until(() => new Set(hashes(cluster)).size === 1 && cluster.node(away).status(0).key_count === 7);
  });
});

describe("a snapshot that is found damaged when it is sent", () => {
  /** A leader whose newest snapshot is the only way for node 3 to catch up, but for how much was applied behind it. */
  function behind(isLast: (node: Node) => boolean): { cluster: TestCluster; leader: Node; away: Node; name: string } {
    const cluster = new TestCluster({ nodes: 3, limits });
    const leader = cluster.leader();
    const away = cluster.follower();
    cluster.isolate(away.id);
    fill(cluster, leader, { from: 0, count: 40 });
    for (let from = 40; !isLast(leader); from++) fill(cluster, leader, { from, count: 1 });
    const [name = ""] = cluster.snapshots(leader.id).list();
    return { cluster, leader, away, name };
  }
  const isAhead = (node: Node): boolean => node.status(0).applied_index > node.status(0).snapshot_index;
  const isThere = (node: Node): boolean => node.status(0).applied_index === node.status(0).snapshot_index;

  for (const [what, isLast, spoil] of [
    [
      "damaged",
      isAhead,
      (cluster, id, name) => cluster.snapshots(id).damage(name, cluster.snapshots(id).fileBytes(name) - 30),
    ],
    ["damaged, and nothing is newer", isThere, (cluster, id, name) => cluster.snapshots(id).damage(name, 200)],
    ["missing", isAhead, (cluster, id, name) => cluster.snapshots(id).remove(name)],
  ] as readonly [string, (node: Node) => boolean, (cluster: TestCluster, id: number, name: string) => void][]) {
    test(`P12 costs that snapshot, and not the leader: ${what}`, () => {
      const { cluster, leader, away, name } = behind(isLast);
      const { term, applied_index } = leader.status(0);
      spoil(cluster, leader.id, name);
      cluster.network.heal();
      cluster.until(() => away.status(0).applied_index >= applied_index);
      expect([leader.status(0).role, leader.status(0).term]).toEqual(["leader", term]);
      expect(away.status(0).snapshot_index > 0).toBe(true);
      expect(new Set(hashes(cluster)).size).toBe(1);
      for (const kept of cluster.snapshots(leader.id).list()) cluster.snapshots(leader.id).verify(kept);
      cluster.crash(leader.id);
      cluster.start(leader.id); // on the new one
      cluster.until(() => cluster.node(leader.id).status(0).applied_index >= applied_index);
    });
  }

  test("P12 stops the node if the next one is damaged as well", () => {
    const cluster = new TestCluster({ nodes: 5, limits });
    const leader = cluster.leader();
    const [first, second] = cluster.nodes.filter((node) => node !== leader);
    if (first === undefined || second === undefined) throw new Error("there are no followers");
    for (const { id } of [first, second]) cluster.isolate(id);
    fill(cluster, leader, { from: 0, count: 40 });
    const snapshots = cluster.snapshots(leader.id);
    const spoil = (): void => {
      for (const name of snapshots.list()) snapshots.damage(name, 200);
    };
    spoil();
    cluster.network.heal();
    cluster.isolate(second.id);
    cluster.until(() => first.status(0).applied_index === leader.status(0).applied_index);
    spoil();
    cluster.network.heal();
    expect(() => cluster.until(() => second.status(0).applied_index === leader.status(0).applied_index)).toThrow(
      "checksum mismatch",
    );
  });
});
