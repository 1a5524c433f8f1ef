/** `proa kv batch` as a process before a real node: order, results line by line, exit statuses, input of any length. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { withCluster } from "../api/service_cluster.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { jsonObject, proa } from "./proa.ts";
import type { Finished } from "../helpers/run.ts";

type Batch = (stdin: string, ...args: readonly string[]) => Promise<Finished>;

/** Runs `use` with `proa kv batch` before a cluster of one node, from real time. */
function withNode(use: (batch: Batch, spy: { readonly writes: number[] }) => Promise<void>): Promise<void> {
  return withCluster(1, async (cluster) => {
    await cluster.leader();
    const { node, service } = cluster.one;
    const spy = { writes: [] as number[] };
    const write = node.write.bind(node);
    node.write = (group, request, done) => {
      spy.writes.push(request.count);
      write(group, request, done);
    };
    const env = { PROA_ENDPOINTS: `127.0.0.1:${service.port}` };
    await use((stdin, ...args) => proa(["kv", "batch", ...args], { stdin, env }), spy);
  });
}

describe("proa kv batch", () => {
  test("runs lines in their order, and shows a result for each", () =>
    withNode(async (batch) => {
      const lines = [
        "put\ta\t1",
        String.raw`put	b	x\ty\xff\\`,
        "get\ta",
        "get\tb",
        '{"op":"put","key":"a","value":"2"}\r',
        '{"op":"get","key":"a"}',
        "",
        '{"op":"put","key_b64":"/w==","value":""}',
        '{"op":"del","start":"b"}',
        "del\ta", // without a newline at its end
      ];
      const finished = await batch(lines.join("\n"));
      expect(finished).toEqual({
        status: 0,
        stdout: [
          "ok rev=2",
          "ok rev=3",
          "1",
          String.raw`x\x09y\xff\\`,
          "ok rev=4",
          "2",
          "ok rev=5",
          "ok rev=6 deleted=2",
          "ok rev=7 deleted=1\n",
        ].join("\n"),
        stderr: "",
      });
    }));

  test("goes on after a failure, and exits with the gravest one", () =>
    withNode(async (batch) => {
      const conflict = '{"op":"put","key":"a","value":"2","if_absent":true}';
      const broken = ["{", "get\ta\tb", String.raw`get	\q`, '{"op":"put","key":"a","valeu":"1"}', "put\t\tv"];
      const missing = await batch("get\tnone\nput\ta\t1\n");
      expect([missing.status, missing.stdout]).toEqual([
        5,
        "error NOT_FOUND Cannot get: there is no such key\nok rev=2\n",
      ]);
      expect(missing.stderr).toContain("Cannot run 1 of 2 lines, the others were run; line 1: Cannot get");
      const refused = await batch(`get\tnone\n${conflict}\n`, "--json");
      expect(refused.status).toBe(6);
      const results = refused.stdout.trimEnd().split("\n").map(jsonObject);
      expect(results.map(({ line, ok }) => [line, ok])).toEqual([
        [1, false],
        [2, false],
      ]);
      expect(results[1]?.["error"]).toMatchObject({ code: "PRECONDITION_FAILED", exit: 6, revision: 2 });
      const malformed = await batch([conflict, ...broken, "put\ta\t3", ""].join("\n"));
      expect(malformed.status).toBe(2);
      expect(malformed.stdout.split("\n").map((line) => line.split(" ").slice(0, 2).join(" "))).toEqual([
        "error PRECONDITION_FAILED",
        ...broken.map(() => "error INVALID_REQUEST"),
        "ok rev=3",
        "",
      ]);
    }));

  test("stops at the first failure when told to, before anything behind it", () =>
    withNode(async (batch, spy) => {
      const stopped = await batch("put\ta\t1\nget\tnone\nput\ta\t2\n", "--stop-on-error");
      expect([stopped.status, stopped.stdout.split("\n").length]).toEqual([5, 3]);
      expect(stopped.stderr).toContain("Cannot run 1 of 2 lines, and nothing behind it was run; line 2: Cannot get");
      expect(spy.writes).toEqual([1]);
    }));

  test("puts many lines into few messages, whatever the length of the input", () =>
    withNode(async (batch, spy) => {
      await inTempDirectory(async (directory) => {
        const file = join(directory, "lines");
        const count = 20_000;
        writeFileSync(file, Array.from({ length: count }, (_, i) => `put\tkey-${i}\t${i}\n`).join(""));
        const finished = await batch("", "-f", file, "-o", "jsonl");
        expect(finished.status).toBe(0);
        const revisions = finished.stdout
          .trimEnd()
          .split("\n")
          .map((line) => jsonObject(line)["revision"]);
        expect(revisions).toEqual(Array.from({ length: count }, (_, i) => i + 2));
        expect(spy.writes.length).toBeLessThan(60);
        expect((await batch("", "-f", join(directory, "none"))).status).toBe(2);
        writeFileSync(file, `put\ta\t${"v".repeat(9 * 1024 * 1024)}`);
        const long = await batch("", "-f", file);
        expect([long.status, long.stderr.split("\n")[0]]).toEqual([
          3,
          "proa: error: Cannot read line 1: it is longer than 8388608 bytes",
        ]);
      });
    }));
});
