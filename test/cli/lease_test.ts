/** `proa lease`, and puts that hang on leases, as processes before a real node. */
import { expect, test } from "bun:test";
import { withCluster } from "../api/service_cluster.ts";
import type { Finished } from "../helpers/run.ts";
import { jsonError, jsonObject, proa } from "./proa.ts";

type Proa = (...args: readonly string[]) => Promise<Finished>;

function withNode(use: (run: Proa) => Promise<void>): Promise<void> {
  return withCluster(1, async (cluster) => {
    await cluster.leader();
    const env = { PROA_ENDPOINTS: `127.0.0.1:${cluster.one.service.port}` };
    await use((...args) => proa(args, { env }));
  });
}

test(
  "a lease is granted, renewed, shown, listed and revoked",
  () =>
    withNode(async (run) => {
      expect(await run("lease", "grant", "1h")).toEqual({ status: 0, stdout: "1\n", stderr: "" });
      const granted = await run("lease", "grant", "90s", "--id", "70", "--json");
      expect(jsonObject(granted.stdout)).toEqual({ id: 70, ttl_ms: 90_000, revision: 1 });
      expect(await run("kv", "put", "a", "v", "--lease", "70")).toMatchObject({ status: 0, stdout: "ok rev=2\n" });
      expect(await run("kv", "put", "b", "v", "--ttl", "30s")).toMatchObject({
        status: 0,
        stdout: "ok rev=3 lease=3\n",
      });
      expect(jsonObject((await run("kv", "get", "b", "--json")).stdout)["lease"]).toBe(3);
      expect((await run("lease", "keepalive", "70", "--once")).stdout).toBe("lease 70 ttl=90s\n");
      const listed = (await run("lease", "ls")).stdout.replaceAll(/\d+\.\d+s/g, "T");
      expect(listed.replaceAll(/ +/g, " ").trim()).toBe("LEASE TTL LEFT KEYS\n 1 1h T 0\n 70 90s T 1\n 3 30s T 1");
      const few = await run("lease", "ls", "--limit", "1", "--json");
      expect(jsonObject(few.stdout)).toMatchObject({ count: 3, more: true, leases: [{ id: 1 }] });
      const shown = await run("lease", "ttl", "70", "--keys");
      expect(shown.stdout).toMatch(/^lease 70 ttl=90s left=\d+\.\ds keys=1\na\n$/);
      const json = await run("lease", "ttl", "70", "--keys", "--json");
      expect(jsonObject(json.stdout)).toMatchObject({ id: 70, ttl_ms: 90_000, key_count: 1, keys: [{ key: "a" }] });
      expect((await run("lease", "revoke", "70")).stdout).toBe("ok rev=4 deleted=1\n");
      const gone = await run("lease", "ttl", "70", "--json");
      expect([gone.status, jsonError(gone.stderr)["code"]]).toEqual([5, "LEASE_NOT_FOUND"]);
    }),
  60_000,
);

test(
  "mistakes have their exit codes",
  () =>
    withNode(async (run) => {
      await run("lease", "grant", "1m", "--id", "7");
      for (const [args, status, text] of [
        [["lease", "grant", "1m", "--id", "7"], 6, "a lease with this id exists"],
        [["lease", "grant", "10ms"], 2, "not a whole number from 1 second to 10 years"],
        [["lease", "grant", "long"], 2, "expected a duration such as 30s, 5m, 12h or 7d"],
        [["lease", "revoke", "9"], 5, "there is no lease 9"],
        [["lease", "keepalive", "9"], 5, "there is no lease 9"],
        [["kv", "put", "a", "v", "--lease", "9"], 5, "there is no lease 9"],
        [["kv", "put", "a", "v", "--lease", "7", "--ttl", "1m"], 2, "--ttl and --lease exclude each other"],
      ] as const) {
        const finished = await run(...args);
        expect(finished.status).toBe(status);
        expect(finished.stderr).toContain(text);
      }
    }),
  60_000,
);

test(
  "keepalive renews until its time is over, and says so when the lease is gone",
  () =>
    withNode(async (run) => {
      await run("lease", "grant", "4s", "--id", "7");
      await run("kv", "put", "a", "v", "--lease", "7");
      const kept = await run("lease", "keepalive", "7", "--timeout", "3s", "--output", "jsonl");
      const renewals = kept.stdout.trimEnd().split("\n").map(jsonObject);
      expect(kept.status).toBe(0);
      expect(renewals.length).toBeGreaterThan(1);
      expect(renewals[0]).toEqual({ id: 7, ttl_ms: 4000 });
      expect((await run("lease", "keepalive", "7", "--once")).status).toBe(0);
      const ending = run("lease", "keepalive", "7", "-q");
      await run("lease", "revoke", "7");
      const ended = await ending;
      expect(ended.status === 4 || ended.status === 5).toBe(true); // revoked before or after the first renewal
      expect(ended.stderr).toContain("lease 7");
    }),
  60_000,
);
