/** The routes about the node and its cluster, and requests that a node hands on or holds. */
import { expect, test } from "bun:test";
import { expectFields } from "./expect_fields.ts";
import { errorOf, until, withCluster } from "./service_cluster.ts";
import type { ClusterNode } from "./service_cluster.ts";

function put({ url }: ClusterNode, key: string, value: string, timeoutMs = 5000): Promise<Response> {
  return fetch(`${url}/v1/kv/${key}`, {
    method: "PUT",
    body: value,
    headers: { "X-Proa-Timeout-Ms": String(timeoutMs) },
  });
}

function get({ url }: ClusterNode, key: string, query = "", timeoutMs = 5000): Promise<Response> {
  return fetch(`${url}/v1/kv/${key}${query}`, { headers: { "X-Proa-Timeout-Ms": String(timeoutMs) } });
}

function transfer({ url }: ClusterNode, body: string): Promise<Response> {
  return fetch(`${url}/v1/leader/transfer`, { method: "POST", body });
}

test("status, livez and readyz answer without waiting", () =>
  withCluster(3, async (cluster) => {
    const early = await fetch(`${cluster.one.url}/readyz`);
    expect(early.status).toBe(503);
    expect(early.headers.get("retry-after")).toBe("1");
    expect(await early.json()).toEqual({ ok: false, reasons: ["no leader is known"] });
    expect(await (await fetch(`${cluster.one.url}/livez`)).json()).toEqual({ ok: true });
    await cluster.leader();
    const ready = await fetch(`${cluster.one.url}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toEqual({ ok: true });
    expectFields(await (await fetch(`${cluster.one.url}/api/status`)).json(), {
      node_id: 1,
      cluster: "test",
      revision: 1,
      key_count: 0,
    });
  }));

test("unknown routes and methods say what there is", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    const nowhere = await fetch(`${url}/v1/keys`);
    expect(nowhere.status).toBe(404);
    const refusal = await errorOf(nowhere);
    expectFields(refusal, { code: "INVALID_REQUEST", message: "Cannot serve /v1/keys: there is no such route" });
    for (const route of ["/v1/kv/{key}", "/v1/kv", "/v1/batch", "/v1/leader/transfer", "/api/status", "/livez", "/rpc"])
      expect(refusal["hint"]).toContain(route);
    for (const [path, method, allow] of [
      ["/v1/kv/k", "POST", "GET, PUT, DELETE, HEAD"],
      ["/v1/kv", "PATCH", "GET, PUT, DELETE, HEAD"],
      ["/livez", "DELETE", "GET, HEAD"],
      ["/v1/leader/transfer", "GET", "POST"],
    ] as const) {
      const response = await fetch(`${url}${path}`, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe(allow);
      expectFields(await errorOf(response), { code: "INVALID_REQUEST", hint: `use ${allow}` });
    }
    const handshake = await fetch(`${url}/rpc`);
    expect(handshake.status).toBe(400);
    expectFields(await errorOf(handshake), { message: "Cannot open /rpc: the request is not a WebSocket handshake" });
  }));

test("HEAD answers as GET without the body", () =>
  withCluster(1, async (cluster) => {
    await cluster.leader();
    await put(cluster.one, "k", "12345");
    const head = await fetch(`${cluster.one.url}/v1/kv/k`, { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(head.headers.get("content-length")).toBe("5");
    expect(head.headers.get("etag")).toBe('"2"');
    expect(await head.text()).toBe("");
    expect((await fetch(`${cluster.one.url}/v1/kv/missing`, { method: "HEAD" })).status).toBe(404);
    expect((await fetch(`${cluster.one.url}/livez`, { method: "HEAD" })).status).toBe(200);
    expect((await fetch(`${cluster.one.url}/v1/leader/transfer`, { method: "HEAD" })).status).toBe(405);
  }));

test("any node takes a write and a linearizable read", () =>
  withCluster(3, async (cluster) => {
    await cluster.leader();
    for (const node of cluster.nodes) {
      const written = await put(node, `from-${node.id}`, "v");
      expect(written.status).toBe(200);
      expectFields(await written.json(), { revision: node.id + 1 });
      for (const reader of cluster.nodes) {
        for (const query of ["", "?consistency=lease"]) {
          expect(await (await get(reader, `from-${node.id}`, query)).text()).toBe("v");
        }
      }
    }
    expectFields(
      await errorOf(
        await fetch(`${(await cluster.follower()).url}/v1/kv/from-1`, {
          method: "PUT",
          body: "v",
          headers: { "If-Match": '"9"' },
        }),
      ),
      {
        code: "PRECONDITION_FAILED",
        revision: 2,
      },
    );
  }));

test("a request that comes before the first election waits for it", () =>
  withCluster(3, async (cluster) => {
    const answers = await Promise.all(
      cluster.nodes.flatMap((node) => [put(node, `early-${node.id}`, "v"), get(node, "nothing")]),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 200, 404, 200, 404]);
    await until(() => cluster.nodes.every(({ node }) => node.view(0).revision === 4));
  }));

test("without a leader nothing is applied, and the answer comes before the time is up", () =>
  withCluster(3, async (cluster) => {
    await cluster.leader();
    const lone = await cluster.follower();
    cluster.isolate(lone.id);
    await until(() => lone.node.view(0).leader === null);
    const write = await put(lone, "k", "v", 500);
    expect(write.status).toBe(503);
    expect(write.headers.get("retry-after")).toBe("1");
    const error = await errorOf(write);
    expectFields(error, { code: "NO_LEADER", exit: 3, applied: "no" });
    expect(error["message"]).toMatch(/^Cannot write: no leader was found within \d+ ms$/);
    expectFields(await errorOf(await get(lone, "k", "", 200)), { code: "NO_LEADER", applied: "no" });
    expect((await get(lone, "k", "?consistency=stale", 200)).status).toBe(404);
    cluster.network.heal();
    await cluster.leader();
    expect((await get(cluster.one, "k")).status).toBe(404);
  }));

test("a leader that is cut off does not know what becomes of a write, and confirms no read", () =>
  withCluster(3, async (cluster) => {
    const leader = await cluster.leader();
    cluster.isolate(leader.id);
    const [write, read] = await Promise.all([put(leader, "k", "v", 100), get(leader, "k", "", 100)]);
    expect(write.status).toBe(504);
    const error = await errorOf(write);
    expectFields(error, { code: "OUTCOME_UNKNOWN", exit: 4, applied: "unknown" });
    expect(error["message"]).toMatch(/^Cannot confirm the write: no majority confirmed it within \d+ ms$/);
    expect(read.status).toBe(503);
    expectFields(await errorOf(read), { code: "NO_QUORUM", applied: "no" });
  }));

test("a write that was proposed and lost its leader is unknown, and runs at most once", () =>
  withCluster(3, async (cluster) => {
    const leader = await cluster.leader();
    cluster.isolate(leader.id);
    const write = put(leader, "k", "v", 10_000);
    const others = cluster.nodes.map(({ id }) => id).filter((id) => id !== leader.id);
    await until(() =>
      others.every(
        (id) => cluster.at(id).node.view(0).term > leader.node.view(0).term && cluster.at(id).node.view(0).ready,
      ),
    );
    cluster.network.heal();
    // Another entry took its place, which is definite, so it may be tried again; or the wait was given up before that was known.
    const answer = await write;
    expect([200, 504]).toContain(answer.status);
    await cluster.leader();
    const read = await get(cluster.one, "k");
    expect(read.status).toBe(answer.status === 200 ? 200 : 404);
    if (read.status === 200) expect(read.headers.get("x-proa-version")).toBe("1");
  }));

test("leadership is handed over, by the leader or through any other node", () =>
  withCluster(3, async (cluster) => {
    const first = await cluster.leader();
    const target = await cluster.follower();
    const direct = await transfer(first, JSON.stringify({ to: target.id }));
    expect(direct.status).toBe(200);
    const told: unknown = await direct.json();
    const { term } = target.node.view(0);
    expectFields(told, { from: first.id, to: target.id, term_before: term - 1, term });
    expect((await cluster.leader()).id).toBe(target.id);
    const through = await transfer(await cluster.follower(), "{}");
    expect(through.status).toBe(200);
    expectFields(await through.json(), { from: target.id });
    const now = await cluster.leader();
    expect(now.id === target.id).toBe(false);
    const self = await transfer(now, JSON.stringify({ to: now.id }));
    expect(self.status).toBe(409);
    expectFields(await errorOf(self), {
      code: "TRANSFER_REFUSED",
      message: `Cannot transfer leadership: node ${now.id} already leads`,
    });
    const stranger = await transfer(await cluster.follower(), '{"to":9}');
    expect(stranger.status).toBe(409);
    expectFields(await errorOf(stranger), { message: "Cannot transfer leadership: there is no node 9" });
  }));

test("a bad body of a transfer is refused", () =>
  withCluster(1, async (cluster) => {
    await cluster.leader();
    for (const body of ["{", "[]", "null", '{"to":"2"}', '{"to":0}', '{"to":1.5}', '{"two":2}', "x".repeat(70_000)]) {
      const response = await transfer(cluster.one, body);
      expect(response.status).toBe(body.length > 65_536 ? 413 : 400);
      expect((await errorOf(response))["applied"]).toBe("no");
    }
    const response = await fetch(`${cluster.one.url}/v1/leader/transfer?to=2`, { method: "POST", body: "{}" });
    expect(response.status).toBe(400);
  }));
