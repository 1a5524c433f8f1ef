/** What is asked of a node for each operation on keys, and what is made of its answers. */
import { expect, test } from "bun:test";
import { HttpClient } from "../../src/client/http_client.ts";
import { deleteKey, deleteRange, getKey, listKeys, prefixRange, putKey } from "../../src/client/kv_requests.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { ok, readyNode, withServers } from "./foreign_server.ts";
import type { Received } from "./foreign_server.ts";

const utf8 = new TextEncoder();
const keyHeaders = {
  "X-Proa-Create-Revision": "2",
  "X-Proa-Mod-Revision": "3",
  "X-Proa-Version": "4",
  "X-Proa-Lease": "0",
};

/** What the node was asked, without the probes, while `body` used a client of it. */
async function asked(
  reaction: Parameters<typeof readyNode>[0],
  body: (client: HttpClient) => Promise<void>,
): Promise<Received[]> {
  const received: Received[] = [];
  const node = readyNode((request) => {
    received.push(request);
    return reaction(request);
  });
  await withServers([node], async ({ endpoint }) => {
    await body(new HttpClient({ endpoints: [endpoint], deadline: performance.now() + 3000, trace: () => undefined }));
  });
  return received;
}

test("get returns exactly the bytes, and the revisions", async () => {
  const value = Uint8Array.of(0, 255, 10, 13);
  const requests = await asked(
    () => ({ status: 200, headers: keyHeaders, body: value }),
    async (client) => {
      const found = await getKey(client, { key: utf8.encode(".."), consistency: "stale", revision: null });
      expect(found.value).toEqual(value);
      expect(found.facts).toEqual({ create_revision: 2, mod_revision: 3, version: 4, lease: 0, revision: 42 });
    },
  );
  expect(requests.map(({ path }) => path)).toEqual(["/v1/kv?key=%2E%2E&consistency=stale"]);
});

test("put sends exactly the bytes, and the condition as HTTP has it", async () => {
  const value = Uint8Array.of(0, 255, 10, 13);
  const key = Uint8Array.of(0xff, 0x2f);
  const requests = await asked(
    () => ok({ revision: 7, mod_revision: 7 }),
    async (client) => {
      expect(await putKey(client, { key, value, condition: null })).toEqual({ revision: 7, mod_revision: 7 });
      await putKey(client, { key, value: new Uint8Array(), condition: { kind: "absent" } });
      await putKey(client, { key, value, condition: { kind: "revision", revision: 42 } });
    },
  );
  expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual(
    ["", "", ""].map(() => "PUT /v1/kv?key=%FF%2F"),
  );
  expect(requests.map(({ body }) => body.length)).toEqual([4, 0, 4]);
  expect(new Uint8Array(requests[0]?.body ?? [])).toEqual(value);
  expect(requests.map(({ headers }) => [headers["if-none-match"], headers["if-match"]])).toEqual([
    [undefined, undefined],
    ["*", undefined],
    [undefined, '"42"'],
  ]);
});

test("delete names a key or a range", async () => {
  const requests = await asked(
    () => ok({ revision: 7, deleted: 1 }),
    async (client) => {
      expect(await deleteKey(client, { key: utf8.encode("k"), condition: { kind: "revision", revision: 3 } })).toEqual({
        revision: 7,
        deleted: 1,
      });
      await deleteRange(client, { range: prefixRange(utf8.encode("a/")) });
      await deleteRange(client, { range: { start: utf8.encode("b"), end: null } });
    },
  );
  expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "DELETE /v1/kv?key=k",
    "DELETE /v1/kv?start=a%2F&end=a0",
    "DELETE /v1/kv?start=b",
  ]);
  expect(requests[0]?.headers["if-match"]).toBe('"3"');
});

test("a listing knows whether more follows", async () => {
  const kvs = [{ key: "a", mod_revision: 2 }];
  const answers = [ok({ revision: 5, kvs, more: true, next: "a%00" }), ok({ revision: 6, kvs: [], more: false })];
  const requests = await asked(
    () => answers.shift() ?? "cut",
    async (client) => {
      const range = { start: new Uint8Array(), end: utf8.encode("z") };
      const options = { range, limit: 1, keysOnly: true, consistency: "linearizable", revision: null } as const;
      expect(await listKeys(client, options)).toEqual({ revision: 5, kvs, next: "a%00" });
      expect(await listKeys(client, { ...options, limit: null, keysOnly: false })).toEqual({
        revision: 6,
        kvs: [],
        next: null,
      });
    },
  );
  expect(requests.map(({ path }) => path)).toEqual([
    "/v1/kv?start=&end=z&consistency=linearizable&limit=1&keys_only=true",
    "/v1/kv?start=&end=z&consistency=linearizable",
  ]);
});

test("an answer that is not understood is an error that says the write happened", async () => {
  await asked(
    () => ok({ rev: 7 }),
    async (client) => {
      let thrown: unknown = null;
      try {
        await putKey(client, { key: utf8.encode("k"), value: new Uint8Array(), condition: null });
      } catch (error) {
        thrown = error;
      }
      expect(thrown instanceof ProaError && [thrown.code, thrown.applied]).toEqual(["INTERNAL", "yes"]);
    },
  );
});

test("the range of a prefix ends before the first key that does not begin with it", () => {
  expect(prefixRange(Uint8Array.of(1, 2))).toEqual({ start: Uint8Array.of(1, 2), end: Uint8Array.of(1, 3) });
  expect(prefixRange(Uint8Array.of(1, 0xff))).toEqual({ start: Uint8Array.of(1, 0xff), end: Uint8Array.of(2) });
  expect(prefixRange(Uint8Array.of(0xff))).toEqual({ start: Uint8Array.of(0xff), end: null });
  expect(prefixRange(new Uint8Array())).toEqual({ start: new Uint8Array(), end: null });
});
