/** Nobody goes on after a broken assertion, whatever carried the message. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { expect, test } from "bun:test";

const script = fileURLToPath(new URL("throwing_receiver.ts", import.meta.url));
const run = "deno" in process.versions ? ["run", "-A", "--no-check", script] : [script];

for (const kind of ["tcp", "udp"]) {
  test(`what the receiver of a message throws ends the process, over ${kind}`, () => {
    const { status, stderr } = spawnSync(process.execPath, [...run, kind], { encoding: "utf8", timeout: 20_000 });
    expect(stderr).toContain("a broken belief");
    expect(status).toBe(1);
  });
}
