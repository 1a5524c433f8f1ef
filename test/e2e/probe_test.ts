/** `proa probe` on the compiled executable, while a cluster loses its quorum and gets it back. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { proaBinary } from "../helpers/binary.ts";
import { run } from "../helpers/run.ts";
import { RealCluster } from "./cluster.ts";
import { until } from "../helpers/until.ts";

proaBinary();

test("it survives a cluster without a leader, and Ctrl-C ends it with the window", async () => {
  const cluster = await RealCluster.start(1);
  const options = ["--interval", "50ms", "--patience", "200ms"];
  const probe = spawn(proaBinary(), ["probe", "-e", cluster.endpoints, "-o", "jsonl", ...options]);
  let printed = "";
  probe.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  const saw = (outcome: string): Promise<void> =>
    until(`a put that is ${outcome}`, () => Promise.resolve(printed.includes(`"outcome":"${outcome}"`)));
  try {
    await saw("ok");
    await cluster.kill(1);
    await saw("not_applied");
    printed = "";
    cluster.start(1);
    await saw("ok");
    probe.kill("SIGINT");
    const [status] = await once(probe, "close");
    expect(status).toBe(130);
    const summary = JSON.parse(printed.trimEnd().split("\n").at(-1) ?? "");
    expect(summary.windows.length).toBeGreaterThanOrEqual(1);
    expect(summary.windows[0].to).not.toBe(null);
    expect(summary.ok).toBeGreaterThan(0);
  } finally {
    probe.kill("SIGKILL");
    await cluster.stop();
  }
}, 60_000);

test("a count ends it; nothing acknowledged is exit 3", async () => {
  const line = "probe --count 2 --interval 1ms --patience 50ms --json -e 127.0.0.1:1";
  const end = await run(proaBinary(), line.split(" "), { env: process.env });
  expect(end.status).toBe(3);
  expect(JSON.parse(end.stdout)).toMatchObject({ puts: 2, ok: 0, not_applied: 2 });
}, 60_000);
