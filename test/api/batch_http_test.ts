/** `POST /v1/batch`. */
import { expect, test } from "bun:test";
import { errorOf, until, withCluster } from "./service_cluster.ts";
import type { ClusterNode } from "./service_cluster.ts";

function post({ url }: ClusterNode, body: unknown, query = ""): Promise<Response> {
  return fetch(`${url}/v1/batch${query}`, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

test("operations are run in their order on any node, each with its own result", () =>
  withCluster(3, async (cluster) => {
    await cluster.leader();
    const ops = [
      { op: "put", key: "a", value: "1" },
      { op: "put", key: "a", value: "2", if_absent: true },
      { op: "get", key: "a" },
      { op: "put", key_b64: "/w==", value_b64: "/w==" },
      { op: "get", key_b64: "/w==" },
      { op: "del", key: "a", if_rev: 7 },
      { op: "del", key: "a", if_rev: 2 },
      { op: "get", key: "a" },
      { op: "del", start: "" },
    ];
    const response = await post(await cluster.follower(), { ops });
    expect(response.status).toBe(200);
    const { results } = (await response.json()) as { results: unknown };
    const stamps = { version: 1, lease: 0 };
    const failed = { exit: 6, applied: "no", tried: [] };
    expect(results).toEqual([
      { ok: true, revision: 2, mod_revision: 2 },
      {
        ok: false,
        error: {
          ...failed,
          code: "PRECONDITION_FAILED",
          message: "Cannot put: the mod revision of the key is 2",
          revision: 2,
        },
      },
      { ok: true, value: "1", create_revision: 2, mod_revision: 2, ...stamps },
      { ok: true, revision: 3, mod_revision: 3 },
      { ok: true, value_b64: "/w==", create_revision: 3, mod_revision: 3, ...stamps },
      {
        ok: false,
        error: {
          ...failed,
          code: "PRECONDITION_FAILED",
          message: "Cannot delete: the mod revision of the key is 2",
          revision: 2,
        },
      },
      { ok: true, revision: 4, deleted: 1 },
      {
        ok: false,
        error: { code: "NOT_FOUND", exit: 5, message: "Cannot get: there is no such key", applied: "no", tried: [] },
      },
      { ok: true, revision: 5, deleted: 1 },
    ]);
  }));

test("a batch that is wrong somewhere does nothing", () =>
  withCluster(
    1,
    async (cluster) => {
      await cluster.leader();
      const put = { op: "put", key: "a", value: "1" };
      for (const [body, status, message] of [
        ["{", 400, 'Cannot run the batch: the body is not {"ops":[…]}'],
        [{ ops: [put], more: 1 }, 400, 'Cannot run the batch: the body is not {"ops":[…]}'],
        [{ ops: [] }, 400, "Cannot run the batch: it holds no operation"],
        [{ ops: [put, put, put, put] }, 413, "Cannot run the batch: it holds 4 operations, the limit is 3"],
        [
          { ops: [put, { op: "get" }] },
          400,
          "Cannot read the operation: key is missing (operation 2 of the batch; nothing was run)",
        ],
        ["x".repeat(1001), 413, "Cannot run the batch: the body has 1001 bytes, the limit is 1000"],
      ] as const) {
        const response = await post(cluster.one, body);
        expect(response.status).toBe(status);
        expect((await errorOf(response))["message"]).toBe(message);
      }
      expect((await post(cluster.one, { ops: [put] }, "?x=1")).status).toBe(400);
      expect(cluster.one.node.view(0).revision).toBe(1);
    },
    { batchBytesMax: 1000, queriesMax: 3 },
  ));

test("without a leader every operation says so", () =>
  withCluster(3, async (cluster) => {
    const { id } = await cluster.follower();
    cluster.isolate(id);
    await until(() => cluster.at(id).node.view(0).leader === null);
    const response = await fetch(`${cluster.at(id).url}/v1/batch`, {
      method: "POST",
      body: JSON.stringify({
        ops: [
          { op: "get", key: "a" },
          { op: "del", key: "a" },
        ],
      }),
      headers: { "X-Proa-Timeout-Ms": "300" },
    });
    const { results } = (await response.json()) as { results: { ok: boolean; error?: { applied?: string } }[] };
    expect(results.map(({ ok, error }) => [ok, error?.applied])).toEqual([
      [false, "no"],
      [false, "no"],
    ]);
  }));
