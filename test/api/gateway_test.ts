/** The gateway alone, before real nodes on a clock that stands still: what is held, tried again, and told at the deadline. */
import { expect, test } from "bun:test";
import { Gateway } from "../../src/api/gateway.ts";
import type { ServiceOutcome, ServiceRequest } from "../../src/api/gateway.ts";
import { defaultServiceLimits } from "../../src/api/limits.ts";
import type { ServiceLimits } from "../../src/api/limits.ts";
import { ByteReader } from "../../src/lib/byte_reader.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import type { ProaError } from "../../src/lib/errors.ts";
import { readGetAnswer, readResult, writeGet, writePut } from "../../src/wire/mod.ts";
import { TestCluster } from "../node/cluster.ts";

const key = new TextEncoder().encode("key");

function put(timeoutMs: number, hops = 0): ServiceRequest {
  const writer = new ByteWriter();
  writePut(writer, { key, value: key, ifRevision: null });
  return { kind: "write", consistency: "linearizable", hops, group: 0, timeoutMs, count: 1, body: writer.take() };
}

function get(timeoutMs: number): ServiceRequest {
  const writer = new ByteWriter();
  writeGet(writer, key);
  return { kind: "read", consistency: "linearizable", hops: 0, group: 0, timeoutMs, count: 1, body: writer.take() };
}

/** How requests ended, in words: the revision of a write, the version of a read, or the code of the error. */
class Ends {
  readonly list: string[] = [];

  write = (outcome: ServiceOutcome): void => {
    this.list.push(
      outcome.kind === "done" ? `revision ${readResult(new ByteReader(outcome.body)).revision}` : outcome.error.code,
    );
  };

  read = (outcome: ServiceOutcome): void => {
    this.list.push(
      outcome.kind === "done"
        ? `version ${readGetAnswer(new ByteReader(outcome.body)).state?.version ?? 0}`
        : outcome.error.code,
    );
  };
}

function gatewayOf(cluster: TestCluster, id: number, limits: Partial<ServiceLimits> = {}): Gateway {
  return new Gateway({ node: cluster.node(id), clock: cluster.clock, limits: { ...defaultServiceLimits, ...limits } });
}

test("a leader writes and reads at once", () => {
  const cluster = new TestCluster({ nodes: 1 });
  const gateway = gatewayOf(cluster, cluster.leader().id);
  const ends = new Ends();
  gateway.submit(put(5000), ends.write);
  cluster.settle();
  gateway.submit(get(5000), ends.read);
  cluster.settle();
  expect(ends.list).toEqual(["revision 2", "version 1"]);
});

test("what comes before the first election is held and then runs once, in order", () => {
  const cluster = new TestCluster({ nodes: 1 });
  const gateway = gatewayOf(cluster, 1);
  const ends = new Ends();
  for (let i = 0; i < 3; i++) gateway.submit(put(5000), ends.write);
  cluster.settle();
  expect(ends.list).toEqual([]);
  cluster.leader();
  cluster.advance(1000);
  expect(ends.list).toEqual(["revision 2", "revision 3", "revision 4"]);
  cluster.advance(10_000);
  expect(cluster.node(1).view(0).revision).toBe(4);
});

test("a change of leader is enough for another try", () => {
  const cluster = new TestCluster({ nodes: 1 });
  const gateway = gatewayOf(cluster, 1, { retryMs: 1_000_000 });
  const ends = new Ends();
  gateway.submit(put(50_000), ends.write);
  cluster.leader();
  cluster.settle();
  expect(ends.list).toEqual(["revision 2"]);
});

test("a held write ends at its deadline as not applied, and never runs later", () => {
  const cluster = new TestCluster({ nodes: 3 });
  cluster.leader();
  cluster.network.block(1, 2);
  cluster.network.block(2, 1);
  cluster.network.block(1, 3);
  cluster.network.block(3, 1);
  const node = cluster.node(1);
  cluster.until(() => node.view(0).leader === null);
  const gateway = gatewayOf(cluster, 1);
  const ends = new Ends();
  gateway.submit(put(1000), ends.write);
  cluster.advance(949);
  expect(ends.list).toEqual([]);
  cluster.advance(2); // 50 ms before the client gives up
  expect(ends.list).toEqual(["NO_LEADER"]);
  cluster.network.heal();
  cluster.leader();
  cluster.advance(5000);
  expect(node.view(0).revision).toBe(1);
});

test("a proposed write without a majority is unknown at its deadline, and a late answer is not given twice", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const gateway = gatewayOf(cluster, leader.id);
  const ends = new Ends();
  for (const id of [1, 2, 3]) {
    cluster.network.block(leader.id, id);
    cluster.network.block(id, leader.id);
  }
  gateway.submit(put(200), ends.write);
  gateway.submit(get(200), ends.read);
  cluster.advance(200);
  expect(ends.list).toEqual(["OUTCOME_UNKNOWN", "NO_QUORUM"]);
  cluster.network.heal();
  cluster.advance(5000);
  expect(ends.list).toEqual(["OUTCOME_UNKNOWN", "NO_QUORUM"]);
});

test("a follower that the leader does not answer says so", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const id = leader.id === 1 ? 2 : 1;
  const gateway = gatewayOf(cluster, id);
  const ends = new Ends();
  cluster.network.block(leader.id, id);
  gateway.submit(get(200), ends.read);
  cluster.advance(200);
  expect(ends.list).toEqual(["READ_TIMEOUT"]);
});

test("held requests and their bytes are bounded, and room comes back", () => {
  const cluster = new TestCluster({ nodes: 1 });
  const { length } = put(1).body;
  for (const limits of [{ heldRequestsMax: 2 }, { heldBytesMax: 2 * length }]) {
    const gateway = gatewayOf(cluster, 1, limits);
    const ends = new Ends();
    for (let i = 0; i < 3; i++) gateway.submit(put(100), ends.write);
    expect(ends.list).toEqual(["OVERLOADED"]);
    cluster.advance(100);
    expect(ends.list).toEqual(["OVERLOADED", "NO_LEADER", "NO_LEADER"]);
    gateway.submit(put(100), ends.write);
    expect(ends.list.length).toBe(3);
    gateway.stop();
    expect(ends.list[3]).toBe("STOPPING");
  }
});

test("a node that is not asked first gives back what it cannot do", () => {
  const cluster = new TestCluster({ nodes: 1 });
  const gateway = gatewayOf(cluster, 1);
  const ends = new Ends();
  gateway.submit(put(5000, 1), ends.write);
  expect(ends.list).toEqual(["NO_LEADER"]);
});

test("stopping ends everything, and takes nothing in", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const gateway = gatewayOf(cluster, leader.id);
  const ends = new Ends();
  gateway.submit(put(5000), ends.write);
  gateway.submit(get(5000), ends.read);
  gateway.stop();
  expect(ends.list).toEqual(["OUTCOME_UNKNOWN", "STOPPING"]);
  gateway.submit(put(5000), ends.write);
  expect(ends.list).toEqual(["OUTCOME_UNKNOWN", "STOPPING", "STOPPING"]);
  cluster.advance(10_000);
  expect(ends.list.length).toBe(3);
});

test("M11 a node that has left answers nothing and holds nothing, and says who may know more", () => {
  for (const leaves of ["leader", "follower"] as const) {
    const cluster = new TestCluster({ nodes: 3 });
    const leader = cluster.leader();
    const node = leaves === "leader" ? leader : cluster.follower();
    const others = [1, 2, 3].filter((id) => id !== node.id);
    const gateway = gatewayOf(cluster, node.id);
    const removal = cluster.change(leader, { kind: "remove", id: node.id });
    cluster.until(() => node.view(0).removed && node.view(0).role === "follower");
    expect(removal.end?.kind).toBe("changed");
    const errors: ProaError[] = [];
    const keep = (outcome: ServiceOutcome): void => {
      if (outcome.kind === "failed") errors.push(outcome.error);
    };
    gateway.submit(put(5000), keep);
    gateway.submit(get(5000), keep);
    cluster.settle();
    expect(errors.map(({ code, applied }) => `${code} ${applied}`)).toEqual(["REMOVED no", "REMOVED no"]);
    for (const { hint } of errors) expect(hint).toBe(`ask ${others.map((id) => `127.0.0.1:${5000 + id}`).join()}`);
    cluster.advance(10_000);
    expect(cluster.leader().view(0).revision).toBe(1);
  }
});

test("M11 what waits at a node that is being removed is told, too", () => {
  const cluster = new TestCluster({ nodes: 3 });
  const leader = cluster.leader();
  const { id } = cluster.follower();
  const node = cluster.node(id);
  cluster.isolate(id);
  cluster.until(() => node.view(0).leader === null);
  const gateway = gatewayOf(cluster, id);
  const ends = new Ends();
  gateway.submit(put(60_000), ends.write);
  gateway.submit(get(60_000), ends.read);
  const removal = cluster.change(leader, { kind: "remove", id });
  cluster.until(() => removal.end !== null);
  expect(ends.list).toEqual([]);
  cluster.network.heal();
  cluster.until(() => node.view(0).removed);
  cluster.settle();
  expect(ends.list).toEqual(["REMOVED", "REMOVED"]);
});
