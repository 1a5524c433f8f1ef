/** A cluster of two compiled nodes and one that Deno runs: the runtimes understand each other. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "bun:test";
import { RealCluster } from "./cluster.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const deno = join(root, "node_modules/.bin/deno");
const denoNode = [deno, "run", "--allow-all", "--no-check", join(root, "cli/deno.ts")];

for (const transport of ["tcp", "udp"] as const) {
  test.skipIf(!existsSync(deno))(
    `a node on Deno follows, leads and serves among nodes on Bun, over ${transport}`,
    async () => {
      const cluster = await RealCluster.start(3, ["--transport", transport], { programs: { 3: denoNode } });
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
