/** `proa kv export` and `proa kv import` as processes before real nodes: any bytes, one revision, whole or refused. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { connect } from "../../src/mod.ts";
import type { Client } from "../../src/mod.ts";
import { withCluster } from "../api/service_cluster.ts";
import { jsonObject, proa } from "./proa.ts";
import type { Finished } from "../helpers/run.ts";

type Kv = (args: readonly string[], stdin?: string) => Promise<Finished>;

function withNode(use: (kv: Kv, client: Client) => Promise<void>): Promise<void> {
  return withCluster(1, async (cluster) => {
    await cluster.leader();
    const endpoint = `127.0.0.1:${cluster.one.service.port}`;
    using client = connect({ endpoints: [endpoint], timeoutMs: 30_000 });
    const env = { PROA_ENDPOINTS: endpoint, PROA_TIMEOUT: "30s" };
    await use((args, stdin = "") => proa(["kv", ...args], { env, stdin }), client);
  });
}

async function contents(client: Client): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { key, value } of client.scan({})) {
    found.push(`${Buffer.from(key).toString("hex")} ${createHash("sha256").update(value).digest("hex")}`);
  }
  return found;
}

test("what was exported is imported as it was, whatever its bytes, as of one revision", () =>
  withNode(async (kv, client) => {
    await client.put("a", "text");
    await client.put(Uint8Array.of(0xff, 0), Uint8Array.of(0xfe));
    await client.put("long", new Uint8Array(1024 * 1024).fill(1)); // six characters of JSON a byte
    await client.put("x/1", "");
    const before = await contents(client);
    await client.put("later", "1");
    await client.delete("a");
    const exported = await kv(["export", "--rev", "5"]);
    expect([exported.status, exported.stderr]).toEqual([0, ""]);
    const lines = exported.stdout.trimEnd().split("\n");
    expect([jsonObject(lines[0] ?? ""), jsonObject(lines.at(-1) ?? "")]).toEqual([
      { format: "proa-export", version: 1, revision: 5, prefix: "" },
      { end: true, keys: 4 },
    ]);
    const part = await kv(["export", "--prefix", "x/"]);
    expect(part.stdout.split("\n").length).toBe(4);
    await withNode(async (other, otherClient) => {
      const imported = await other(["import"], exported.stdout);
      expect(imported).toEqual({ status: 0, stdout: "imported 4 keys rev=5\n", stderr: "" });
      expect(await contents(otherClient)).toEqual(before);
      const skipped = await other(["import", "--if-absent", "--json"], part.stdout);
      expect(jsonObject(skipped.stdout)).toEqual({ imported: 0, skipped: 1, revision: 5 });
      expect((await other(["import"], '{"key":"p","value":"q"}\n')).stdout).toBe("imported 1 keys rev=6\n");
      const leased = await other(["import"], '{"key":"p","value":"q","lease":7}\n');
      const note = "1 keys hung on a lease, and hang on none now\n";
      expect(leased).toEqual({ status: 0, stdout: "imported 1 keys rev=7\n", stderr: note });
    });
  }));

test("an export that is cut off, or a line that is none, is refused", () =>
  withNode(async (kv, client) => {
    const header = '{"format":"proa-export","version":1,"revision":2,"prefix":""}\n';
    const key = '{"key":"a","value":"1"}\n';
    for (const [input, message] of [
      [header + key, "Cannot import all: the export is cut off, its last line is missing"],
      [`${header}${key}{"end":true,"keys":2}\n`, "Cannot import all: the export announces 2 keys and holds others"],
      [`${header}{"end":true,"keys":0}\n${key}`, "Cannot import line 3: it follows the end of the export"],
      ['{"format":"other"}\n', "Cannot import line 1: it is another format"],
      [`${key}nonsense\n`, "Cannot import line 2: it is no JSON object"],
      ['{"key":"a"}\n', "Cannot import line 1: it has neither value nor value_b64"],
    ] as const) {
      const refused = await kv(["import"], input);
      expect([refused.status, refused.stderr.split("\n")[0]]).toEqual([2, `proa: error: ${message}`]);
    }
    expect((await client.get("a"))?.text).toBe("1");
  }));
