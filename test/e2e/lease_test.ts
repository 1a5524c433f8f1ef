/** Leases as a shell script uses them, on the compiled binary: they outlive their leader, and end without anybody asking. */
import { expect, test } from "bun:test";
import { proaBinary } from "../helpers/binary.ts";
import { withCluster } from "./cluster.ts";

proaBinary();

test("a key that hangs on a lease survives the leader, and goes when its time is over", async () => {
  await withCluster(async (cluster) => {
    const run = async (...args: readonly string[]): Promise<string> => {
      const finished = await cluster.proa(args);
      expect([args.join(" "), finished.status, finished.stderr]).toEqual([args.join(" "), 0, ""]);
      return finished.stdout;
    };
    const lease = (await run("lease", "grant", "60s")).trim();
    expect(lease).toMatch(/^\d+$/);
    await run("kv", "put", "session/a", "1", "--lease", lease);
    await run("kv", "put", "session/b", "2", "--lease", lease);
    expect(await run("lease", "ttl", lease)).toMatch(/^lease \d+ ttl=1m left=[45]\d\.\ds keys=2\n$/);
    expect(await run("lease", "keepalive", lease, "--once")).toBe(`lease ${lease} ttl=1m\n`);

    const brief = JSON.parse(await run("kv", "put", "brief", "3", "--ttl", "2s", "--json")) as { revision: number };
    await cluster.kill(await cluster.leader());
    const watch = ["kv", "watch", "brief", "--from", `${brief.revision + 1}`, "--count", "1", "-q", "--timeout", "30s"];
    expect(await run(...watch)).toBe(`${brief.revision + 1}\tdelete\tbrief\n`);

    expect(await run("kv", "get", "session/a")).toBe("1");
    expect(await run("lease", "ttl", lease, "--keys")).toMatch(/ keys=2\nsession\/a\nsession\/b\n$/);
    expect(await run("lease", "revoke", lease)).toBe(`ok rev=${brief.revision + 2} deleted=2\n`);
    expect(await run("lease", "ls")).toBe("");
    expect((await cluster.proa(["kv", "get", "session/a"])).status).toBe(5);
  });
}, 60_000);
