/** The real node in virtual time: requests, elections, crashes and what the waiting clients are told. */
import { describe, expect, test } from "bun:test";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { clusterIdBytes, writeFrame } from "../../src/wire/mod.ts";
import { clusterId, TestCluster, textOf } from "./cluster.ts";

test("three nodes elect one leader, and a put reaches all of them", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const put = cluster.put(leader, "a", "1");
  cluster.settle();
  expect(put.end?.kind).toBe("applied");
  cluster.until(() => cluster.nodes.every((node) => textOf(cluster.get(node, "a", "stale")) === "1"));
  expect(new Set(cluster.nodes.map((node) => node.status(0).state_hash)).size).toBe(1);
  expect(cluster.nodes.filter((node) => node.view(0).role === "leader").length).toBe(1);
});

test("a node alone commits again and applies again what it had before a restart (rule P15)", () => {
  const cluster = new TestCluster({ nodes: 1 });
  const put = cluster.put(cluster.leader(), "a", "1");
  cluster.settle();
  expect(put.end?.kind).toBe("applied");
  cluster.crash(1);
  cluster.start(1);
  expect(cluster.node(1).view(0).revision).toBe(1);
  const get = cluster.get(cluster.leader(), "a");
  cluster.settle();
  expect(textOf(get)).toBe("1");
});

test("a node alone acknowledges nothing before its disk has it (rule P2)", () => {
  const cluster = new TestCluster({ nodes: 1, autoComplete: false });
  cluster.until(() => {
    cluster.disk(1).completeAll();
    cluster.settle();
    return cluster.node(1).view(0).ready;
  });
  const put = cluster.put(cluster.node(1), "a", "1");
  cluster.advance(500);
  expect(put.end).toBeNull();
  cluster.disk(1).completeAll();
  cluster.settle();
  expect(put.end?.kind).toBe("applied");
});

test("few commands wait for company a moment while a proposal is under way, and longer while two are; many do not, nor what comes before a transfer", () => {
  const limits = { uncommittedProposalsMax: 2, batchBytesMin: 1000, writeCompanyMs: 2 };
  const cluster = new TestCluster({ nodes: 1, autoComplete: false, limits });
  cluster.until(() => {
    cluster.disk(1).completeAll();
    cluster.settle();
    return cluster.node(1).view(0).ready;
  });
  const leader = cluster.node(1);
  const before = leader.status(0).last_index;
  const entries = (): number => leader.status(0).last_index - before;
  const put = (value: string | Uint8Array) => {
    const writing = cluster.put(leader, "a", value);
    cluster.settle();
    return writing;
  };
  const puts = ["1", "2", "3"].map(put);
  expect(entries()).toBe(1);
  cluster.advance(1);
  puts.push(put("4"));
  expect(entries()).toBe(1);
  cluster.advance(1); // since the second came
  expect(entries()).toBe(2);
  puts.push(put("5"));
  cluster.advance(20);
  expect(entries()).toBe(2);
  puts.push(put(new Uint8Array(1000))); // with it goes all that waits
  expect(entries()).toBe(3);
  puts.push(put("6"));
  expect(entries()).toBe(3);
  leader.transferLeader(0, null, () => undefined);
  expect(entries()).toBe(4);
  puts.push(put("7"), put("8"));
  expect(entries()).toBe(4);
  cluster.disk(1).completeAll();
  cluster.settle();
  expect(entries()).toBe(4); // those who are answered could ask again
  cluster.advance(2);
  expect(entries()).toBe(5);
  cluster.disk(1).completeAll();
  cluster.settle();
  expect(puts.map(({ end }) => end?.kind)).toEqual(puts.map(() => "applied"));
});

test("all writes of a turn share one entry", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const before = leader.status(0).last_index;
  const puts = Array.from({ length: 100 }, (_, i) => cluster.put(leader, `k${i}`, "v"));
  cluster.settle();
  expect(puts.every((put) => put.end?.kind === "applied")).toBe(true);
  expect(leader.status(0).last_index).toBe(before + 1);
  const revisions = puts.map((put) => (put.end?.kind === "applied" ? put.end.result.revision : 0));
  expect(new Set(revisions).size).toBe(100);
});

test("a follower refuses writes and names the leader, and answers reads itself at a confirmed index (rule R3)", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const follower = cluster.follower();
  expect(cluster.put(follower, "a", "1").end).toEqual({ kind: "notApplied", reason: "notLeader", leader: leader.id });
  const put = cluster.put(leader, "a", "2");
  cluster.settle();
  expect(put.end?.kind).toBe("applied");
  const get = cluster.get(follower, "a");
  cluster.settle();
  cluster.advance(300);
  expect(textOf(get)).toBe("2");
});

test("a read whose index a node may never get to is refused once it hears no leader (rule R3)", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const follower = cluster.follower();
  const { term, appliedIndex } = leader.view(0);
  cluster.network.block(leader.id, follower.id);
  const get = cluster.get(follower, "a");
  cluster.put(leader, "a", "1");
  cluster.settle();
  const writer = new ByteWriter();
  const route = { group: 0, directory: leader.id, from: leader.id, to: follower.id, term };
  const answer = { kind: "ReadIndexResponse", ...route, request: 1, boot: follower.boot } as const;
  writeFrame(writer, { ...answer, index: appliedIndex + 1, lease: false }, clusterIdBytes(clusterId));
  cluster.network.inject(follower.id, writer.take()); // of all that the leader sends only this arrives
  cluster.settle();
  expect(get.end).toBe(null);
  cluster.isolate(follower.id);
  cluster.advance(2 * cluster.limits.electionTimeoutMs);
  expect(get.end).toEqual({ kind: "notApplied", reason: "noLeader", leader: null });
});

test("a leader answers reads from its lease without asking anybody, and a follower by one question (rule R4)", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const follower = cluster.follower();
  cluster.put(leader, "a", "1");
  cluster.advance(2 * cluster.limits.heartbeatMs);
  const sent = leader.status(0).transport.messagesSent;
  const get = cluster.get(leader, "a", "lease");
  const confirmed = cluster.get(follower, "a", "lease");
  cluster.settle();
  expect([textOf(get), textOf(confirmed)]).toEqual(["1", "1"]);
  expect(leader.status(0).transport.messagesSent).toBe(sent + 1); // the answer to the follower
});

describe("where many reads come at a time", () => {
  /** A leader that was last asked for three reads at once; `rounds` counts what it has sent to both followers since then. */
  function busy() {
    const cluster = new TestCluster({ nodes: 3, limits: { readCompanyMin: 3, readCompanyMs: 10, readRoundMs: 0 } });
    const leader = cluster.leader();
    cluster.put(leader, "a", "1");
    cluster.advance(2 * cluster.limits.heartbeatMs);
    for (let i = 0; i < 3; i++) cluster.get(leader, "a");
    cluster.settle();
    const sent = leader.status(0).transport.messagesSent;
    const rounds = (): number => (leader.status(0).transport.messagesSent - sent) / 2;
    const turn = (): void => void cluster.clock.runDeferred();
    return { cluster, leader, rounds, turn };
  }

  test("they wait as long as every turn brings more, and are confirmed together", () => {
    const { cluster, leader, rounds, turn } = busy();
    const gets = Array.from({ length: 4 }, () => {
      const get = cluster.get(leader, "a");
      turn();
      return get;
    });
    expect(rounds()).toBe(0);
    turn();
    expect(rounds()).toBe(1);
    cluster.settle();
    expect([rounds(), ...gets.map(textOf)]).toEqual([1, "1", "1", "1", "1"]);
  });

  test("but not for long, and those with a lease not at all", () => {
    const { cluster, leader, rounds, turn } = busy();
    const first = cluster.get(leader, "a");
    const leased = cluster.get(leader, "a", "lease");
    turn();
    expect([rounds(), first.end, textOf(leased)]).toEqual([0, null, "1"]);
    cluster.clock.advance(cluster.limits.readCompanyMs, () => undefined);
    const second = cluster.get(leader, "a");
    turn();
    expect(rounds()).toBe(1);
    cluster.settle();
    expect([rounds(), textOf(first), textOf(second)]).toEqual([1, "1", "1"]);
  });

  test("and few do not wait", () => {
    const { cluster, leader, rounds, turn } = busy();
    cluster.get(leader, "a");
    cluster.settle();
    cluster.get(leader, "a"); // the last round was for one
    turn();
    expect(rounds()).toBe(2);
  });

  test("none is forgotten when the node stops", () => {
    const { cluster, leader, turn } = busy();
    const get = cluster.get(leader, "a");
    turn();
    leader.stop();
    expect(get.end).toMatchObject({ kind: "notApplied", reason: "stopping" });
  });
});

test("a leader that is cut off answers no read once its lease has run out (rules R4 and R7)", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  cluster.advance(2 * cluster.limits.heartbeatMs);
  cluster.isolate(leader.id);
  const early = cluster.get(leader, "a", "lease");
  cluster.settle();
  expect(early.end?.kind).toBe("answered"); // nobody else can lead yet
  cluster.advance(cluster.limits.electionTimeoutMs / cluster.limits.clockRatioMax);
  const late = cluster.get(leader, "a", "lease");
  cluster.settle();
  expect(late.end).toBeNull();
  cluster.advance(cluster.limits.electionTimeoutMs);
  expect(late.end).toMatchObject({ kind: "notApplied" });
});

test("a leader that is cut off tells its clients that the outcome is unknown, and acknowledges nothing (rule E5)", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const old = cluster.leader();
  cluster.isolate(old.id);
  const put = cluster.put(old, "a", "lost");
  const get = cluster.get(old, "a");
  cluster.advance(2 * cluster.limits.electionTimeoutMs + 200);
  expect(old.view(0).role).not.toBe("leader");
  expect(get.end?.kind).toBe("notApplied");
  cluster.advance(cluster.limits.electionTimeoutMs);
  expect(put.end).toEqual({ kind: "unknown", reason: "leadershipLost" });
  cluster.until(() => cluster.nodes.some((node) => node !== old && node.view(0).role === "leader"));
});

test("a write whose place another entry takes is told that it was not applied (rule C3)", () => {
  const cluster = new TestCluster({ nodes: 3, limits: { electionTimeoutMs: 1000 } });
  const old = cluster.leader();
  cluster.isolate(old.id);
  const lost = cluster.put(old, "a", "lost");
  cluster.settle();
  const next = (): (typeof cluster.nodes)[number] | undefined =>
    cluster.nodes.find((node) => node !== old && node.view(0).role === "leader" && node.view(0).ready);
  // The others need at most two timeouts to elect; the old leader waits one more before it gives up on the write.
  cluster.until(() => next() !== undefined);
  const leader = next();
  if (leader === undefined) throw new Error("no leader");
  const kept = cluster.put(leader, "a", "kept");
  cluster.settle();
  cluster.network.heal();
  cluster.advance(400);
  expect(kept.end?.kind).toBe("applied");
  expect(lost.end === null || lost.end.kind !== "applied").toBe(true);
  cluster.until(() => lost.end !== null && textOf(cluster.get(old, "a", "stale")) === "kept");
  expect(["notApplied", "unknown"]).toContain(lost.end?.kind ?? "waiting");
});

test("leadership moves to the node that was asked for, and the writes under way are applied", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const target = cluster.follower();
  const put = cluster.put(leader, "a", "1");
  const ends: string[] = [];
  leader.transferLeader(0, target.id, (outcome) =>
    ends.push(outcome.kind === "transferred" ? `to ${outcome.leader}` : outcome.kind),
  );
  const queued = cluster.put(leader, "b", "2");
  cluster.settle();
  expect(ends).toEqual([`to ${target.id}`]);
  expect(put.end?.kind).toBe("applied");
  // What arrives during a transfer is not proposed: the client is told where to go, and that nothing happened.
  expect(queued.end).toMatchObject({ kind: "notApplied" });
  expect(cluster.leader()).toBe(target);
});

test("a transfer to itself, to a stranger, or from a follower is refused (rule T3)", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const follower = cluster.follower();
  const ends: unknown[] = [];
  leader.transferLeader(0, leader.id, (outcome) => ends.push(outcome));
  leader.transferLeader(0, 9, (outcome) => ends.push(outcome));
  follower.transferLeader(0, follower.id, (outcome) => ends.push(outcome));
  expect(ends).toEqual([
    { kind: "refused", reason: "alreadyLeader" },
    { kind: "refused", reason: "unknownNode" },
    { kind: "notApplied", reason: "notLeader", leader: leader.id },
  ]);
});

test("a transfer to a node that does not answer ends, and the leader goes on", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const target = cluster.follower();
  cluster.isolate(target.id);
  const before = cluster.put(leader, "a", "1");
  cluster.settle();
  expect(before.end?.kind).toBe("applied");
  const ends: string[] = [];
  leader.transferLeader(0, target.id, (outcome) => ends.push(outcome.kind));
  const during = cluster.put(leader, "b", "2");
  cluster.advance(2 * cluster.limits.electionTimeoutMs + 100);
  expect(ends).toEqual(["timedOut"]);
  expect(during.end?.kind).toBe("applied");
  expect(leader.view(0).role).toBe("leader");
});

test("beyond the limit of waiting bytes a write is refused at once (rule L12)", () => {
  const cluster = new TestCluster({
    nodes: 3,
    limits: { waitingBytesMax: 4096, payloadBytesMax: 1024, uncommittedBytesMax: 4096 },
  });
  const leader = cluster.leader();
  const puts = Array.from({ length: 8 }, () => cluster.put(leader, "a", new Uint8Array(1000)));
  expect(puts.filter((put) => put.end?.kind === "notApplied").length).toBe(4);
  cluster.settle();
  expect(puts.filter((put) => put.end?.kind === "applied").length).toBe(4);
});

test("beyond the limit of waiting writes one is refused at once, and taken again when there is room (rule L12)", () => {
  const cluster = new TestCluster({ nodes: 3, limits: { waitingWritesMax: 5 } });
  const leader = cluster.leader();
  const burst = (): unknown[] => {
    const puts = Array.from({ length: 8 }, (_, i) => cluster.put(leader, `k${i}`, "v"));
    const refused = puts.flatMap(({ end }) => (end === null ? [] : [end]));
    cluster.settle();
    expect(puts.filter((put) => put.end?.kind === "applied").length).toBe(5);
    return refused;
  };
  const refusal = { kind: "notApplied", reason: "overloaded", leader: leader.id };
  expect(burst()).toEqual([refusal, refusal, refusal]);
  expect(burst()).toEqual([refusal, refusal, refusal]);
});

test("writes that were proposed count as waiting until they are applied", () => {
  const cluster = new TestCluster({ nodes: 3, limits: { waitingWritesMax: 5 } });
  const leader = cluster.leader();
  for (const id of cluster.nodes.map((node) => node.id)) if (id !== leader.id) cluster.crash(id);
  const puts = Array.from({ length: 5 }, () => cluster.put(leader, "a", "1"));
  cluster.advance(10);
  expect(puts.map((put) => put.end)).toEqual([null, null, null, null, null]);
  expect(cluster.put(leader, "a", "1").end).toMatchObject({ kind: "notApplied", reason: "overloaded" });
});

test("reads are limited in number and in bytes", () => {
  for (const limits of [{ waitingReadsMax: 2 }, { waitingReadBytesMax: 10 }]) {
    const cluster = new TestCluster({ nodes: 3, limits });
    const leader = cluster.leader();
    for (let round = 0; round < 2; round++) {
      const gets = Array.from({ length: 5 }, () => cluster.get(leader, "a"));
      expect(gets.map((get) => get.end?.kind ?? null)).toEqual([null, null, "notApplied", "notApplied", "notApplied"]);
      cluster.settle();
      expect(gets.filter((get) => get.end?.kind === "answered").length).toBe(2);
    }
  }
});

test("every acknowledged write survives the crash of all nodes", () => {
  const cluster = new TestCluster({ nodes: 3, seed: 7 });
  const acknowledged: string[] = [];
  for (let round = 0; round < 10; round++) {
    const leader = cluster.leader();
    for (let i = 0; i < 20; i++) {
      const key = `r${round}k${i}`;
      const put = cluster.put(leader, key, key);
      if (i % 3 === 0) cluster.settle();
      if (put.end?.kind === "applied") acknowledged.push(key);
    }
    for (const id of [1, 2, 3]) cluster.crash(id);
    for (const id of [1, 2, 3]) cluster.start(id);
  }
  const leader = cluster.leader();
  expect(acknowledged.length).toBeGreaterThan(50);
  for (const key of acknowledged) {
    const get = cluster.get(leader, key);
    cluster.settle();
    expect(textOf(get)).toBe(key);
  }
});

test("a node that stops tells all who wait", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  cluster.isolate(leader.id);
  const proposed = cluster.put(leader, "a", "1");
  cluster.settle();
  const queued = cluster.put(leader, "b", "2");
  const read = cluster.get(leader, "a");
  leader.stop();
  expect(proposed.end).toEqual({ kind: "unknown", reason: "stopping" });
  expect(queued.end).toMatchObject({ kind: "notApplied", reason: "stopping" });
  expect(read.end).toMatchObject({ kind: "notApplied", reason: "stopping" });
  expect(cluster.put(leader, "c", "3").end).toMatchObject({ kind: "notApplied", reason: "stopping" });
});
