/** Rule P13 with real processes: a node that lost its data directory gives nobody a majority, stops, and is replaced by another. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { proaBinary } from "../helpers/binary.ts";
import { freePorts } from "../helpers/free_port.ts";
import { type RealCluster, withCluster } from "./cluster.ts";
import { until } from "../helpers/until.ts";
import { Load, lostKeys } from "./load.ts";

proaBinary();

/** Some writes, all of them acknowledged. */
async function write(cluster: RealCluster, prefix: string, to = cluster.ids): Promise<readonly string[]> {
  const load = new Load(cluster, { callers: 4, prefix, targets: () => to });
  await until("some writes are acknowledged", () => Promise.resolve(load.acknowledgedCount > 100));
  return (await load.stop()).acknowledged;
}

/** Takes the disk of a node away, starts it with the command that it was started with, and waits until it has ended. */
async function comeBackEmpty(cluster: RealCluster, id: number): Promise<number | null> {
  await cluster.kill(id);
  rmSync(cluster.data(id), { recursive: true });
  cluster.start(id);
  return cluster.exitOf(id);
}

test("P13 a follower on an empty directory stops with exit 9, and is replaced under a new id", async () => {
  await withCluster(async (cluster) => {
    const acknowledged = [...(await write(cluster, "first"))];
    await cluster.caughtUp();
    const leader = await cluster.leader();
    const [wiped = 0, other = 0] = cluster.ids.filter((id) => id !== leader);
    expect(await comeBackEmpty(cluster, wiped)).toBe(9);
    const said = cluster.log(wiped);
    expect(said).toContain(`Cannot go on as node ${wiped}: the cluster knows it by another data directory`);
    expect(said).toContain(`proa cluster remove ${wiped}, then proa cluster add 4 HOST:PORT`);
    expect((await cluster.status(leader))?.peers.find(({ id }) => id === wiped)?.state).toBe("refused");
    acknowledged.push(...(await write(cluster, "without")));

    const [replicate = 0, service = 0] = await freePorts(2);
    const address = [`127.0.0.1:${replicate}`, `127.0.0.1:${service}`];
    const removed = await cluster.proa(["cluster", "remove", `${wiped}`]);
    expect([removed.status, removed.stderr]).toEqual([0, ""]);
    const added = await cluster.proa(["cluster", "add", "4", ...address, "--learner"]);
    expect([added.status, added.stderr]).toEqual([0, ""]);
    const data = join(cluster.directory, "n4");
    const join4 = ["node", "start", "--id", "4", "--join", cluster.endpoint(leader), "--data", data];
    const child = spawn(proaBinary(), join4, { stdio: "ignore" });
    try {
      const promoted = await cluster.proa(["cluster", "promote", "4", "--timeout", "30s"]);
      expect([promoted.status, promoted.stderr]).toEqual([0, ""]);
      await cluster.kill(other); // what is written now is on the new node
      const put = await cluster.proa(["kv", "put", "last", "last"]);
      expect(put.status).toBe(0);
      acknowledged.push("last");
      expect(await lostKeys(cluster, leader, acknowledged)).toEqual([]);
    } finally {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }
  });
}, 60_000);

test("P13 the leader is dead when a wiped follower comes back: the other one does not count it, and nothing is lost", async () => {
  await withCluster(async (cluster) => {
    await cluster.caughtUp();
    const leader = await cluster.leader();
    const [wiped = 0, other = 0] = cluster.ids.filter((id) => id !== leader);
    await cluster.kill(other); // what is written now is on the leader, and on the disk that will be lost
    const acknowledged = await write(cluster, "k", [leader]);
    await cluster.kill(leader);
    await cluster.kill(wiped);
    rmSync(cluster.data(wiped), { recursive: true });
    cluster.start(other);
    cluster.start(wiped);
    // Both would elect each other, if the one that has a memory did not know who is missing.
    await until("both have asked and answered each other several times", async () => {
      const received = await Promise.all([other, wiped].map((id) => cluster.status(id)));
      return received.every((status) => (status?.transport.messagesReceived ?? 0) > 4);
    });
    const statuses = await Promise.all([cluster.status(other), cluster.status(wiped)]);
    expect(statuses.map((status) => [status?.role === "leader", status?.leader])).toEqual([
      [false, null],
      [false, null],
    ]);
    cluster.start(leader);
    expect(await cluster.exitOf(wiped)).toBe(9);
    expect(await cluster.leader()).toBe(leader);
    await until("the other one has caught up", async () => {
      const [mine, theirs] = await Promise.all([cluster.status(leader), cluster.status(other)]);
      return mine !== null && mine.applied_index === theirs?.applied_index;
    });
    for (const id of [leader, other]) expect(await lostKeys(cluster, id, acknowledged)).toEqual([]);
  });
}, 60_000);
