/** `proa bench` on the compiled executable: clusters of its own, and nothing left behind. */
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { proaBinary } from "../helpers/binary.ts";
import { run } from "../helpers/run.ts";

proaBinary();

test("mixed load on a cluster of its own, checked, and all of it removed afterwards", async () => {
  const directory = mkdtempSync(join(tmpdir(), "proa-e2e-bench-"));
  const line = "bench --local 3 --op mixed --check --key-count 50 --callers 16 --connections 4 --json";
  const end = await run(proaBinary(), [...line.split(" "), "--duration", "400ms", "--warmup", "50ms"], {
    env: { ...process.env, TMPDIR: directory },
  });
  expect([end.status, end.stderr]).toEqual([0, ""]);
  const report = JSON.parse(end.stdout);
  expect(Object.keys(report).join()).toBe(
    "op,consistency,value_bytes,in_flight,connections,ops_per_s,p50_us,p90_us,p99_us,p999_us,max_us,ok,not_applied,unknown",
  );
  expect(report.ok).toBeGreaterThan(0);
  expect([report.in_flight, report.not_applied, report.unknown]).toEqual([16, 0, 0]);
  expect(readdirSync(directory)).toEqual([]);
  rmSync(directory, { recursive: true });
}, 60_000);

test("both transports through relays that lose packets: one row each, and all of it removed afterwards", async () => {
  const directory = mkdtempSync(join(tmpdir(), "proa-e2e-bench-"));
  const line = "bench --local 3 --transport tcp,udp --loss 2 --callers 8 --duration 300ms --warmup 50ms --json";
  const end = await run(proaBinary(), line.split(" "), { env: { ...process.env, TMPDIR: directory } });
  expect([end.status, end.stderr]).toEqual([0, ""]);
  const rows: readonly Readonly<Record<string, unknown>>[] = JSON.parse(end.stdout);
  expect(rows.map(({ transport, loss_percent }) => [transport, loss_percent])).toEqual([
    ["tcp", 2],
    ["udp", 2],
  ]);
  for (const { ok, elections } of rows) expect([Number(ok) > 0, typeof elections]).toEqual([true, "number"]);
  expect(readdirSync(directory)).toEqual([]);
  rmSync(directory, { recursive: true });
}, 120_000);

test("without a cluster it says how to get one", async () => {
  const end = await run(proaBinary(), ["bench", "-e", "127.0.0.1:1", "--timeout", "200ms"], { env: process.env });
  expect(end.status).toBe(3);
  expect(end.stderr).toContain("proa bench --local 3");
}, 60_000);
