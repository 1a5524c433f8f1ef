/** Nodes that die: nothing acknowledged is lost, and the rest go on. The times are measured by bench/failover.ts. */
import { expect, test } from "bun:test";
import { proaBinary } from "../helpers/binary.ts";
import { withCluster } from "./cluster.ts";
import { until } from "../helpers/until.ts";
import { Load, lostKeys } from "./load.ts";

proaBinary();

test("the leader is killed: the next put succeeds, and the node catches up when it is back", async () => {
  await withCluster(async (cluster) => {
    const acknowledged: string[] = [];
    for (let round = 0; round < 2; round++) {
      const leader = await cluster.leader();
      await cluster.kill(leader);
      const key = `after-${round}`;
      const put = await cluster.proa(["kv", "put", key, key]);
      expect(put).toEqual({ status: 0, stdout: expect.stringMatching(/^ok rev=\d+\n$/), stderr: "" });
      acknowledged.push(key);
      const degraded = await cluster.proa(["cluster", "status", "--check"]);
      expect(degraded.status).toBe(7);
      cluster.start(leader);
      await cluster.caughtUp();
    }
    const status = await cluster.proa(["cluster", "status", "--check"]);
    expect(status.stdout).toContain("healthy");
    expect(status.status).toBe(0);
    for (const id of cluster.ids) {
      for (const key of acknowledged) {
        const get = await cluster.proa(["kv", "get", key, "--consistency", "stale"], {
          endpoints: cluster.endpoint(id),
        });
        expect(get.stdout).toBe(key);
      }
    }
  });
}, 60_000);

test("all nodes are killed in the middle of writes: every acknowledged write is there afterwards", async () => {
  await withCluster(async (cluster) => {
    const acknowledged: string[] = [];
    for (let round = 0; round < 3; round++) {
      const load = new Load(cluster, { callers: 16, prefix: `r${round}` });
      await until("some writes are acknowledged", () => Promise.resolve(load.acknowledgedCount > 300));
      await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
      acknowledged.push(...(await load.stop()).acknowledged);
      for (const id of cluster.ids) cluster.start(id);
      await cluster.leader();
      await cluster.caughtUp();
    }
    for (const id of cluster.ids) expect(await lostKeys(cluster, id, acknowledged)).toEqual([]);
  });
}, 90_000);

test("leadership is handed over under load: no put fails", async () => {
  await withCluster(async (cluster) => {
    const load = new Load(cluster, { callers: 16, prefix: "t" });
    for (let round = 0; round < 3; round++) {
      const before = load.acknowledgedCount;
      await until("writes go on", () => Promise.resolve(load.acknowledgedCount > before + 100));
      const from = await cluster.leader();
      const to = cluster.ids.find((id) => id !== from) ?? 0;
      const transfer = await cluster.proa(["leader", "transfer", "--to", `${to}`]);
      expect(transfer.stderr).toBe("");
      expect(transfer.stdout).toMatch(new RegExp(`^leader ${from} → ${to}, term \\d+ → \\d+, \\d+ ms\\n$`));
      expect(await cluster.leader()).toBe(to);
    }
    const report = await load.stop();
    expect([report.refused, report.unknown, report.unreachable]).toEqual([0, 0, 0]);
    await cluster.caughtUp();
    for (const id of cluster.ids) expect(await lostKeys(cluster, id, report.acknowledged)).toEqual([]);
  });
}, 60_000);

test("without a quorum nothing is promised, reads are refused, and only a stale read answers", async () => {
  await withCluster(async (cluster) => {
    expect((await cluster.proa(["kv", "put", "a", "1"])).status).toBe(0);
    await cluster.caughtUp();
    const leader = await cluster.leader();
    const follower = cluster.ids.find((id) => id !== leader) ?? 0;
    for (const id of cluster.ids) if (id !== follower && id !== leader) await cluster.kill(id);
    await cluster.kill(leader);

    const put = await cluster.proa(["kv", "put", "a", "2", "--timeout", "1s"]);
    expect([3, 4]).toContain(put.status ?? -1);
    expect(put.stderr).toMatch(/^proa: error: .+\nhint: .+\n$/);
    const get = await cluster.proa(["kv", "get", "a", "--timeout", "1s"]);
    expect([get.status, get.stdout]).toEqual([3, ""]);
    const stale = await cluster.proa(["kv", "get", "a", "--consistency", "stale"]);
    expect([stale.status, stale.stdout]).toEqual([0, "1"]);
    expect((await cluster.proa(["wait", "leader", "--timeout", "300ms"])).status).toBe(124);
  });
}, 60_000);

test("a leader that loses its quorum in the middle of a write does not acknowledge it", async () => {
  await withCluster(async (cluster) => {
    const leader = await cluster.leader();
    await Promise.all(cluster.ids.filter((id) => id !== leader).map((id) => cluster.kill(id)));
    const put = await cluster.proa(["kv", "put", "a", "1", "--timeout", "3s", "--json"], {
      endpoints: cluster.endpoint(leader),
    });
    expect([3, 4]).toContain(put.status ?? -1);
    const { error } = JSON.parse(put.stderr) as { error: { exit: number; applied: string } };
    expect(error.exit).toBe(put.status ?? -1);
    expect(error.applied).toBe(put.status === 4 ? "unknown" : "no");
  });
}, 60_000);
