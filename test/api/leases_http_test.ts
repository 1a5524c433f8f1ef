/** The routes of leases over HTTP, asked as any client would: on any node, with the time that the leader counts. */
import { expect, test } from "bun:test";
import { errorOf, until, withCluster } from "./service_cluster.ts";

async function fields(response: Promise<Response>): Promise<Record<string, unknown>> {
  const answer = await response;
  const body = (await answer.json()) as Record<string, unknown>;
  return { status: answer.status, ...body };
}

function grant(url: string, body: unknown): Promise<Response> {
  return fetch(`${url}/v1/leases`, { method: "POST", body: JSON.stringify(body) });
}

function put(url: string, path: string, body = "v"): Promise<Response> {
  return fetch(`${url}/v1/kv/${path}`, { method: "PUT", body });
}

test("a lease is granted, renewed, shown, listed and revoked with its keys, on a node that does not lead", () =>
  withCluster(3, async (cluster) => {
    const { url } = await cluster.follower();
    expect(await fields(grant(url, { ttl: "1h" }))).toEqual({ status: 200, id: 1, ttl_ms: 3_600_000, revision: 1 });
    expect(await fields(grant(url, { ttl: "30s", id: 70 }))).toMatchObject({ status: 200, id: 70 });
    for (const key of ["b", "a", "%FF"]) expect((await put(url, `${key}?lease=70`)).status).toBe(200);
    const read = await fetch(`${url}/v1/kv/a`);
    expect(read.headers.get("x-proa-lease")).toBe("70");

    const shown = await fields(fetch(`${url}/v1/leases/70`));
    const remaining = Number(shown["remaining_ms"]);
    expect(remaining > 20_000 && remaining <= 30_000).toBe(true);
    expect(shown).toMatchObject({ id: 70, ttl_ms: 30_000, bound: false, key_count: 3, more: false });
    expect(shown["keys"]).toEqual([{ key: "a" }, { key: "b" }, { key_b64: "/w==" }]);
    const page = await fields(fetch(`${url}/v1/leases/70?limit=1&start=aa`));
    expect(page).toMatchObject({ key_count: 3, keys: [{ key: "b" }], more: true, next: "b%00" });

    const renewed = await fields(fetch(`${url}/v1/leases/70/keep-alive`, { method: "POST" }));
    expect(renewed).toEqual({ status: 200, id: 70, ttl_ms: 30_000, revision: 4 });
    const all = await fields(fetch(`${url}/v1/leases`));
    expect(all).toMatchObject({
      count: 2,
      more: false,
      leases: [
        { id: 1, key_count: 0 },
        { id: 70, key_count: 3 },
      ],
    });
    const first = await fields(fetch(`${url}/v1/leases?limit=1`));
    expect(first).toMatchObject({ count: 2, more: true, next: 1, leases: [{ id: 1 }] });
    expect(await fields(fetch(`${url}/v1/leases?after=1`))).toMatchObject({ more: false, leases: [{ id: 70 }] });

    const revoked = await fields(fetch(`${url}/v1/leases/70`, { method: "DELETE" }));
    expect(revoked).toEqual({ status: 200, revision: 5, deleted: 3 });
    expect((await fetch(`${url}/v1/kv/a`)).status).toBe(404);
  }));

test("a key that is put with a ttl goes by itself, and a watch says so", () =>
  withCluster(1, async (cluster) => {
    const { url, node } = cluster.one;
    await cluster.leader();
    const written = await fields(put(url, "k?ttl=1s"));
    expect(written).toEqual({ status: 200, revision: 2, mod_revision: 2, lease: 1 });
    const watch = await fetch(`${url}/v1/watch?key=k&only=delete&from=2`);
    const reader = watch.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes('"delete"')) text += (await reader?.read())?.value ?? "";
    await reader?.cancel();
    expect(text).toContain('{"revision":3,"events":[{"type":"delete","key":"k","mod_revision":3}]}');
    expect(node.status(0).key_count).toBe(0);
    expect(await fields(fetch(`${url}/v1/leases`))).toMatchObject({ count: 0, leases: [] });
  }));

test("a lease hangs on transactions and batches as on single puts", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    await grant(url, { ttl: "1m", id: 7 });
    const post = (path: string, body: unknown): Promise<Record<string, unknown>> =>
      fields(fetch(`${url}${path}`, { method: "POST", body: JSON.stringify(body) }));
    const compare = [{ key: "a", target: "lease", is: "=", number: 0 }];
    const then = [{ op: "put", key: "a", value: "1", lease: 7 }];
    expect(await post("/v1/txn", { compare, then })).toMatchObject({ status: 200, succeeded: true });
    expect(await post("/v1/txn", { compare, then })).toMatchObject({ status: 200, succeeded: false });
    const missing = await post("/v1/txn", {
      then: [
        { op: "put", key: "b", value: "1" },
        { ...then[0], lease: 9 },
      ],
    });
    expect(missing).toMatchObject({ status: 404, error: { code: "LEASE_NOT_FOUND" } });
    const ops = [
      { op: "put", key: "c", value: "1", lease: 7 },
      { op: "put", key: "d", value: "1", ttl: "1h" },
      { op: "put", key: "e", value: "1", lease: 9 },
      { op: "get", key: "c" },
    ];
    expect((await post("/v1/batch", { ops }))["results"]).toMatchObject([
      { ok: true, revision: 3 },
      { ok: true, revision: 4, lease: 2 },
      { ok: false, error: { code: "LEASE_NOT_FOUND", message: "Cannot put: there is no lease 9" } },
      { ok: true, lease: 7 },
    ]);
    expect((await fetch(`${url}/v1/kv/b`)).status).toBe(404);
    expect(await fields(fetch(`${url}/v1/leases/7`, { method: "DELETE" }))).toMatchObject({ deleted: 2 });
  }));

test("what is wrong is refused, and says what would be right", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    await grant(url, { ttl: "1m", id: 7 });
    const refusals: readonly (readonly [Promise<Response>, number, string])[] = [
      [grant(url, { ttl: "1m", id: 7 }), 409, "Cannot grant a lease: a lease with this id exists"],
      [grant(url, { ttl: "999ms" }), 400, "Cannot grant a lease: the time to live is 999 ms"],
      [grant(url, { ttl: "3651d" }), 400, "not a whole number from 1 second to 10 years"],
      [grant(url, { ttl: "soon" }), 400, 'ttl is "soon", not a duration'],
      [grant(url, { ttl: 30 }), 400, "ttl is not a text such as 30s"],
      [grant(url, { ttl: "1m", id: 0 }), 400, "id is 0, not a whole number from 1"],
      [grant(url, { ttl: "1m", name: 1 }), 400, 'there is no field "name"'],
      [grant(url, []), 400, "the body is not a JSON object"],
      [put(url, "k?lease=9"), 404, "Cannot put: there is no lease 9"],
      [put(url, "k?lease=0"), 400, "the query parameter lease"],
      [put(url, "k?lease=7&ttl=1s"), 400, "lease and ttl exclude each other"],
      [put(url, "k?ttl=1"), 400, 'Cannot put: ttl is "1", not a duration'],
      [put(url, "k?ttl=1ms"), 400, "Cannot put: the time to live is 1 ms"],
      [fetch(`${url}/v1/leases/9`), 404, "Cannot show lease 9: there is no lease 9"],
      [fetch(`${url}/v1/leases/9`, { method: "DELETE" }), 404, "Cannot revoke lease 9: there is no lease 9"],
      [fetch(`${url}/v1/leases/9/keep-alive`, { method: "POST" }), 404, "Cannot renew lease 9: there is no lease 9"],
      [fetch(`${url}/v1/leases/x`), 400, '"x" is not the id of a lease'],
      [fetch(`${url}/v1/leases/7`, { method: "PUT" }), 405, "Cannot PUT /v1/leases/{id}"],
      [fetch(`${url}/v1/leases/7/keep-alive`), 405, "Cannot GET /v1/leases/{id}/keep-alive"],
    ];
    for (const [asked, status, message] of refusals) {
      const response = await asked;
      expect(response.status).toBe(status);
      expect(String((await errorOf(response))["message"])).toContain(message);
    }
    expect((await fetch(`${url}/v1/kv/k`)).status).toBe(404);
  }));

test("a grant with an Idempotency-Key is made once", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    const headers = { "Idempotency-Key": "1-once" };
    const body = JSON.stringify({ ttl: "1m" });
    for (let i = 0; i < 3; i++) {
      const answer = await fields(fetch(`${url}/v1/leases`, { method: "POST", headers, body }));
      expect(answer).toMatchObject({ status: 200, id: 1 });
    }
    expect(await fields(fetch(`${url}/v1/leases`))).toMatchObject({ count: 1 });
  }));

test("questions wait for a leader, and are answered by the next one with what is left", () =>
  withCluster(3, async (cluster) => {
    const old = await cluster.leader();
    await grant(old.url, { ttl: "1m", id: 7 });
    const others = cluster.nodes.filter(({ id }) => id !== old.id);
    cluster.isolate(old.id);
    const asked = others.map(({ url }) => fields(fetch(`${url}/v1/leases/7`)));
    for (const answer of await Promise.all(asked)) expect(answer).toMatchObject({ status: 200, id: 7, ttl_ms: 60_000 });
    await until(() => others.some(({ node }) => node.view(0).role === "leader"));
  }));
