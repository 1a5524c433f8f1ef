/** The client library before real nodes: what it returns, what shares a frame, and how it follows the leader. */
import { expect, test } from "bun:test";
import { assert } from "../../src/lib/assert.ts";
import { connect, NotAppliedError, UnknownOutcomeError } from "../../src/mod.ts";
import type { Client, ConnectOptions } from "../../src/mod.ts";
import { ByteReader } from "../../src/lib/byte_reader.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { CommandCursor, decodeOnce, writeResponseHeader, writeResult } from "../../src/wire/mod.ts";
import { freePort } from "../helpers/free_port.ts";
import { until, withCluster } from "../api/service_cluster.ts";
import type { ClusterNode, ServiceCluster } from "../api/service_cluster.ts";
import { StubServer } from "../api/stub_server.ts";
import type { Behaviour } from "../api/stub_server.ts";

const endpointOf = ({ service }: ClusterNode): string => `127.0.0.1:${service.port}`;

async function withClient(
  cluster: ServiceCluster,
  use: (client: Client) => Promise<void>,
  options: ConnectOptions = {},
): Promise<void> {
  await cluster.leader();
  using client = connect({ endpoints: cluster.nodes.map(endpointOf), timeoutMs: 10_000, ...options });
  await use(client);
}

/** What `promise` rejects with; fails where it does not. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not reject");
}

async function notApplied(promise: Promise<unknown>): Promise<NotAppliedError> {
  const error = await rejection(promise);
  assert(error instanceof NotAppliedError, `expected a NotAppliedError, not ${String(error)}`);
  return error;
}

async function unknown(promise: Promise<unknown>): Promise<UnknownOutcomeError> {
  const error = await rejection(promise);
  assert(error instanceof UnknownOutcomeError, `expected an UnknownOutcomeError, not ${String(error)}`);
  return error;
}

/** How many commands a request stands for, whether it has an id or not. */
function commandCount(commands: Uint8Array): number {
  let count = 0;
  for (const command = new CommandCursor(commands); command.next(); count++) {
    if (command.kind === "once") return commandCount(decodeOnce(command.body()).commands);
  }
  return count;
}

/** The number of commands and queries in each request that reaches the node. */
function spyOn({ node }: ClusterNode): { readonly writes: number[]; readonly reads: number[] } {
  const seen = { writes: [] as number[], reads: [] as number[] };
  const write = node.write.bind(node);
  const read = node.read.bind(node);
  node.write = (group, request, done) => {
    seen.writes.push(commandCount(request.commands));
    write(group, request, done);
  };
  node.read = (group, request, done) => {
    seen.reads.push(request.count);
    read(group, request, done);
  };
  return seen;
}

test("values, conditions and ranges come back as they are", () =>
  withCluster(1, (cluster) =>
    withClient(cluster, async (client) => {
      expect(await client.get("a")).toBeNull();
      expect(await client.put("a", "1", { ifAbsent: true })).toEqual({ ok: true, revision: 2 });
      expect(await client.put("a", "2", { ifAbsent: true })).toEqual({ ok: false, revision: 2, modRevision: 2 });
      expect(await client.put("a", "2", { ifRevision: 2 })).toEqual({ ok: true, revision: 3 });
      expect(await client.put("a", "3", { ifRevision: 2 })).toEqual({ ok: false, revision: 3, modRevision: 3 });
      const found = await client.get("a");
      assert(found !== null, "the key exists");
      expect([found.keyText, found.text, found.createRevision, found.modRevision, found.version, found.lease]).toEqual([
        "a",
        "2",
        2,
        3,
        2,
        0,
      ]);
      await client.put(Uint8Array.of(0xff, 0), Uint8Array.of(0xfe));
      const bytes = await client.get(Uint8Array.of(0xff, 0), { consistency: "stale" });
      expect([...(bytes?.value ?? [])]).toEqual([0xfe]);
      expect(() => bytes?.text).toThrow("Cannot read the value as text: it is not UTF-8");
      await client.put("b", '{"x":1}');
      expect((await client.get("b"))?.json()).toEqual({ x: 1 });
      const page = await client.range({ start: "a", end: "c" }, { limit: 1, keysOnly: true });
      expect([page.revision, page.items.map((item) => [item.keyText, item.text]), page.next]).toEqual([
        5,
        [["a", ""]],
        new TextEncoder().encode("a\0"),
      ]);
      const all: number[][] = [];
      for await (const { key } of client.scan({}, { limit: 2 })) all.push([...key]);
      expect(all).toEqual([[97], [98], [0xff, 0]]);
      expect(await client.delete("b", { ifRevision: 4 })).toEqual({ ok: false, revision: 5, modRevision: 5 });
      expect(await client.delete("b")).toEqual({ ok: true, revision: 6, deleted: 1 });
      expect(await client.delete("b")).toEqual({ ok: true, revision: 6, deleted: 0 });
      expect(await client.deleteRange({ prefix: Uint8Array.of(0xff) })).toEqual({ ok: true, revision: 7, deleted: 1 });
    }),
  ));

test("the versions of a key come in pages, and a lease is enough to read", () =>
  withCluster(1, (cluster) =>
    withClient(cluster, async (client) => {
      await client.put("a", "1");
      await client.put("a", "2");
      await client.delete("a");
      const page = await client.history("a", { limit: 2 });
      expect([page.revision, page.compactedRevision, page.below]).toEqual([4, 1, 3]);
      expect(page.versions.map(({ revision, item }) => [revision, item?.text])).toEqual([
        [4, undefined],
        [3, "2"],
      ]);
      const rest = await client.history("a", { below: 3, consistency: "lease" });
      expect([rest.below, rest.versions.map(({ item }) => item?.version)]).toEqual([null, [1]]);
      expect((await client.get("a", { revision: 3, consistency: "lease" }))?.text).toBe("2");
      expect((await notApplied(client.history("a", { limit: -1 }))).code).toBe("INVALID_REQUEST");
    }),
  ));

test("a transaction does one of its branches in one revision", () =>
  withCluster(1, (cluster) =>
    withClient(cluster, async (client) => {
      await client.put("a", "1");
      const done = await client.txn({
        if: [
          { key: "a", value: "1" },
          { key: "b", exists: false },
          { key: "a", version: 2, is: "<" },
        ],
        then: [{ put: "b", value: "2" }, { put: "c", value: "3" }, { delete: "a" }, { get: "b" }, { range: {} }],
        else: [{ get: "a" }],
      });
      expect([done.succeeded, done.revision]).toEqual([true, 3]);
      const [b, c, a, read, page] = done.results;
      expect([b, c, a]).toEqual([
        { kind: "put", modRevision: 3 },
        { kind: "put", modRevision: 3 },
        { kind: "delete", deleted: 1 },
      ]);
      expect(read?.kind === "get" && read.item?.text).toBe("2");
      expect(page?.kind === "range" && page.page.items.map(({ keyText }) => keyText)).toEqual(["b", "c"]);
      const other = await client.txn({
        if: [{ key: "b", modRevision: 4 }],
        else: [{ deleteRange: { prefix: "b" } }, { get: "a" }],
      });
      expect(other).toEqual({
        succeeded: false,
        revision: 4,
        results: [
          { kind: "delete", deleted: 1 },
          { kind: "get", item: null },
        ],
      });
      const many = { then: Array.from({ length: 129 }, (_, i) => ({ get: `${i}` })) };
      expect((await notApplied(client.txn(many))).code).toBe("TOO_LARGE");
    }),
  ));

test("the calls of one tick travel in one frame, and what one of them gets wrong is its own affair", () =>
  withCluster(
    1,
    (cluster) =>
      withClient(cluster, async (client) => {
        const seen = spyOn(cluster.one);
        const keys = Array.from({ length: 300 }, (_, i) => `key-${i}`);
        const written = await Promise.all(keys.map((key) => client.put(key, key)));
        expect(seen.writes).toEqual([300]);
        expect(written.map(({ revision }) => revision)).toEqual(keys.map((_, i) => i + 2));
        const read = await Promise.all(keys.map((key) => client.get(key)));
        expect(seen.reads).toEqual([300]);
        expect(read.map((found) => found?.text)).toEqual(keys);

        const [first, tooLarge, last] = await Promise.allSettled([
          client.put("first", "1"),
          client.put("large", "v".repeat(11)),
          client.put("last", "2"),
        ]);
        expect([first.status, last.status]).toEqual(["fulfilled", "fulfilled"]);
        assert(tooLarge.status === "rejected", "the value is over the limit of the node");
        assert(tooLarge.reason instanceof NotAppliedError, "it did not happen");
        expect(tooLarge.reason.code).toBe("TOO_LARGE");
      }),
    { valueBytesMax: 10 },
  ));

test(
  "reads whose answers are too much together are answered in portions",
  () =>
    withCluster(1, (cluster) =>
      withClient(cluster, async (client) => {
        await client.put("big", new Uint8Array(1024 * 1024));
        const read = await Promise.all(Array.from({ length: 70 }, () => client.get("big", { timeoutMs: 60_000 })));
        expect(read.every((found) => found?.value.length === 1024 * 1024)).toBe(true);
      }),
    ),
  60_000,
);

test("what no node would take is refused before it travels", async () => {
  using client = connect({ endpoints: ["127.0.0.1:1"] });
  for (const [call, code, message] of [
    [client.put("", "v"), "INVALID_REQUEST", "Cannot put: the key is empty"],
    [client.get("k".repeat(8193)), "TOO_LARGE", "Cannot get: the key has 8193 bytes, the limit is 8192"],
    [client.range({}, { limit: 0 }), "INVALID_REQUEST", "Cannot read: the limit is 0, not a whole number from 1"],
    [client.put("k", "v", { ifRevision: -1 }), "INVALID_REQUEST", "Cannot write: ifRevision is -1, not a revision"],
    [client.get("k", { timeoutMs: 0 }), "INVALID_REQUEST", "Cannot wait for 0 ms: a timeout is positive"],
  ] as const) {
    const error = await notApplied(call);
    expect([error.code, error.message]).toEqual([code, message]);
  }
  expect(() => connect({ endpoints: ["nowhere"] })).toThrow('Cannot connect: the endpoint "nowhere" is not host:port');
  expect(() => connect({ endpoints: [] })).toThrow(NotAppliedError);
});

test("one endpoint is enough to find the leader, and its death to find the next one", () =>
  withCluster(3, async (cluster) => {
    const leader = await cluster.leader();
    const follower = await cluster.follower();
    await withClient(
      cluster,
      async (client) => {
        const seen = spyOn(leader);
        await client.put("a", "1");
        expect(seen.writes).toEqual([1]);
        const seenBefore = spyOn(follower);
        await client.get("a");
        expect(seenBefore.reads).toEqual([]); // it went to the leader itself
        leader.node.stop();
        await leader.service.stop();
        expect((await client.get("a", { timeoutMs: 30_000 }))?.text).toBe("1");
        expect((await client.put("b", "2")).ok).toBe(true);
        expect((await client.get("b"))?.text).toBe("2");
      },
      { endpoints: [endpointOf(follower)] },
    );
  }));

test("after a transfer the client moves to the new leader by itself", () =>
  withCluster(3, (cluster) =>
    withClient(cluster, async (client) => {
      const old = await cluster.leader();
      await client.put("a", "1");
      const to = cluster.nodes.find(({ id }) => id !== old.id);
      assert(to !== undefined, "there are three nodes");
      old.node.transferLeader(0, to.id, () => undefined);
      await until(() => to.node.view(0).ready && to.node.view(0).role === "leader");
      const seen = spyOn(to);
      for (let i = 0; seen.reads.length === 0; i++) {
        assert(i < 1000, "the client never moved");
        await client.get("a");
      }
      expect((await client.get("a"))?.text).toBe("1");
    }),
  ));

test("nobody there, nobody leading, and a minority: not applied, with what was tried", async () => {
  const endpoint = `127.0.0.1:${await freePort()}`;
  using nobody = connect({ endpoints: [endpoint], timeoutMs: 200 });
  const unreachable = await notApplied(nobody.put("a", "1"));
  expect([unreachable.code, unreachable.tried]).toEqual(["UNREACHABLE", [`${endpoint}: no connection`]]);
  await withCluster(3, async (cluster) => {
    const { id } = await cluster.follower();
    cluster.isolate(id);
    await until(() => cluster.at(id).node.view(0).leader === null);
    using client = connect({ endpoints: [endpointOf(cluster.at(id))], timeoutMs: 10_000 });
    // It learns from the node where the others are.
    expect((await client.put("a", "1")).ok).toBe(true);
    for (const other of cluster.nodes) cluster.isolate(other.id);
    await until(() => cluster.nodes.every(({ node }) => node.view(0).leader === null));
    const refused = await notApplied(client.put("b", "2", { timeoutMs: 1500 }));
    expect(refused.code).toBe("NO_LEADER");
  });
});

/** Answers puts as a node does. */
const answerPut: Behaviour = (socket, { requestId, count }) => {
  const writer = new ByteWriter();
  writeResponseHeader(writer, { status: "ok", requestId, leader: 1, term: 1, revision: 2, appliedIndex: 1 });
  for (let i = 0; i < count; i++) writeResult(writer, { status: "ok", revision: 2, modRevision: 2, changed: 1 });
  socket.send(writer.take());
};

async function withStub(
  behaviour: Behaviour,
  use: (client: Client, server: StubServer) => Promise<void>,
): Promise<void> {
  const server = new StubServer(behaviour);
  try {
    using client = connect({ endpoints: [server.endpoint], repeatUnknown: false });
    await use(client, server);
  } finally {
    await server.server.stop();
  }
}

test("a write without an id whose answer is lost is unknown, and never sent again", () =>
  withStub(
    (socket) => {
      socket.close(1011, "gone");
    },
    async (client, server) => {
      const error = await unknown(client.put("a", "1"));
      expect([error.code, error.applied, error.exit]).toEqual(["OUTCOME_UNKNOWN", "unknown", 4]);
      expect(server.requests.length).toBe(1);
    },
  ));

test("a read whose answer is lost is asked again", () => {
  let asked = 0;
  return withStub(
    (socket, request) => {
      if (++asked < 3) socket.close(1011, "gone");
      else {
        const writer = new ByteWriter();
        const { requestId } = request;
        writeResponseHeader(writer, { status: "ok", requestId, leader: 1, term: 1, revision: 2, appliedIndex: 1 });
        writer.u32(9);
        writer.u8(1);
        writer.u53(2);
        socket.send(writer.take());
      }
    },
    async (client) => {
      expect(await client.get("a")).toBeNull();
      expect(asked).toBe(3);
    },
  );
});

test("a signal ends a call: with its reason before it is sent, as unknown afterwards", () =>
  withStub(
    () => undefined,
    async (client, server) => {
      const early = new AbortController();
      const aborted = client.put("a", "1", { signal: early.signal });
      early.abort(new Error("changed my mind"));
      expect(String(await rejection(aborted))).toBe("Error: changed my mind");
      expect(String(await rejection(client.get("a", { signal: early.signal })))).toBe("Error: changed my mind");

      const late = new AbortController();
      const sent = client.put("b", "2", { signal: late.signal });
      await until(() => server.requests.length === 1);
      // What was aborted before it left did not leave.
      expect(server.requests[0]?.count).toBe(1);
      late.abort(new Error("too long"));
      expect(String((await unknown(sent)).cause)).toBe("Error: too long");
      expect((await unknown(client.put("c", "3", { timeoutMs: 20 }))).tried).toEqual(["no answer in time"]);
    },
  ));

test("a node that is slow to tell its status is waited for longer and longer", () =>
  withStub(answerPut, async (client, server) => {
    server.statusMs = 1000;
    expect((await client.put("a", "1")).revision).toBe(2);
  }));

test("a closed client has ended all calls", () =>
  withStub(answerPut, async (client, server) => {
    expect((await client.put("a", "1")).revision).toBe(2);
    server.requests.length = 0;
    const waiting = notApplied(client.put("b", "2"));
    client.close();
    expect((await waiting).message).toBe("Cannot put b: the client was closed");
    expect((await notApplied(client.put("c", "3"))).code).toBe("STOPPING");
    expect(server.requests.length).toBe(0);
  }));

test("a damaged answer leaves a write unknown", () =>
  withStub(
    (socket, { requestId }) => {
      const writer = new ByteWriter();
      writeResponseHeader(writer, { status: "ok", requestId, leader: 1, term: 1, revision: 2, appliedIndex: 1 });
      writer.u8(9);
      expect(new ByteReader(writer.peek()).remaining).toBeGreaterThan(0);
      socket.send(writer.take());
    },
    async (client) => {
      expect((await unknown(client.put("a", "1"))).code).toBe("INTERNAL");
    },
  ));
