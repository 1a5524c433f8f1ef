/** A cluster grows, shrinks and moves by the commands that an operator types, on the compiled executable, while clients write. */
import { expect, test } from "bun:test";
import { proaBinary } from "../helpers/binary.ts";
import { withCluster, type RealCluster } from "./cluster.ts";
import { until } from "../helpers/until.ts";
import { Load, lostKeys } from "./load.ts";

proaBinary();

/** The arguments by which the cluster is told of a node: its id and where it listens. */
function place(cluster: RealCluster, id: number): readonly string[] {
  return [`${id}`, ...cluster.addresses(id)];
}

async function ok(cluster: RealCluster, ...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await cluster.proa(args);
  expect([args, status, stderr]).toEqual([args, 0, ""]);
  return stdout;
}

/** The end of a command that fails: its exit status and what it says. */
async function fails(cluster: RealCluster, ...args: readonly string[]): Promise<readonly [number | null, string]> {
  const { status, stdout, stderr } = await cluster.proa(args);
  expect([args, stdout]).toEqual([args, ""]);
  return [status, stderr];
}

async function grow(cluster: RealCluster): Promise<void> {
  await cluster.reserve(2);
  expect(await ok(cluster, "cluster", "add", ...place(cluster, 2), "--learner")).toBe("node 2 added as a learner\n");
  const early = await fails(cluster, "cluster", "promote", "2", "--timeout", "1s");
  expect(early[0]).toBe(3);
  expect(early[1]).toMatch(/^proa: error: .*node 2 must be a learner that is up and has caught up.*\nhint: .*--join/);
  cluster.start(2);
  expect(await ok(cluster, "cluster", "promote", "2", "--timeout", "20s")).toBe(
    "node 2 votes   voters 1 → 1,2   quorum 1/1 → 2/2   learners 2 → none\n",
  );

  await cluster.reserve(3);
  const added = ok(cluster, "cluster", "add", ...place(cluster, 3), "--timeout", "20s");
  await until("node 3 is known", async () => (await ok(cluster, "cluster", "members")).includes("\n3 "));
  cluster.start(3);
  expect(await added).toBe("node 3 votes   voters 1,2 → 1,2,3   quorum 2/2 → 2/3   learners 3 → none\n");
  await ok(cluster, "wait", "members", "1,2,3");
  await cluster.caughtUp();
}

test("one node becomes three under load; a plan refuses to lose the quorum; the leader leaves and says so", async () => {
  await withCluster(async (cluster) => {
    const load = new Load(cluster, { callers: 2, prefix: "m" });
    await grow(cluster);
    const leader = await cluster.leader();
    const lines = (await ok(cluster, "cluster", "members")).trimEnd().split("\n");
    expect(lines.length).toBe(4);
    for (const id of [1, 2, 3]) {
      const [, replicate = "", service = ""] = place(cluster, id);
      expect(lines[id]?.split(/\s+/).filter(Boolean)).toEqual([
        `${id}`,
        "voter",
        replicate,
        service,
        ...(id === leader ? ["leader"] : []),
      ]);
    }

    const [dead = 0, other = 0] = [1, 2, 3].filter((id) => id !== leader);
    await cluster.kill(dead);
    await until("the leader misses it", async () => {
      const status = await cluster.status(leader);
      return status?.peers.some(({ id, active }) => id === dead && !active) === true;
    });
    for (const plan of [["--plan"], []]) {
      const [status, said] = await fails(cluster, "cluster", "remove", `${other}`, ...plan);
      expect(status).toBe(3);
      expect(said).toContain(`node ${dead} does not answer, and without it there would be no majority`);
      expect(said).toContain("\nhint: ");
    }
    cluster.start(dead);
    await cluster.caughtUp();

    const rest = [1, 2, 3].filter((id) => id !== leader);
    const planned = `voters 1,2,3 → ${rest.join()}   quorum 2/3 → 2/2`;
    expect(await ok(cluster, "cluster", "remove", `${leader}`, "--plan")).toBe(`would change   ${planned}\n`);
    expect(await ok(cluster, "cluster", "remove", `${leader}`)).toBe(`node ${leader} removed for good   ${planned}\n`);
    await until("the node that left knows it", async () => (await cluster.status(leader))?.removed === true);
    await until("it says so", () => Promise.resolve(cluster.log(leader).includes("has left the cluster for good")));
    expect(cluster.log(leader)).toContain(`advice="stop it and delete its directory"`);
    const gone = await cluster.proa(["kv", "put", "a", "1", "--timeout", "1m"], {
      endpoints: cluster.endpoint(leader),
    });
    expect(gone.status).toBe(3);
    expect(gone.stderr).toContain("Cannot put a: this node has left the cluster for good");
    expect(gone.stderr).toContain(`\nhint: ask ${rest.map((id) => cluster.endpoint(id)).join()}\n`);

    const [status, said] = await fails(cluster, "cluster", "add", ...place(cluster, leader));
    expect(status).toBe(3);
    expect(said).toBe(
      `proa: error: Cannot change the members: node ${leader} has left for good\nhint: use an id that was never used, with an empty directory\n`,
    );
    await cluster.forget(leader);

    const { acknowledged } = await load.stop();
    await cluster.caughtUp();
    expect(acknowledged.length).toBeGreaterThan(100);
    for (const id of rest) expect(await lostKeys(cluster, id, acknowledged)).toEqual([]);
    expect(await ok(cluster, "cluster", "status", "--check")).toContain("quorum 2/2   healthy");
  }, 1);
}, 60_000);

test("three nodes take the place of three in one change, and nobody who left comes back", async () => {
  await withCluster(async (cluster) => {
    const load = new Load(cluster, { callers: 2, prefix: "s" });
    for (const id of [4, 5, 6]) {
      await cluster.reserve(id);
      await ok(cluster, "cluster", "add", ...place(cluster, id), "--learner");
      cluster.start(id);
    }
    const refused = await fails(cluster, "cluster", "set", "4,5,7");
    expect(refused[0]).toBe(5);
    expect(await ok(cluster, "cluster", "set", "4,5,6", "--plan")).toBe(
      "would change   voters 1,2,3 → 4,5,6   quorum 2/3 → 2/3   learners 4,5,6 → none\n",
    );
    await ok(cluster, "cluster", "set", "4,5,6", "--timeout", "20s");
    await ok(cluster, "wait", "members", "4,5,6");
    await until("all that left say so", async () => {
      const statuses = await Promise.all([1, 2, 3].map((id) => cluster.status(id)));
      return statuses.every((status) => status?.removed === true);
    });
    const { acknowledged, unknown } = await load.stop();
    expect(unknown).toBe(0);
    await cluster.kill(1);
    cluster.start(1); // with its old list and directory
    await until("it is told again", async () => (await cluster.status(1))?.removed === true);
    for (const id of [1, 2, 3]) await cluster.forget(id);
    await cluster.caughtUp();
    for (const id of cluster.ids) expect(await lostKeys(cluster, id, acknowledged)).toEqual([]);
    const again = await cluster.proa([
      "node",
      "start",
      "--id",
      "1",
      "--join",
      cluster.endpoints,
      "--data",
      `${cluster.data(1)}-new`,
    ]);
    expect(again.status).toBe(9);
    expect(again.stderr).toContain("Cannot join as node 1: that node has left the cluster for good");
    expect(again.stderr).toContain(
      "\nhint: add it under an id that was never used: proa cluster add NEW_ID host:port\n",
    );
  });
}, 60_000);

test("an observer of a new cluster learns until it is promoted", async () => {
  await withCluster(
    async (cluster) => {
      expect(await ok(cluster, "cluster", "members")).toMatch(/^3 +learner /m);
      expect(await ok(cluster, "cluster", "status")).toContain("quorum 2/2   healthy");
      await ok(cluster, "kv", "put", "a", "1");
      await cluster.caughtUp();
      const read = await cluster.proa(["kv", "get", "a"], { endpoints: cluster.endpoint(3) });
      expect(read.stdout).toBe("1");
      expect(await ok(cluster, "cluster", "promote", "3", "--timeout", "20s")).toBe(
        "node 3 votes   voters 1,2 → 1,2,3   quorum 2/2 → 2/3   learners 3 → none\n",
      );
    },
    3,
    ["--observers", "3"],
  );
}, 60_000);
