/** Rule X2 with real processes that are stopped under load for longer than an election takes, and then go on. */
import { expect, test } from "bun:test";
import { proaBinary } from "../helpers/binary.ts";
import { type RealCluster, withCluster } from "./cluster.ts";
import { until } from "../helpers/until.ts";
import { Load, lostKeys } from "./load.ts";

proaBinary();

/** Long enough that only what is stopped is missed, on a machine that is busy. */
const flags = ["--election-timeout", "1500ms"];

async function progress(load: Load, count: number): Promise<void> {
  const goal = load.acknowledgedCount + count;
  await until("writes go on", () => Promise.resolve(load.acknowledgedCount >= goal));
}

async function terms(cluster: RealCluster): Promise<number> {
  return Math.max(...(await cluster.statuses()).map((status) => status?.term ?? 0));
}

test("X2 a follower that was stopped under load goes on without an election, and nothing is lost", async () => {
  await withCluster(
    async (cluster) => {
      const leader = await cluster.leader();
      const stopped = cluster.ids.find((id) => id !== leader) ?? 0;
      const term = await terms(cluster);
      const load = new Load(cluster, { callers: 8, prefix: "f" });
      await progress(load, 50);
      cluster.signal(stopped, "SIGSTOP");
      await until("the leader has missed it for an election timeout", async () => {
        const status = await cluster.status(leader);
        return status?.peers.some(({ id, active }) => id === stopped && !active) === true;
      });
      cluster.signal(stopped, "SIGCONT");
      await progress(load, 50);
      const { acknowledged } = await load.stop();
      await cluster.caughtUp();
      expect((await terms(cluster)) - term).toBeLessThan(2);
      for (const id of cluster.ids) expect(await lostKeys(cluster, id, acknowledged)).toEqual([]);
    },
    3,
    flags,
  );
}, 60_000);

test("X2 a leader that was stopped under load acknowledges and answers nothing from before, and disturbs nobody", async () => {
  await withCluster(
    async (cluster) => {
      const stopped = await cluster.leader();
      const term = await terms(cluster);
      expect((await cluster.proa(["kv", "put", "x", "old"])).status).toBe(0);
      const load = new Load(cluster, { callers: 8, prefix: "l" });
      await progress(load, 50);
      cluster.signal(stopped, "SIGSTOP");
      const others = cluster.ids.filter((id) => id !== stopped);
      await until("another one leads", async () => {
        const statuses = await Promise.all(others.map((id) => cluster.status(id)));
        return statuses.some((status) => status?.role === "leader" && status.term > term);
      });
      const endpoints = others.map((id) => cluster.endpoint(id)).join(",");
      expect((await cluster.proa(["kv", "put", "x", "new"], { endpoints })).status).toBe(0);
      // Asked while it stands still: it reads this before it has heard that its office is over.
      const reads = ["lease", "linearizable"].map((consistency) =>
        fetch(`http://${cluster.endpoint(stopped)}/v1/kv/x?consistency=${consistency}`).then(async (response) => ({
          isAnswered: response.status === 200,
          text: await response.text(),
        })),
      );
      cluster.signal(stopped, "SIGCONT");
      for (const { isAnswered, text } of await Promise.all(reads)) if (isAnswered) expect(text).toContain("new");
      await progress(load, 50);
      const { acknowledged } = await load.stop();
      await cluster.caughtUp();
      expect((await terms(cluster)) - term).toBeLessThan(4);
      for (const id of cluster.ids) expect(await lostKeys(cluster, id, acknowledged)).toEqual([]);
    },
    3,
    flags,
  );
}, 60_000);
