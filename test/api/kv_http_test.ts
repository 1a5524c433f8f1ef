/** The routes of keys over HTTP, asked as any client would, on a single node. */
import { expect, test } from "bun:test";
import { percentEncode } from "../../src/client/key_text.ts";
import { expectFields } from "./expect_fields.ts";
import { errorOf, withCluster } from "./service_cluster.ts";

const utf8 = new TextEncoder();

async function json(response: Response): Promise<unknown> {
  return await response.json();
}

test("a key is written, read, overwritten and deleted", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    const put = await fetch(`${url}/v1/kv/greeting`, { method: "PUT", body: "hello" });
    expect(put.status).toBe(200);
    expect(await json(put)).toEqual({ revision: 2, mod_revision: 2 });
    await fetch(`${url}/v1/kv/greeting`, { method: "PUT", body: "hello again" });
    const get = await fetch(`${url}/v1/kv/greeting`);
    expect(get.status).toBe(200);
    expect(await get.text()).toBe("hello again");
    expect(get.headers.get("etag")).toBe('"3"');
    expect(get.headers.get("x-proa-create-revision")).toBe("2");
    expect(get.headers.get("x-proa-mod-revision")).toBe("3");
    expect(get.headers.get("x-proa-version")).toBe("2");
    expect(get.headers.get("x-proa-lease")).toBe("0");
    const deleted = await fetch(`${url}/v1/kv/greeting`, { method: "DELETE" });
    expect(await json(deleted)).toEqual({ revision: 4, deleted: 1 });
    const again = await fetch(`${url}/v1/kv/greeting`, { method: "DELETE" });
    expect(await json(again)).toEqual({ revision: 4, deleted: 0 });
    const missing = await fetch(`${url}/v1/kv/greeting`);
    expect(missing.status).toBe(404);
    expect(await errorOf(missing)).toEqual({
      code: "NOT_FOUND",
      exit: 5,
      message: "Cannot get: there is no such key",
      hint: "proa kv ls lists the keys",
      applied: "no",
      tried: [],
    });
  }));

test("every answer carries the view of the node", () =>
  withCluster(1, async (cluster) => {
    const { url, node } = cluster.one;
    await cluster.leader();
    for (const path of ["/livez", "/nowhere", "/v1/kv/missing", "/v1/kv?bad=1", "/api/status", "/rpc"]) {
      const { headers } = await fetch(`${url}${path}`);
      expect(headers.get("x-proa-node")).toBe("1");
      expect(headers.get("x-proa-leader")).toBe("1");
      expect(headers.get("x-proa-term")).toBe(String(node.view(0).term));
      expect(headers.get("x-proa-revision")).toBe("1");
      expect(headers.get("x-proa-applied")).toBe("2");
    }
  }));

test("keys are any bytes, in the path or in the query", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    const keys = [
      "a//b",
      "/",
      "a/",
      " ",
      "+",
      "a+b",
      "%",
      "%2F",
      "?",
      "#",
      "é",
      "🛶",
      "\0",
      "a\\b",
      "key=1&key=2",
      ".a",
      "...",
      "\ufeffbom",
    ].map((text) => utf8.encode(text));
    keys.push(
      Uint8Array.of(0xff),
      Uint8Array.of(0xc3, 0x28),
      Uint8Array.from({ length: 256 }, (_, byte) => byte),
    );
    const onlyInQuery = [".", "..", "a/../b", "./", "../.."].map((text) => utf8.encode(text));
    for (const key of [...keys, ...onlyInQuery]) {
      const put = await fetch(`${url}/v1/kv?key=${percentEncode(key)}`, { method: "PUT", body: new Uint8Array(key) });
      expect(put.status).toBe(200);
    }
    for (const key of keys) {
      const get = await fetch(`${url}/v1/kv/${percentEncode(key)}`);
      expect(new Uint8Array(await get.arrayBuffer())).toEqual(key);
    }
    for (const key of [...keys, ...onlyInQuery]) {
      const get = await fetch(`${url}/v1/kv?key=${percentEncode(key)}`);
      expect(new Uint8Array(await get.arrayBuffer())).toEqual(key);
    }
    for (const key of [...keys, ...onlyInQuery]) {
      const deleted = await fetch(`${url}/v1/kv?key=${percentEncode(key)}`, { method: "DELETE" });
      expectFields(await json(deleted), { deleted: 1 });
    }
  }));

test("a literal slash belongs to the key, and a folded path never becomes a range", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    await fetch(`${url}/v1/kv/a//b`, { method: "PUT", body: "1" });
    expect(await (await fetch(`${url}/v1/kv?key=a%2F%2Fb`)).text()).toBe("1");
    const empty = await fetch(`${url}/v1/kv/x/..`, { method: "DELETE" }); // clients fold it to /v1/kv/
    expect(empty.status).toBe(400);
    expectFields(await errorOf(empty), {
      code: "INVALID_REQUEST",
      hint: "the segments . and .. do not survive in a path: use /v1/kv?key=",
    });
  }));

test("an empty value is a value", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    expect((await fetch(`${url}/v1/kv/empty`, { method: "PUT" })).status).toBe(200);
    const get = await fetch(`${url}/v1/kv/empty`);
    expect(get.status).toBe(200);
    expect((await get.arrayBuffer()).byteLength).toBe(0);
  }));

test("If-None-Match and If-Match are compare-and-set", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    const put = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${url}/v1/kv/k`, { method: "PUT", body: "v", headers });
    expect((await put({ "If-Match": '"7"' })).status).toBe(412);
    expect(await json(await put({ "If-None-Match": "*" }))).toEqual({ revision: 2, mod_revision: 2 });
    const taken = await put({ "If-None-Match": "*" });
    expect(taken.status).toBe(412);
    expectFields(await errorOf(taken), { code: "PRECONDITION_FAILED", exit: 6, applied: "no", revision: 2 });
    expect(await json(await put({ "If-Match": '"2"' }))).toEqual({ revision: 3, mod_revision: 3 });
    expectFields(await errorOf(await put({ "If-Match": '"2"' })), { code: "PRECONDITION_FAILED", revision: 3 });
    const stale = await fetch(`${url}/v1/kv/k`, { method: "DELETE", headers: { "If-Match": '"2"' } });
    expectFields(await errorOf(stale), { code: "PRECONDITION_FAILED", revision: 3 });
    const missing = await fetch(`${url}/v1/kv/other`, { method: "DELETE", headers: { "If-Match": '"2"' } });
    expectFields(await errorOf(missing), { message: "Cannot delete: the key does not exist", revision: 0 });
    const deleted = await fetch(`${url}/v1/kv/k`, { method: "DELETE", headers: { "If-Match": '"3"' } });
    expect(await json(deleted)).toEqual({ revision: 4, deleted: 1 });
  }));

test("ranges are listed in the order of bytes, in pages", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    for (const key of ["b/1", "a/2", "a/1", "a/%FF"])
      await fetch(`${url}/v1/kv/${key}`, { method: "PUT", body: `value of ${key}` });
    await fetch(`${url}/v1/kv/c`, { method: "PUT", body: Uint8Array.of(0xfe) });
    const item = (revision: number): Record<string, number> => ({
      create_revision: revision,
      mod_revision: revision,
      version: 1,
      lease: 0,
    });
    expect(await json(await fetch(`${url}/v1/kv?prefix=a/`))).toEqual({
      revision: 6,
      applied: 7,
      kvs: [
        { key: "a/1", value: "value of a/1", ...item(4) },
        { key: "a/2", value: "value of a/2", ...item(3) },
        { key_b64: "YS//", value: "value of a/%FF", ...item(5) },
      ],
      more: false,
    });
    expect(await json(await fetch(`${url}/v1/kv?start=b&keys_only=true&limit=1`))).toEqual({
      revision: 6,
      applied: 7,
      kvs: [{ key: "b/1", ...item(2) }],
      more: true,
      next: "b%2F1%00",
    });
    expectFields(await json(await fetch(`${url}/v1/kv?start=b%2F1%00&consistency=stale`)), {
      kvs: [{ key: "c", value_b64: "/g==", ...item(6) }],
      more: false,
    });
    expectFields(await json(await fetch(`${url}/v1/kv?end=a/2&keys_only=true`)), { kvs: [{ key: "a/1", ...item(4) }] });
    expectFields(await json(await fetch(`${url}/v1/kv`)), { more: false, revision: 6 });
  }));

test("a range is deleted in one revision", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    for (const key of ["a1", "a2", "b1", "c1"]) await fetch(`${url}/v1/kv/${key}`, { method: "PUT", body: "v" });
    const remove = async (query: string): Promise<unknown> =>
      json(await fetch(`${url}/v1/kv${query}`, { method: "DELETE" }));
    expect(await remove("?prefix=a")).toEqual({ revision: 6, deleted: 2 });
    expect(await remove("?prefix=a")).toEqual({ revision: 6, deleted: 0 });
    expect(await remove("?start=b&end=c")).toEqual({ revision: 7, deleted: 1 });
    expectFields(await errorOf(await fetch(`${url}/v1/kv`, { method: "DELETE" })), { code: "INVALID_REQUEST" });
    expectFields(await errorOf(await fetch(`${url}/v1/kv?prefix=`, { method: "DELETE" })), {
      message: "Cannot delete: the prefix is empty",
    });
    expect(await remove("?start=")).toEqual({ revision: 8, deleted: 1 });
  }));

test("wrong requests are refused by name", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    const cases: readonly (readonly [string, string, RequestInit?])[] = [
      ["/v1/kv?prefx=a", 'unknown query parameter "prefx"'],
      ["/v1/kv/k?consistency=weak", 'the query parameter consistency is "weak", not linearizable, lease or stale'],
      ["/v1/kv?limit=0", 'the query parameter limit is "0", not an integer from 1 to 4294967295'],
      ["/v1/kv?limit=1&limit=2", "the query parameter limit is given twice"],
      ["/v1/kv?keys_only", 'the query parameter keys_only is "", not true or false'],
      ["/v1/kv?prefix=a&end=b", "prefix excludes start and end"],
      ["/v1/kv?start=a&end=", "the end is empty"],
      ["/v1/kv?key=a&limit=2", "key and limit exclude each other"],
      ["/v1/kv?key=", "the key is empty"],
      ["/v1/kv/%zz", "the key has a % without two hexadecimal digits"],
      ["/v1/kv?prefix=%f", "the query parameter prefix has a % without two hexadecimal digits"],
      ["/v1/kv", "no key is given", { method: "PUT", body: "v" }],
      ["/v1/kv/k?consistency=stale", "unknown query parameter", { method: "PUT", body: "v" }],
      ["/v1/kv/k", "not a mod revision in double quotes", { method: "PUT", body: "v", headers: { "If-Match": "5" } }],
      [
        "/v1/kv/k",
        "not a mod revision in double quotes",
        { method: "PUT", body: "v", headers: { "If-Match": 'W/"5"' } },
      ],
      ["/v1/kv/k", "not a mod revision in double quotes", { method: "DELETE", headers: { "If-Match": "*" } }],
      ["/v1/kv/k", "and must be *", { method: "PUT", body: "v", headers: { "If-None-Match": '"5"' } }],
      [
        "/v1/kv/k",
        "exclude each other",
        { method: "PUT", body: "v", headers: { "If-None-Match": "*", "If-Match": '"1"' } },
      ],
      ["/v1/kv/k", "If-None-Match is only for PUT", { method: "DELETE", headers: { "If-None-Match": "*" } }],
      ["/v1/kv?prefix=a", "a range has no revision to match", { method: "DELETE", headers: { "If-Match": '"1"' } }],
      ["/v1/kv/k", 'X-Proa-Timeout-Ms is "60001"', { headers: { "X-Proa-Timeout-Ms": "60001" } }],
      ["/v1/kv/k", 'X-Proa-Timeout-Ms is "soon"', { headers: { "X-Proa-Timeout-Ms": "soon" } }],
    ];
    for (const [path, message, init] of cases) {
      const response = await fetch(`${url}${path}`, init);
      expect([path, response.status]).toEqual([path, 400]);
      const error = await errorOf(response);
      expect(error["message"]).toContain(message);
      expect(error["code"]).toBe("INVALID_REQUEST");
      expect(error["applied"]).toBe("no");
    }
    const hint = (await errorOf(await fetch(`${url}/v1/kv?prefx=a`)))["hint"];
    expect(hint).toBe("did you mean prefix?");
    expect(cluster.one.node.view(0).revision).toBe(1);
  }));

test("keys and values over the limit are TOO_LARGE, and nothing is written", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    const put = (key: string, body: BodyInit): Promise<Response> =>
      fetch(`${url}/v1/kv/${key}`, { method: "PUT", body });
    expect((await put("fits", new Uint8Array(1024 * 1024))).status).toBe(200);
    const large = await put("k", new Uint8Array(1024 * 1024 + 1));
    expect(large.status).toBe(413);
    expectFields(await errorOf(large), {
      code: "TOO_LARGE",
      applied: "no",
      message: "Cannot put: the value has 1048577 bytes, the limit is 1048576",
    });
    const chunks = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(256 * 1024));
      },
    });
    const endless = await put("k", chunks);
    expect(endless.status).toBe(413);
    expect((await errorOf(endless))["message"]).toBe(
      "Cannot put: the value has more than 1048576 bytes, the limit is 1048576",
    );
    const key = await put("k".repeat(8193), "v");
    expect(key.status).toBe(413);
    expect((await errorOf(key))["message"]).toBe("Cannot put: the key has 8193 bytes, the limit is 8192");
    expect((await put("k".repeat(8192), "v")).status).toBe(200);
    expect(cluster.one.node.view(0).revision).toBe(3);
  }));
