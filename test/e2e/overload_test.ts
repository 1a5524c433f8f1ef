/** More than a cluster can do: it says so at once, nothing is left in doubt, and the leader stays. */
import { expect, test } from "bun:test";
import { proaBinary } from "../helpers/binary.ts";
import { run } from "../helpers/run.ts";
import { RealCluster } from "./cluster.ts";

proaBinary();

test("20,000 puts in flight from four clients: no leader change, and every refusal is not applied", async () => {
  // A machine that runs tests may stop a node for longer than an election takes; that is not what is tested here.
  const cluster = await RealCluster.start(3, ["--election-timeout", "5s"]);
  try {
    const leader = await cluster.leader();
    const before = await cluster.status(leader);
    const line = `bench -e ${cluster.endpoints} --in-flight 5000 --duration 1s --warmup 1ms --json`;
    const ends = await Promise.all(
      Array.from({ length: 4 }, () => run(proaBinary(), line.split(" "), { env: process.env })),
    );
    const reports = ends.map(({ stdout }) => JSON.parse(stdout));
    expect(reports.map(({ unknown }) => unknown)).toEqual([0, 0, 0, 0]);
    expect(reports.some(({ ok }) => ok > 0)).toBe(true);
    expect(await cluster.status(leader)).toMatchObject({ role: "leader", term: before?.term });
  } finally {
    await cluster.stop();
  }
}, 60_000);
