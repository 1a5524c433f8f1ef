/** `Idempotency-Key` over HTTP, on a single node. */
import { expect, test } from "bun:test";
import { errorOf, withCluster } from "./service_cluster.ts";

test("a request with an Idempotency-Key takes effect once, and is answered alike every time", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    const applied = (await fetch(`${url}/readyz`)).headers.get("x-proa-applied");
    const send = (key: string, method: string, path: string, body?: string): Promise<Response> =>
      fetch(url + path, { method, headers: { "idempotency-key": key }, ...(body !== undefined && { body }) });
    for (let i = 0; i < 3; i++) {
      const put = await send(`${applied}-mine`, "PUT", "/v1/kv/k", "one");
      expect(await put.json()).toEqual({ revision: 2, mod_revision: 2 });
    }
    await fetch(`${url}/v1/kv/k`, { method: "PUT", body: "two" });
    for (let i = 0; i < 2; i++) {
      const removed = await send(`${applied}-mine.2`, "DELETE", "/v1/kv/k");
      expect(await removed.json()).toEqual({ revision: 4, deleted: 1 });
    }
    const txn = JSON.stringify({ then: [{ op: "put", key: "k", value: "3" }] });
    for (let i = 0; i < 2; i++) {
      const put = await send(`${applied}-mine.3`, "POST", "/v1/txn", txn);
      expect(await put.json()).toEqual({ succeeded: true, revision: 5, results: [{ op: "put", mod_revision: 5 }] });
    }
    const malformed = await send("something", "PUT", "/v1/kv/k", "x");
    expect([malformed.status, (await errorOf(malformed))["code"]]).toEqual([400, "INVALID_REQUEST"]);
    expect((await send("999999-a", "PUT", "/v1/kv/k", "x")).status).toBe(400);
    expect((await send(`${applied}-a`, "PATCH", "/v1/settings", "{}")).status).toBe(400);
    expect((await send(`${applied}-a`, "GET", "/v1/kv/k")).status).toBe(400);
    await fetch(`${url}/v1/settings`, { method: "PATCH", body: JSON.stringify({ request_answers: 1 }) });
    await send(`${applied}-last`, "PUT", "/v1/kv/k", "x");
    const expired = await send(`${applied}-mine`, "PUT", "/v1/kv/k", "one");
    expect(expired.status).toBe(409);
    expect(await errorOf(expired)).toMatchObject({ code: "REQUEST_EXPIRED", exit: 6, applied: "unknown" });
    expect(await (await fetch(`${url}/v1/kv/k`)).text()).toBe("x");
  }));
