/** The WebSocket at /rpc: batches, errors, broken frames, slow clients. */
import { expect, test } from "bun:test";
import { parseNodeReport } from "../../src/client/node_status.ts";
import { RpcConnection } from "../../src/client/rpc_connection.ts";
import type { RpcOutcome } from "../../src/client/rpc_connection.ts";
import { assert } from "../../src/lib/assert.ts";
import { ByteReader } from "../../src/lib/byte_reader.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { systemClock } from "../../src/runtime/system_clock.ts";
import {
  decodeResponse,
  readGetAnswer,
  readResult,
  writeGet,
  writePut,
  writeRange,
  writeRequestHeader,
} from "../../src/wire/mod.ts";
import type { RpcRequest, RpcRequestHeader } from "../../src/wire/mod.ts";
import { deafSocket } from "./raw_client.ts";
import { until, withCluster } from "./service_cluster.ts";
import type { ClusterNode } from "./service_cluster.ts";

const utf8 = new TextEncoder();

type Request = Omit<RpcRequest, "requestId">;

function puts(keys: readonly string[], value = "v"): Request {
  const writer = new ByteWriter();
  for (const key of keys) writePut(writer, { key: utf8.encode(key), value: utf8.encode(value), ifRevision: null });
  return {
    kind: "write",
    consistency: "linearizable",
    hops: 0,
    group: 0,
    timeoutMs: 5000,
    count: keys.length,
    body: writer.take(),
  };
}

function gets(keys: readonly string[], consistency: Request["consistency"] = "linearizable"): Request {
  const writer = new ByteWriter();
  for (const key of keys) writeGet(writer, utf8.encode(key));
  return { kind: "read", consistency, hops: 0, group: 0, timeoutMs: 5000, count: keys.length, body: writer.take() };
}

function connect({ service }: ClusterNode): RpcConnection {
  return new RpcConnection({ endpoint: `127.0.0.1:${service.port}`, timers: systemClock, connectTimeoutMs: 5000 });
}

function ask(connection: RpcConnection, request: Request): Promise<RpcOutcome> {
  return new Promise((resolve) => {
    connection.request(request, resolve);
  });
}

function refusal(outcome: RpcOutcome): readonly unknown[] {
  assert(outcome.kind === "refused", `expected a refusal, not ${outcome.kind}`);
  const { code, applied, message } = outcome.error;
  return [outcome.response.status, code, applied, message];
}

async function withConnection(node: ClusterNode, use: (connection: RpcConnection) => Promise<void>): Promise<void> {
  const connection = connect(node);
  try {
    await use(connection);
  } finally {
    connection.close();
  }
}

/** A WebSocket without a client library: what it received, and how it was closed. */
async function rawSocket({
  service,
}: ClusterNode): Promise<{ socket: WebSocket; received: Uint8Array[]; closed: Promise<number> }> {
  const socket = new WebSocket(`ws://127.0.0.1:${service.port}/rpc`);
  socket.binaryType = "arraybuffer";
  const received: Uint8Array[] = [];
  socket.onmessage = (event: MessageEvent<ArrayBuffer>) => {
    received.push(new Uint8Array(event.data));
  };
  const closed = new Promise<number>((resolve) => {
    socket.onclose = ({ code }) => {
      resolve(code);
    };
  });
  await new Promise((resolve) => {
    socket.onopen = resolve;
  });
  return { socket, received, closed };
}

function frame(request: Request, header: Partial<RpcRequestHeader> = {}): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter();
  writeRequestHeader(writer, 7, { ...request, ...header });
  writer.bytes(request.body);
  return writer.take();
}

test("batches are written and read on any node, with one result for each command", () =>
  withCluster(3, async (cluster) => {
    await cluster.leader();
    for (const node of cluster.nodes) {
      await withConnection(node, async (connection) => {
        const written = await ask(connection, puts(["a", "b", "c"]));
        assert(written.kind === "done", "the write was not done");
        const results = new ByteReader(written.response.body);
        const revisions = [readResult(results), readResult(results), readResult(results)].map(
          ({ revision }) => revision,
        );
        expect(results.remaining).toBe(0);
        expect(revisions).toEqual([3 * node.id - 1, 3 * node.id, 3 * node.id + 1]);
        const read = await ask(connection, gets(["b", "missing"]));
        assert(read.kind === "done", "the read was not done");
        const answers = new ByteReader(read.response.body);
        expect(readGetAnswer(answers).state?.modRevision).toBe(3 * node.id);
        expect(readGetAnswer(answers).state).toBeNull();
        expect(read.response.leader).toBe((await cluster.leader()).id);
      });
    }
  }));

test("many requests are in flight on one connection, and each gets its own answer", () =>
  withCluster(3, async (cluster) => {
    await cluster.leader();
    await withConnection(await cluster.follower(), async (connection) => {
      const keys = Array.from({ length: 500 }, (_, i) => `key-${i}`);
      const outcomes = await Promise.all(keys.map((key) => ask(connection, puts([key], key))));
      expect(outcomes.every(({ kind }) => kind === "done")).toBe(true);
      const values = await Promise.all(
        keys.map(async (key, position) => {
          const outcome = await ask(connection, gets([key], position % 2 === 0 ? "lease" : "linearizable"));
          assert(outcome.kind === "done", "the read was not done");
          return new TextDecoder().decode(readGetAnswer(new ByteReader(outcome.response.body)).state?.value);
        }),
      );
      expect(values).toEqual(keys);
      expect(connection.inFlight).toBe(0);
    });
  }));

test("a request that breaks a rule is invalid, and the connection goes on", () =>
  withCluster(1, async (cluster) => {
    await cluster.leader();
    await withConnection(cluster.one, async (connection) => {
      const bad = async (request: Request): Promise<readonly unknown[]> => refusal(await ask(connection, request));
      expect(await bad({ ...puts(["k"]), group: 3 })).toEqual([
        "invalid",
        "INVALID_REQUEST",
        "no",
        "Cannot write: there is no group 3",
      ]);
      expect(await bad({ ...puts(["k"]), timeoutMs: 60_001 })).toEqual([
        "invalid",
        "INVALID_REQUEST",
        "no",
        "Cannot write: the timeout is 60001 ms, not from 1 to 60000",
      ]);
      expect(await bad({ ...gets(["k"]), count: 2 })).toEqual([
        "invalid",
        "INVALID_REQUEST",
        "no",
        "Cannot read: the request announces 2 and holds 1",
      ]);
      expect((await bad({ ...gets(["k"]), body: new Uint8Array(0) }))[3]).toBe(
        "Cannot read: the request holds no query",
      );
      expect((await bad({ ...puts(["k"]), body: Uint8Array.of(9, 0, 0, 0, 0, 0) }))[3]).toBe(
        "Cannot read command 1 of the request: kind 9, which is not known",
      );
      expect((await bad(puts(["k"], "v".repeat(1024 * 1024 + 1)))).slice(0, 3)).toEqual(["invalid", "TOO_LARGE", "no"]);
      const many = gets(Array.from({ length: 1025 }, () => "k"));
      expect((await bad(many))[3]).toBe("Cannot read: the request holds 1025 queries, the limit is 1024");
      expect((await ask(connection, puts(["k"]))).kind).toBe("done");
    });
  }));

test("a request that was handed on too often is not handed on again", () =>
  withCluster(3, async (cluster) => {
    await cluster.leader();
    const follower = await cluster.follower();
    await withConnection(follower, async (connection) => {
      expect((await ask(connection, { ...puts(["k"]), hops: 1 })).kind).toBe("done");
      expect(refusal(await ask(connection, { ...puts(["k"]), hops: 2 })).slice(0, 3)).toEqual([
        "notApplied",
        "TOO_MANY_HOPS",
        "no",
      ]);
      cluster.isolate(follower.id);
      await until(() => follower.node.view(0).leader === null);
      const startedAt = performance.now();
      // Only the node that was asked first waits for a leader.
      expect(refusal(await ask(connection, { ...puts(["k"]), hops: 1 })).slice(0, 3)).toEqual([
        "notApplied",
        "NO_LEADER",
        "no",
      ]);
      expect(performance.now() - startedAt).toBeLessThan(2000);
    });
  }));

test("a write whose fate is open is unknown", () =>
  withCluster(3, async (cluster) => {
    const leader = await cluster.leader();
    cluster.isolate(leader.id);
    await withConnection(leader, async (connection) => {
      const outcome = await ask(connection, { ...puts(["k"]), timeoutMs: 500 });
      // The node answers before the connection gives up, so this is what the node says.
      expect(refusal(outcome).slice(0, 3)).toEqual(["unknown", "OUTCOME_UNKNOWN", "unknown"]);
    });
  }));

test("what waits is bounded: the request beyond is OVERLOADED", () =>
  withCluster(
    3,
    async (cluster) => {
      await cluster.leader();
      const lone = await cluster.follower();
      cluster.isolate(lone.id);
      await until(() => lone.node.view(0).leader === null);
      await withConnection(lone, async (connection) => {
        const waiting = [ask(connection, puts(["a"])), ask(connection, puts(["b"]))];
        expect(refusal(await ask(connection, puts(["c"]))).slice(0, 3)).toEqual(["notApplied", "OVERLOADED", "no"]);
        cluster.network.heal();
        expect((await Promise.all(waiting)).map(({ kind }) => kind)).toEqual(["done", "done"]);
        expect((await ask(connection, puts(["c"]))).kind).toBe("done");
      });
    },
    { heldRequestsMax: 2 },
  ));

test("a node that stops answers all who wait", () =>
  withCluster(3, async (cluster) => {
    await cluster.leader();
    const lone = await cluster.follower();
    cluster.isolate(lone.id);
    await until(() => lone.node.view(0).leader === null);
    await withConnection(lone, async (connection) => {
      const waiting = ask(connection, puts(["k"]));
      await ask(connection, gets(["k"], "stale")); // answered in the order of arrival: now the write waits
      const stopped = lone.service.stop();
      expect(refusal(await waiting).slice(0, 3)).toEqual(["notApplied", "STOPPING", "no"]);
      await stopped;
      expect(["notSent", "lost"]).toContain((await ask(connection, puts(["k"]))).kind);
    });
  }));

test("a broken frame is answered where its id can be read, and ends the connection where not", () =>
  withCluster(1, async (cluster) => {
    await cluster.leader();
    const { socket, received, closed } = await rawSocket(cluster.one);
    const broken = frame(gets(["k"]));
    broken[0] = 9;
    socket.send(broken);
    await until(() => received.length === 1);
    const { status, requestId, body } = decodeResponse(received[0] ?? new Uint8Array(0));
    expect([status, requestId]).toEqual(["invalid", 7]);
    expect(new TextDecoder().decode(body)).toContain("Cannot read the frame: version 9, which is not known");
    socket.send(Uint8Array.of(1, 2, 3));
    expect(await closed).toBe(1007);
    expect(cluster.one.service.counters.framesCorrupt).toBe(2);
  }));

test("text and messages over the limit end the connection", () =>
  withCluster(
    1,
    async (cluster) => {
      const text = await rawSocket(cluster.one);
      text.socket.send("hello");
      expect(await text.closed).toBe(1003);
      const large = await rawSocket(cluster.one);
      large.socket.send(new Uint8Array(10_001));
      expect(await large.closed).toBe(1009);
    },
    { messageBytesMax: 10_000 },
  ));

test("frames that are damaged anywhere never harm the node", () =>
  withCluster(1, async (cluster) => {
    await cluster.leader();
    const random = seededRandom(42);
    const good = [frame(puts(["a", "b"])), frame(gets(["a"]))];
    for (let round = 0; round < 20; round++) {
      const { socket } = await rawSocket(cluster.one);
      for (let i = 0; i < 50 && socket.readyState === WebSocket.OPEN; i++) {
        const damaged = (good[i % 2] ?? new Uint8Array(0)).slice(0, random.integer(0, 60));
        for (let flips = random.integer(0, 3); flips > 0 && damaged.length > 0; flips--)
          damaged[random.integer(0, damaged.length - 1)] = random.integer(0, 255);
        socket.send(damaged);
      }
      socket.close();
    }
    await withConnection(cluster.one, async (connection) => {
      expect((await ask(connection, puts(["after"]))).kind).toBe("done");
    });
  }));

test("a client that asks and does not listen is dropped", () =>
  withCluster(
    1,
    async (cluster) => {
      await cluster.leader();
      await withConnection(cluster.one, async (connection) => {
        expect((await ask(connection, puts(["large"], "v".repeat(1024 * 1024)))).kind).toBe("done");
        const deaf = await deafSocket(cluster.one.service.port);
        await until(() => {
          deaf.send(frame(gets(["large"], "stale")));
          return cluster.one.service.counters.slowClientsClosed > 0;
        });
        deaf.destroy();
        expect((await ask(connection, puts(["after"]))).kind).toBe("done");
      });
    },
    { unreadBytesMax: 2 * 1024 * 1024 },
  ));

test("ranges are queries too", () =>
  withCluster(1, async (cluster) => {
    await cluster.leader();
    await withConnection(cluster.one, async (connection) => {
      await ask(connection, puts(["a", "b"]));
      const writer = new ByteWriter();
      writeRange(writer, { start: new Uint8Array(0), end: null, limit: null, keysOnly: true });
      expect((await ask(connection, { ...gets(["x"]), body: writer.take() })).kind).toBe("done");
    });
  }));

test("every node tells its status at once, with or without a leader, and takes no body with the question", () =>
  withCluster(3, async (cluster) => {
    const { id } = await cluster.leader();
    await withConnection(await cluster.follower(), async (connection) => {
      const question = { kind: "status", consistency: "stale", hops: 0, group: 0, timeoutMs: 5000, count: 0 } as const;
      const told = await ask(connection, { ...question, body: new Uint8Array() });
      assert(told.kind === "done", "the status was not told");
      expect(parseNodeReport(told.response.body)?.leader).toBe(id);
      for (const wrong of [{ count: 1 }, { body: new Uint8Array(1) }]) {
        const refused = refusal(await ask(connection, { ...question, body: new Uint8Array(), ...wrong }));
        expect(refused).toEqual(["invalid", "INVALID_REQUEST", "no", "Cannot tell the status: the request has a body"]);
      }
    });
  }));
