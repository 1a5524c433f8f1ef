/** Snapshots of real processes: a node that was away gets one while writes go on, and nothing acknowledged is lost. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { proaBinary } from "../helpers/binary.ts";
import { withCluster } from "./cluster.ts";
import { until } from "../helpers/until.ts";
import { Load, lostKeys } from "./load.ts";

proaBinary();

const flags = ["--snapshot-entries", "30", "--snapshot-size", "32KiB"];

test("S1 to S5: a follower that was killed catches up by a snapshot while writes go on, and so do all after a restart", async () => {
  await withCluster(
    async (cluster) => {
      const leader = await cluster.leader();
      const away = cluster.ids.find((id) => id !== leader) ?? 0;
      await cluster.kill(away);
      const load = new Load(cluster, { callers: 4, prefix: "s" });
      const firstIndex = async (): Promise<number> => (await cluster.status(leader))?.first_index ?? 0;
      await until("the log of the leader is compacted", async () => (await firstIndex()) > 100);
      cluster.start(away);
      await until("the node has a snapshot of the leader", async () => {
        const status = await cluster.status(away);
        return status !== null && status.first_index > 90;
      });
      await until("it says so", () => Promise.resolve(cluster.log(away).includes("snapshot installed")));
      const { acknowledged } = await load.stop();
      await cluster.caughtUp();
      await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
      for (const id of cluster.ids) cluster.start(id);
      await cluster.leader();
      await cluster.caughtUp();
      for (const id of cluster.ids) {
        expect(await lostKeys(cluster, id, acknowledged)).toEqual([]);
        expect(readdirSync(join(cluster.data(id), "snapshots")).length).toBeLessThanOrEqual(2);
      }
    },
    3,
    flags,
  );
}, 90_000);
