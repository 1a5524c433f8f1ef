/** `proa snapshot`: what was acknowledged is in a saved file, and a new cluster of it goes on where it stood. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../../src/lib/random.ts";
import { proaBinary } from "../helpers/binary.ts";
import type { Finished } from "../helpers/run.ts";
import { type RealCluster, withCluster } from "./cluster.ts";
import { until } from "../helpers/until.ts";
import { Load, lostKeys } from "./load.ts";

proaBinary();

interface Facts {
  readonly cluster_id: string;
  readonly revision: number;
  readonly keys: number;
}

const facts = ({ stdout }: Finished): Facts => JSON.parse(stdout) as Facts;

function restore(cluster: RealCluster, id: number, file: string, data: string): Promise<Finished> {
  const where = ["--id", `${id}`, "--servers", cluster.servers, "--data", data];
  return cluster.proa(["snapshot", "restore", file, ...where, "--json"]);
}

test("a snapshot saved under load makes a new cluster with every write that was acknowledged before, and its history", async () => {
  await withCluster(async (cluster) => {
    const file = join(cluster.directory, "saved");
    for (const value of ["1", "2", "3"]) await cluster.proa(["kv", "put", "counter", value]);
    const repeated = ["kv", "put", "counter", "4", "--request-id", "1-client.1"];
    expect((await cluster.proa(repeated)).stdout).toBe("ok rev=5\n");
    const load = new Load(cluster, { callers: 4, prefix: "s" });
    await until("something is acknowledged", () => Promise.resolve(load.acknowledgedCount > 200));
    const before = load.acknowledgedCount;
    const saved = await cluster.proa(["snapshot", "save", file, "--json"]);
    expect([saved.status, saved.stderr]).toEqual([0, ""]);
    const after = load.acknowledgedCount;
    await until("writes go on", () => Promise.resolve(load.acknowledgedCount > after + 50));
    const { acknowledged } = await load.stop();
    const old = await cluster.proa(["snapshot", "info", file, "--json"]);
    expect(old.status).toBe(0);
    const { revision, keys } = facts(old);
    expect(keys).toBeGreaterThanOrEqual(before + 1);

    await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
    const ids = new Set<string>();
    for (const id of cluster.ids) {
      renameSync(cluster.data(id), join(cluster.directory, `old${id}`));
      const made = await restore(cluster, id, file, cluster.data(id));
      expect([made.status, made.stderr]).toEqual([0, ""]);
      ids.add(facts(made).cluster_id);
    }
    expect([ids.size, ids.has(facts(old).cluster_id)]).toEqual([1, false]);
    for (const id of cluster.ids) cluster.start(id);
    await cluster.leader();
    await cluster.caughtUp();
    for (const id of cluster.ids) expect(await lostKeys(cluster, id, acknowledged.slice(0, before))).toEqual([]);

    expect((await cluster.proa(["kv", "history", "counter"])).stdout).toMatch(
      /^ *5\tput\t4\n *4\tput\t3\n *3\tput\t2\n *2\tput\t1\n$/,
    );
    expect((await cluster.proa(["kv", "get", "counter", "--rev", "3"])).stdout).toBe("2");
    // What was answered before is answered again, and not done again.
    expect((await cluster.proa(repeated)).stdout).toBe("ok rev=5\n");
    expect((await cluster.proa(["kv", "put", "counter", "5"])).stdout).toBe(`ok rev=${revision + 1}\n`);
    expect((await cluster.proa(["kv", "get", "counter"])).stdout).toBe("5");
  });
}, 90_000);

test("the nodes of the old cluster refuse one that was restored", async () => {
  await withCluster(async (cluster) => {
    const file = join(cluster.directory, "saved");
    expect((await cluster.proa(["kv", "put", "a", "1"])).status).toBe(0);
    expect((await cluster.proa(["snapshot", "save", file])).status).toBe(0);
    const leader = await cluster.leader();
    const restored = cluster.ids.find((id) => id !== leader) ?? 0;
    await cluster.kill(restored);
    rmSync(cluster.data(restored), { recursive: true });
    expect((await restore(cluster, restored, file, cluster.data(restored))).status).toBe(0);
    cluster.start(restored);
    await until("it is refused", async () => ((await cluster.status(leader))?.transport.framesForeign ?? 0) > 0);
    expect((await cluster.proa(["kv", "put", "a", "2", "--timeout", "20s"])).status).toBe(0);
    const status = await cluster.status(restored);
    expect([status?.leader ?? null, status?.applied_index]).toEqual([
      null,
      JSON.parse((await cluster.proa(["snapshot", "info", file, "--json"])).stdout).index,
    ]);
  });
}, 90_000);

test("damage anywhere in a file is found, and nothing is made of it", async () => {
  await withCluster(async (cluster) => {
    const [file, data] = [join(cluster.directory, "saved"), join(cluster.directory, "restored")];
    for (const key of ["a", "b", "c"]) await cluster.proa(["kv", "put", key, key.repeat(1000)]);
    expect((await cluster.proa(["snapshot", "save", file])).status).toBe(0);
    const whole = readFileSync(file);
    const random = seededRandom(7);
    for (let round = 0; round < 6; round++) {
      const damaged = Buffer.from(whole);
      const at = Math.floor(random.next() * whole.length);
      damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << (round % 8)), at);
      writeFileSync(file, round === 5 ? whole.subarray(0, at) : damaged);
      const [info, made] = await Promise.all([
        cluster.proa(["snapshot", "info", file]),
        restore(cluster, 1, file, data),
      ]);
      expect([round, at, info.status, made.status]).toEqual([round, at, 9, 9]);
      expect(info.stderr).toMatch(/^proa: error: Cannot use .+\nhint: .*save a new one with proa snapshot save\n$/);
      expect(info.stdout).toBe("");
      expect(readdirSync(cluster.directory)).not.toContain("restored");
    }
    writeFileSync(file, whole);
    expect((await restore(cluster, 1, file, data)).status).toBe(0);
    const again = await restore(cluster, 1, file, data);
    expect([again.status, again.stderr.includes("is not empty")]).toEqual([9, true]);
  }, 1);
}, 90_000);
