/** Deno in place of the executable: as one node of three, and as everything, in the one file that is built for it. */
import { expect, test } from "bun:test";
import { denoProgram, hasDeno, moduleProgram, proaBinary } from "../helpers/binary.ts";
import { run } from "../helpers/run.ts";
import { RealCluster } from "./cluster.ts";

proaBinary();
const module = moduleProgram();

for (const transport of ["tcp", "udp"] as const) {
  test.skipIf(!hasDeno)(
    `a node on Deno follows, leads and serves among nodes on Bun, over ${transport}`,
    async () => {
      const cluster = await RealCluster.start(3, ["--transport", transport], { programs: { 3: [denoProgram()] } });
      try {
        expect((await cluster.proa(["kv", "put", "a", "1"])).status).toBe(0);
        await cluster.caughtUp();
        const leader = await cluster.leader();
        if (leader !== 3) expect((await cluster.proa(["leader", "transfer", "--to", "3"])).status).toBe(0);
        expect(await cluster.leader()).toBe(3);
        expect((await cluster.proa(["kv", "put", "b", "2"])).status).toBe(0);
        const read = await cluster.proa(["kv", "get", "b"], { endpoints: cluster.endpoint(3) });
        expect(read.stdout).toBe("2");
        await cluster.caughtUp();
      } finally {
        await cluster.stop();
      }
    },
    120_000,
  );
}

test.skipIf(!hasDeno)(
  "dist/proa.mjs is a node and its client, and starts itself again",
  async () => {
    const cluster = await RealCluster.start(1, [], { programs: { 1: [module] } });
    const proa = async (...args: string[]): Promise<string> => {
      const { status, stdout, stderr } = await run(module, [...args, "--endpoints", cluster.endpoints]);
      expect([status, stderr], args.join(" ")).toEqual([0, ""]);
      return stdout;
    };
    try {
      expect(await proa("kv", "put", "a", "one")).toBe("ok rev=2\n");
      expect(await proa("kv", "get", "a")).toBe("one");
      expect((await cluster.proa(["kv", "get", "a"])).stdout).toBe("one");
      expect((await run(module, ["version"])).stdout).toContain("(deno ");
      const jobs = await run(module, ["sim", "--seeds", "1..2", "--jobs", "2", "--json"]);
      expect(JSON.parse(jobs.stdout)).toMatchObject({ seeds: 2, failures: [] });
    } finally {
      await cluster.stop();
    }
  },
  120_000,
);
