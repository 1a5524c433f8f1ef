/** The OpenAPI document is what the routes do: each route is in it, each thing in it is seen in real answers, and nothing else is. */
import { expect, test } from "bun:test";
import { operationDocs } from "../../src/api/openapi_operations.ts";
import { routes } from "../../src/api/routes.ts";
import { isObject, type Schema } from "../helpers/json_schema.ts";
import { DescribedApi } from "./described_api.ts";
import { errorOf, until, withCluster } from "./service_cluster.ts";
import type { ClusterNode, ServiceCluster } from "./service_cluster.ts";

const json = (value: unknown): { readonly body: string } => ({ body: JSON.stringify(value) });
const quick = { headers: { "x-proa-timeout-ms": "60" } };

test("every route is described, and every description has its route", () => {
  const served = routes.flatMap(({ path, methods }) => Object.keys(methods).map((method) => `${method} ${path}`));
  const missing = served.filter((operation) => !Object.hasOwn(operationDocs, operation));
  expect(
    missing.map((operation) => `${operation} has no description: add one to src/api/openapi_operations.ts`),
  ).toEqual([]);
  expect(Object.keys(operationDocs).filter((operation) => !served.includes(operation))).toEqual([]);
});

test("real answers of every route are as described, and all that is described is seen", async () => {
  const served: DescribedApi[] = [];
  await withCluster(1, async (cluster) => {
    await cluster.leader();
    const api = new DescribedApi(await documentOf(cluster));
    served.push(api);
    await askOne(api, cluster.one);
  });
  const [api] = served;
  if (api === undefined) throw new Error("there is no document");
  await withCluster(3, (cluster) => askThree(api, cluster));
  await withCluster(3, (cluster) => askWithoutMajority(api, cluster));
  expect(api.problems).toEqual([]);
  expect(api.unseen()).toEqual([]);
}, 60_000);

async function documentOf(cluster: ServiceCluster): Promise<Schema> {
  const response = await fetch(`${cluster.one.url}/v1/openapi.json`);
  const document: unknown = await response.json();
  if (!isObject(document)) throw new Error("the document is no object");
  expect(document["openapi"]).toBe("3.1.0");
  return document;
}

async function askOne(api: DescribedApi, node: ClusterNode): Promise<void> {
  const { url } = node;
  const ask = (call: string, init?: Omit<RequestInit, "method">): Promise<Response> => api.ask(url, call, init);
  await askKeys(ask);
  await askLeases(ask);
  await askBatches(ask);
  await askHistory(api, ask);
  await askCluster(ask);
  await openRpc(api, node);
  await namesOfParameters(api, url);
}

type Ask = (call: string, init?: Omit<RequestInit, "method">) => Promise<Response>;

async function askKeys(ask: Ask): Promise<void> {
  for (const path of ["/v1/kv/a", "/v1/kv?key=b"]) {
    await ask(`PUT ${path}`, { body: "1" });
    await ask(`GET ${path}`);
    const put = { headers: { "if-none-match": "*" }, body: "2" };
    expect((await ask(`PUT ${path}`, put)).status).toBe(412);
    expect((await ask(`DELETE ${path}`, { headers: { "if-match": '"99"' } })).status).toBe(412);
    expect((await ask(`PUT ${path}`, { headers: { "if-match": "2" } })).status).toBe(400);
    expect((await ask(`PUT ${path}`, { body: new Uint8Array(1024 * 1024 + 1) })).status).toBe(413);
    await ask(`DELETE ${path}`);
    expect((await ask(`GET ${path}`)).status).toBe(404);
    await ask(`PUT ${path}`, { body: "3" });
  }
  await ask("PUT /v1/kv?key=%ff", { body: Uint8Array.of(0xff) });
  await ask("GET /v1/kv?limit=1");
  await ask("GET /v1/kv");
  await ask("GET /v1/history?key=a&limit=1");
  await ask("GET /v1/history?key=a");
  await ask("GET /v1/history?key=%ff");
}

async function askLeases(ask: Ask): Promise<void> {
  for (const id of [7, 8]) await ask("POST /v1/leases", json({ ttl: "1h", id }));
  expect((await ask("POST /v1/leases", json({ ttl: "1h", id: 7 }))).status).toBe(409);
  expect((await ask("POST /v1/leases", { body: "no" })).status).toBe(400);
  expect((await ask("POST /v1/leases", { body: " ".repeat(64 * 1024 + 1) })).status).toBe(413);
  await ask("POST /v1/leases", json({ ttl: "1h" }));
  await ask("GET /v1/leases");
  await ask("GET /v1/leases?limit=1");
  for (const path of ["/v1/kv/l1?", "/v1/kv?key=l2&", "/v1/kv?key=%ff&"]) {
    await ask(`PUT ${path}lease=7`, { body: "1" });
    await ask(`PUT ${path}ttl=1h`, { body: "1" });
    expect((await ask(`PUT ${path}lease=99`, { body: "1" })).status).toBe(404);
    await ask(`PUT ${path}lease=7`, { body: "1" });
  }
  await ask("GET /v1/leases/7");
  await ask("GET /v1/leases/7?limit=1");
  await ask("POST /v1/leases/7/keep-alive");
  for (const call of ["GET /v1/leases/99", "DELETE /v1/leases/99", "POST /v1/leases/99/keep-alive"])
    expect((await ask(call)).status).toBe(404);
}

async function askBatches(ask: Ask): Promise<void> {
  const binary = { key_b64: "/w==", value_b64: "/w==" };
  const range = [
    { op: "del", prefix: "x" },
    { op: "del", prefix_b64: "/w4=" },
    { op: "del", start: "x", end: "y" },
    { op: "del", start_b64: "/w4=", end_b64: "/w8=" },
  ];
  const ops = [
    { op: "put", key: "a", value: "1" },
    { op: "put", ...binary },
    { op: "put", key: "l", value: "1", lease: 7 },
    { op: "put", key: "l", value: "1", ttl: "1h" },
    { op: "put", key: "a", value: "1", if_absent: true },
    { op: "put", key: "a", value: "1", if_rev: 99 },
    { op: "get", key: "a" },
    { op: "get", key_b64: "/w==" },
    { op: "del", key: "none" },
    { op: "del", key_b64: "AA==", if_rev: 1 },
    ...range,
  ];
  await ask("POST /v1/batch", json({ ops }));
  const compare = [
    { key: "a", is: "=", value: "1" },
    { ...binary },
    { key: "a", target: "version", is: ">", number: 0 },
    { key: "a", exists: true },
  ];
  const then = [
    { op: "put", key: "t", value: "1" },
    { op: "put", key_b64: "/v4=", value_b64: "/w==", lease: 7 },
    { op: "del", key: "none" },
    { op: "del", key_b64: "AA==" },
    ...range,
    { op: "get", key: "none" },
    { op: "get", key: "a" },
    { op: "get", key_b64: "/w==" },
    { op: "range", prefix: "", limit: 1 },
    { op: "range", prefix_b64: "/w==", keys_only: false },
    { op: "range", start: "a", end: "b" },
    { op: "range", start_b64: "/v4=", end_b64: "//8=" },
  ];
  const done = await ask("POST /v1/txn", json({ compare, then }));
  expect((await done.json()) as unknown).toMatchObject({ succeeded: true });
  await ask("POST /v1/txn", json({ compare: [{ key: "a", exists: false }], then, else: then }));
  const unleased = await ask("POST /v1/txn", json({ then: [{ op: "put", key: "l", value: "1", lease: 99 }] }));
  expect(unleased.status).toBe(404);
  const big = "v".repeat(1024 * 1024);
  await ask("PUT /v1/kv/big", { body: big });
  await ask("POST /v1/txn", json({ else: then, then: Array.from({ length: 9 }, () => ({ op: "get", key: "big" })) }));
  const tooLong = { body: new Uint8Array(6 * 1024 * 1024 + 1) };
  for (const call of ["POST /v1/batch", "POST /v1/txn"]) {
    expect((await ask(call, tooLong)).status).toBe(413);
    expect((await ask(call, { body: "{" })).status).toBe(400);
  }
}

async function askHistory(api: DescribedApi, ask: Ask): Promise<void> {
  const half = "w".repeat(600 * 1024);
  await ask("POST /v1/txn", json({ then: ["w1", "w2"].map((key) => ({ op: "put", key, value: half })) }));
  await ask("DELETE /v1/kv?prefix=w");
  await ask("DELETE /v1/kv?key=%ff");
  const watch = await ask("GET /v1/watch?from=2&previous=true");
  let seen = "";
  const newest = Number(watch.headers.get("x-proa-revision"));
  for await (const bytes of watch.body ?? []) {
    seen += new TextDecoder().decode(bytes);
    if (seen.includes(`id: ${newest}\n`)) break;
  }
  for (const [, data = ""] of seen.matchAll(/^data: (.*)$/gm)) api.checkEvent("GET /v1/watch", data);
  expect((await ask("GET /v1/watch?from=9999")).status).toBe(404);
  await ask("GET /v1/settings");
  await ask("PATCH /v1/settings", json({ history_bytes: 1 << 20, request_bytes: 1 << 20 }));
  expect((await ask("PATCH /v1/settings", json({ history_revisions: 1, request_answers: 1 }))).status).toBe(200);
  expect((await ask("PATCH /v1/settings", json({ history_revisions: 0 }))).status).toBe(400);
  // Two requests with an id, of which one answer is kept: the first again has expired.
  const calls = [
    ["PUT /v1/kv/i", { body: "1" }],
    ["DELETE /v1/kv/i", {}],
    ["PUT /v1/kv?key=i", { body: "1" }],
    ["DELETE /v1/kv?key=i", {}],
    ["POST /v1/txn", json({ then: [{ op: "put", key: "i", value: "1" }] })],
    ["POST /v1/leases", json({ ttl: "1h" })],
    ["POST /v1/leases/7/keep-alive", {}],
    ["DELETE /v1/leases/8", {}],
  ] as const;
  for (const [call, init] of calls) {
    const born = (await ask("GET /v1/settings")).headers.get("x-proa-applied") ?? "";
    const once = (seq: number, [asked, how]: readonly [string, Omit<RequestInit, "method">]): Promise<Response> =>
      ask(asked, { ...how, headers: { "idempotency-key": `${born}-s.${seq}` } });
    const [first, other] = [await once(1, [call, init]), await once(2, calls[0])];
    expect([call, first.status, other.status, (await once(1, [call, init])).status]).toEqual([call, 200, 200, 409]);
  }
  for (const call of ["GET /v1/kv/a?revision=2", "GET /v1/kv?prefix=a&revision=2", "GET /v1/watch?from=2"]) {
    let status = 0;
    while (status !== 410) {
      const response = await ask(call);
      status = response.status;
      await response.body?.cancel();
    }
  }
}

async function askCluster(ask: Ask): Promise<void> {
  await ask("GET /livez");
  await ask("GET /readyz");
  await ask("GET /v1/openapi.json");
  await (await ask("GET /v1/snapshot")).body?.cancel();
  for (const call of ["POST /v1/leader/transfer", "POST /v1/members"]) {
    expect((await ask(call, { body: "no" })).status).toBe(400);
    expect((await ask(call, { body: " ".repeat(64 * 1024 + 1) })).status).toBe(413);
  }
  expect((await ask("POST /v1/leader/transfer", json({ to: 7 }))).status).toBe(409);
  expect((await ask("POST /v1/members", json({ promote: 7 }))).status).toBe(404);
  expect((await ask("POST /v1/members", json({ remove: 1 }))).status).toBe(409);
  await ask("POST /v1/members", json({ set: [1], plan: true }));
}

/** `fetch` cannot upgrade. */
async function openRpc(api: DescribedApi, { url }: ClusterNode): Promise<void> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/rpc`);
  const opened = await new Promise<boolean>((resolve) => {
    socket.onopen = () => resolve(true);
    socket.onerror = () => resolve(false);
  });
  socket.close();
  if (opened) api.note("GET /rpc", 101);
  await api.ask(url, "GET /rpc");
}

/** A parameter that nobody knows is refused with those that there are: they must be those of the document. */
async function namesOfParameters(api: DescribedApi, url: string): Promise<void> {
  const asking = api.operations.filter((operation) => !/ \/(livez|readyz|rpc)$/.test(operation));
  for (const operation of asking) {
    const response = await api.ask(url, `${operation.replace("{key}", "a").replace("{id}", "7")}?zzzzzzzzzzzz=1`);
    expect([operation, response.status]).toEqual([operation, 400]);
    const accepted = /^this request takes (.*)$/.exec(String((await errorOf(response))["hint"]))?.[1] ?? "";
    const names = accepted === "none" ? [] : accepted.split(", ");
    expect([operation, [...api.parameters(operation, "query")].sort()]).toEqual([operation, names.sort()]);
  }
}

async function askThree(api: DescribedApi, cluster: ServiceCluster): Promise<void> {
  const leader = await cluster.leader();
  await api.ask(leader.url, "GET /api/status");
  await api.ask(leader.url, "GET /v1/members");
  const follower = await cluster.follower();
  await until(() => leader.node.status(0).peers.every(({ rtt_ms }) => rtt_ms !== null));
  await settled(() => api.ask(leader.url, "POST /v1/leader/transfer", json({ to: follower.id })), 200);
  await cluster.leader();
  const third = cluster.nodes.find(({ id }) => id !== leader.id && id !== follower.id) ?? leader;
  cluster.join(4);
  await settled(() => api.ask(follower.url, "POST /v1/members", json({ add: cluster.serverOf(4), plan: false })), 200);
  await settled(() => api.ask(follower.url, "POST /v1/members", json({ promote: 4, plan: false })), 200);
  await settled(() => api.ask(follower.url, "POST /v1/members", json({ remove: third.id, plan: false })), 200);
  await until(() => third.node.view(0).removed);
  await api.ask(third.url, "GET /readyz");
  await api.ask(third.url, "GET /v1/members");
}

const writes: readonly (readonly [call: string, init: Omit<RequestInit, "method">])[] = [
  ["PUT /v1/kv/a", { body: "1" }],
  ["DELETE /v1/kv/a", {}],
  ["PUT /v1/kv?key=a", { body: "1" }],
  ["DELETE /v1/kv?key=a", {}],
  ["POST /v1/txn", json({ then: [{ op: "del", key: "a" }] })],
  ["POST /v1/leases", json({ ttl: "1h" })],
  ["POST /v1/leases/7/keep-alive", {}],
  ["DELETE /v1/leases/7", {}],
  ["PATCH /v1/settings", json({ request_answers: 7 })],
  ["POST /v1/members", json({ add: { id: 9, replicate: "a:1", service: "a:2" } })],
  ["POST /v1/leader/transfer", json({})],
];

async function askWithoutMajority(api: DescribedApi, cluster: ServiceCluster): Promise<void> {
  // Cut off while it leads: what it was asked just then may or may not come to be. A transfer lets nothing else in.
  for (const calls of [writes.slice(0, -1), writes.slice(-1)]) {
    for (let left = calls; left.length > 0;) {
      cluster.network.heal();
      const { id, url } = await cluster.leader();
      cluster.isolate(id);
      const answers = await Promise.all(left.map(([call, init]) => api.ask(url, call, { ...init, ...quick })));
      left = left.filter((_, at) => answers[at]?.status !== 504);
    }
  }
  // By now, or soon, a node that is cut off knows no leader.
  cluster.isolate(1);
  cluster.isolate(2);
  cluster.isolate(3);
  await until(() => cluster.nodes.every(({ node }) => node.view(0).leader === null));
  const { url } = cluster.one;
  for (const [call, init] of writes) await settled(() => api.ask(url, call, { ...init, ...quick }), 503);
  for (const path of [
    "/v1/kv/a",
    "/v1/kv",
    "/v1/history?key=a",
    "/v1/leases",
    "/v1/leases/7",
    "/v1/watch",
    "/v1/settings",
    "/v1/snapshot",
  ])
    expect([path, (await api.ask(url, `GET ${path}`, quick)).status]).toEqual([path, 503]);
}

/** Repeats what depends on who leads just now until it ends as it is meant to. */
async function settled(ask: () => Promise<Response>, status: number): Promise<void> {
  while ((await ask()).status !== status);
}
