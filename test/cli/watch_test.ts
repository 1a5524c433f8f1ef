/** `proa kv watch` as a process before a real node: what it prints, runs and remembers. */
import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../../src/mod.ts";
import type { Client } from "../../src/mod.ts";
import { withCluster } from "../api/service_cluster.ts";
import type { Finished } from "../helpers/run.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { jsonObject, proa } from "./proa.ts";

type Watch = (...args: readonly string[]) => Promise<Finished>;

/** Runs `use` with `proa kv watch` before a node that has revisions 2 to 5. */
function withNode(use: (watch: Watch, client: Client, directory: string) => Promise<void>): Promise<void> {
  return withCluster(1, async (cluster) => {
    await cluster.leader();
    const endpoint = `127.0.0.1:${cluster.one.service.port}`;
    using client = connect({ endpoints: [endpoint] });
    await client.put("a", "1");
    await client.put("b", Uint8Array.of(9, 0xff));
    await client.put("a", "2");
    await client.delete("a");
    await inTempDirectory((directory) =>
      use((...args) => proa(["kv", "watch", ...args], { env: { PROA_ENDPOINTS: endpoint } }), client, directory),
    );
  });
}

describe("proa kv watch", () => {
  test("prints lines or JSON, and ends after --count events", () =>
    withNode(async (watch) => {
      expect(await watch("--from", "2", "--count", "4", "--prev")).toEqual({
        status: 0,
        stdout: "2\tput\ta\t1\n3\tput\tb\t\\x09\\xff\n4\tput\ta\t2\twas 1\n5\tdelete\ta\twas 2\n",
        stderr: "watching from revision 2\n",
      });
      const json = await watch("a", "--from", "4", "--count", "2", "--json");
      expect([json.stderr, ...json.stdout.trimEnd().split("\n").map(jsonObject)]).toEqual([
        "",
        { revision: 4, type: "put", key: "a", value: "2", create_revision: 2, mod_revision: 4, version: 2, lease: 0 },
        { revision: 5, type: "delete", key: "a", mod_revision: 5 },
      ]);
      const only = await watch("--start", "a", "--only", "delete", "--from", "1", "--count", "1", "-q");
      expect([only.stdout, only.stderr]).toEqual(["5\tdelete\ta\n", ""]);
      const quiet = await watch("--prefix", "z", "--timeout", "300ms");
      expect([quiet.status, quiet.stdout]).toEqual([124, ""]);
      expect((await watch("a", "--prefix", "b")).status).toBe(2);
    }));

  test("a cursor goes on where the run before ended", () =>
    withNode(async (watch, client, directory) => {
      const cursor = join(directory, "cursor");
      const next = (count: string): Promise<Finished> =>
        watch("--from", "2", "--cursor", cursor, "--count", count, "-q");
      expect((await next("1")).stdout).toBe("2\tput\ta\t1\n");
      expect(jsonObject(readFileSync(cursor, "utf8"))).toEqual({ revision: 2 });
      expect((await next("3")).stdout).toBe("3\tput\tb\t\\x09\\xff\n4\tput\ta\t2\n5\tdelete\ta\n");
      await client.put("c", "3");
      expect((await next("1")).stdout).toBe("6\tput\tc\t3\n");
      writeFileSync(cursor, "nonsense");
      const refused = await next("1");
      expect([refused.status, refused.stderr.split("\n")[0]]).toEqual([
        2,
        `proa: error: Cannot use ${cursor} as a cursor: it is not {"revision":N}`,
      ]);
    }));

  test("a command is run for each event, and once it fails the cursor stays before it", () =>
    withNode(async (watch, _client, directory) => {
      const cursor = join(directory, "cursor");
      const script = 'cat; echo "$PROA_EVENT $PROA_REVISION $PROA_KEY ${PROA_VALUE-none}"; test "$PROA_REVISION" != 5';
      const args = ["--key-encoding", "hex", "61", "--from", "2", "--cursor", cursor, "--exec", script, "-q"];
      const first = await watch(...args);
      expect(first.status).toBe(7);
      expect(first.stdout.split("\n").filter((line) => !line.startsWith("{"))).toEqual([
        "put 2 a 1",
        "put 4 a 2",
        "delete 5 a none",
        "",
      ]);
      expect(jsonObject(first.stdout.split("\n")[0] ?? "")).toMatchObject({
        revision: 2,
        type: "put",
        key: "a",
        value: "1",
      });
      expect(first.stderr).toContain("Cannot go on: the command ended with 1 on revision 5");
      expect(jsonObject(readFileSync(cursor, "utf8"))).toEqual({ revision: 4 });
    }));
});
