/** Old revisions, histories and settings over HTTP, and the compaction that follows from the settings, on a single node. */
import { expect, test } from "bun:test";
import { errorOf, withCluster } from "./service_cluster.ts";

async function json(response: Response): Promise<unknown> {
  return await response.json();
}

test("keys are read at old revisions, and their history is listed", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    for (const body of ["one", "two"]) await fetch(`${url}/v1/kv/k`, { method: "PUT", body });
    await fetch(`${url}/v1/kv/k`, { method: "DELETE" });
    expect(await (await fetch(`${url}/v1/kv/k?revision=2`)).text()).toBe("one");
    const gone = await fetch(`${url}/v1/kv/k?revision=4`);
    expect(await errorOf(gone)).toMatchObject({
      code: "NOT_FOUND",
      message: "Cannot get: there is no such key at revision 4",
    });
    expect(await json(await fetch(`${url}/v1/kv?prefix=&revision=3`))).toMatchObject({
      kvs: [{ key: "k", value: "two" }],
    });
    const future = await fetch(`${url}/v1/kv/k?revision=9`);
    expect([future.status, (await errorOf(future))["code"]]).toEqual([404, "FUTURE_REVISION"]);
    expect(await json(await fetch(`${url}/v1/history?key=k`))).toMatchObject({
      revision: 4,
      compacted_revision: 1,
      key: "k",
      versions: [
        { mod_revision: 4, deleted: true },
        { mod_revision: 3, create_revision: 2, version: 2, lease: 0, value: "two" },
        { mod_revision: 2, create_revision: 2, version: 1, lease: 0, value: "one" },
      ],
      more: false,
    });
    expect(await json(await fetch(`${url}/v1/history?key=k&below=4&limit=1&consistency=lease`))).toMatchObject({
      versions: [{ mod_revision: 3 }],
      more: true,
      below: 3,
    });
    expect((await fetch(`${url}/v1/history`)).status).toBe(400);
  }));

test("settings are changed for all nodes, and the leader compacts by them", () =>
  withCluster(1, async (cluster) => {
    const { url } = cluster.one;
    await cluster.leader();
    const defaults = {
      history_revisions: 100_000,
      history_bytes: 256 * 2 ** 20,
      request_answers: 100_000,
      request_bytes: 64 * 2 ** 20,
    };
    expect(await json(await fetch(`${url}/v1/settings`))).toEqual(defaults);
    const change = (body: unknown): Promise<Response> =>
      fetch(`${url}/v1/settings`, { method: "PATCH", body: JSON.stringify(body) });
    expect(await json(await change({ history_revisions: 3 }))).toEqual({ ...defaults, history_revisions: 3 });
    for (const wrong of [{ history_revisions: 0 }, { nothing: 1 }, { history_bytes: "1" }, {}, 7, null])
      expect((await change(wrong)).status).toBe(400);
    for (let i = 0; i < 8; i++) await fetch(`${url}/v1/kv/k`, { method: "PUT", body: String(i) });
    for (;;) {
      const old = await fetch(`${url}/v1/kv/k?revision=3`);
      await old.arrayBuffer();
      if (old.status === 410) break; // the leader proposes it behind the put that was answered
    }
    const error = await errorOf(await fetch(`${url}/v1/kv/k?revision=3`));
    expect(error).toMatchObject({ code: "COMPACTED", exit: 5, applied: "no" });
    expect(await (await fetch(`${url}/v1/kv/k?revision=8`)).text()).toBe("6");
  }));
