/** `GET /v1/snapshot` on real nodes: one moment of the store, while it goes on; few at a time; broken off, never cut short in silence. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Store } from "../../src/kv/mod.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { openFileBytes, SavedSnapshot, type SavedFacts } from "../../src/storage/mod.ts";
import { readRangeAnswer, writeRange } from "../../src/wire/mod.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { read } from "../kv/driver.ts";
import { errorOf, withCluster } from "./service_cluster.ts";
import type { ClusterNode } from "./service_cluster.ts";

/** The keys and values of a store. */
function contentOf(store: Store): Readonly<Record<string, string>> {
  const query = new ByteWriter();
  writeRange(query, { start: new Uint8Array(0), end: null, limit: 1000, keysOnly: false });
  const { items } = readRangeAnswer(read(store, query.take()));
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes.subarray(0, 20));
  return Object.fromEntries(items.map(({ key, state }) => [text(key), text(state.value)]));
}

/** The store that a saved snapshot holds, and what the file says about it. */
async function restored(bytes: Uint8Array): Promise<{ readonly store: Store; readonly facts: SavedFacts }> {
  const store = new Store();
  const found: SavedFacts[] = [];
  await inTempDirectory((directory) => {
    const path = join(directory, "file");
    writeFileSync(path, bytes);
    const saved = new SavedSnapshot(openFileBytes(path));
    saved.verify();
    found.push(saved.facts);
    const sink = store.restore(saved.meta.index);
    saved.readAll((piece) => {
      sink.push(piece);
    });
    sink.finish();
    saved.close();
  });
  const [facts] = found;
  if (facts === undefined) throw new Error("the file says nothing about itself");
  return { store, facts };
}

async function bytesOf(response: Response): Promise<Uint8Array> {
  return new Uint8Array(await response.arrayBuffer());
}

const put = ({ url }: ClusterNode, key: string, body: string): Promise<Response> =>
  fetch(`${url}/v1/kv/${key}`, { method: "PUT", body });

test("it is the store as it was when it was asked for, whatever is written meanwhile, and each node has it", () =>
  withCluster(3, async (cluster) => {
    const leader = await cluster.leader();
    const big = "v".repeat(300_000);
    for (const key of ["a", "b", "c", "d"]) await put(leader, key, big);
    await put(leader, "a", "second");
    for (const node of cluster.nodes) {
      const head = await fetch(`${node.url}/v1/snapshot`, { method: "HEAD" });
      expect([head.status, head.headers.get("content-type")]).toEqual([200, "application/octet-stream"]);
      const response = await fetch(`${node.url}/v1/snapshot`);
      const revision = Number(response.headers.get("x-proa-revision"));
      expect(response.headers.get("content-disposition")).toBe(`attachment; filename="test-${revision}.snapshot"`);
      await put(leader, "b", `changed for ${node.id}`);
      await fetch(`${leader.url}/v1/kv/c`, { method: "DELETE" });
      const { store, facts } = await restored(await bytesOf(response));
      expect([store.revision, facts.revision, facts.keys]).toEqual([revision, revision, 4]);
      expect(String(facts.index)).toBe(response.headers.get("x-proa-applied") ?? "");
      const { cluster: name, nodeId, clusterId } = facts;
      expect([name, nodeId, clusterId]).toEqual(["test", node.id, "0123456789abcdef0123456789abcdef"]);
      const content = contentOf(store);
      expect(Object.keys(content)).toEqual(["a", "b", "c", "d"]);
      expect([content["a"], content["d"]]).toEqual(["second", "v".repeat(20)]);
      expect(content["b"] === `changed for ${node.id}`.slice(0, 20)).toBe(false);
      await put(leader, "c", "again");
    }
  }));

test("a node without a majority refuses it, and gives what it has where that is enough", () =>
  withCluster(3, async (cluster) => {
    const leader = await cluster.leader();
    await put(leader, "a", "1");
    cluster.isolate(leader.id);
    const refused = await fetch(`${leader.url}/v1/snapshot`, { headers: { "x-proa-timeout-ms": "100" } });
    expect(refused.status).toBe(503);
    const { store } = await restored(await bytesOf(await fetch(`${leader.url}/v1/snapshot?consistency=stale`)));
    expect(contentOf(store)).toEqual({ a: "1" });
    for (const query of ["consistency=lease", "consistency=stale&consistency=stale", "revision=1"])
      expect((await fetch(`${leader.url}/v1/snapshot?${query}`)).status).toBe(400);
  }));

test("a node that knows nothing yet has none", () =>
  withCluster(3, async (cluster) => {
    cluster.isolate(1);
    const refused = await fetch(`${cluster.one.url}/v1/snapshot?consistency=stale`);
    expect([refused.status, (await errorOf(refused))["code"]]).toEqual([503, "NO_LEADER"]);
  }));

test("only a few leave at a time; one that is given up makes room, and one that nobody reads is broken off", () =>
  withCluster(
    1,
    async (cluster) => {
      await cluster.leader();
      const { url } = cluster.one;
      const value = "v".repeat(1 << 20);
      for (let i = 0; i < 12; i++) await put(cluster.one, `k${i}`, value);
      const first = await fetch(`${url}/v1/snapshot`);
      const second = await fetch(`${url}/v1/snapshot`);
      const third = await fetch(`${url}/v1/snapshot`);
      expect([first.status, second.status, third.status]).toEqual([200, 200, 503]);
      expect((await errorOf(third))["code"]).toBe("OVERLOADED");
      await second.body?.cancel();
      const admitted = async (): Promise<boolean> => {
        const response = await fetch(`${url}/v1/snapshot`);
        await response.body?.cancel();
        return response.status === 200;
      };
      while (!(await admitted()));
      await bytesOf(first).then(
        (bytes) => restored(bytes).then(({ store }) => expect(store.keyCount).toBe(12)), // it was read fast enough
        () => undefined,
      );
      // Nobody reads these two, and still there is room in the end.
      const unread = [await fetch(`${url}/v1/snapshot`), await fetch(`${url}/v1/snapshot`)];
      while (!(await admitted()));
      expect(unread.length).toBe(2);
    },
    { snapshotsMax: 2, snapshotPauseMsMax: 300 },
  ));

test("a node that stops breaks it off, so that it is not taken for whole", () =>
  withCluster(1, async (cluster) => {
    await cluster.leader();
    const value = "v".repeat(1 << 20);
    for (let i = 0; i < 12; i++) await put(cluster.one, `k${i}`, value);
    const response = await fetch(`${cluster.one.url}/v1/snapshot`);
    const reader = response.body?.getReader();
    await reader?.read();
    const stopped = cluster.one.service.stop();
    let broke = false;
    try {
      for (let done = false; !done;) done = (await reader?.read())?.done ?? true;
    } catch {
      broke = true; // each runtime words it in its own way
    }
    expect(broke).toBe(true);
    await stopped;
  }));
