/** Processes by their ids, and nodes by their directories. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeNodeFile } from "../../src/local/node_file.ts";
import { findNode, stopNode } from "../../src/local/node_process.ts";
import { processEnds, processRuns, signalProcess } from "../../src/local/processes.ts";
import { spawnNode } from "../../src/local/spawn.ts";
import { waitUntil } from "../../src/local/wait.ts";
import { lockDirectory } from "../../src/storage/mod.ts";
import { openSqlite } from "../helpers/runtime.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";

const soon = (): number => performance.now() + 10_000;

test("a process runs until it has ended", async () => {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  expect(processRuns(pid)).toBe(true);
  expect(await processEnds(pid, performance.now() + 30)).toBe(false);
  expect(await stopNode({ pid }, soon())).toBe(true);
  expect(processRuns(pid)).toBe(false);
  expect(signalProcess(0x3fff_ffff, "SIGTERM")).toBe(false); // larger than any id
  expect(processRuns(process.pid)).toBe(true);
});

test("a process that has ended and that nobody collects does not run", async () => {
  if (process.platform !== "linux") return; // elsewhere, the system collects them
  const parent = spawn("sh", ["-c", "sleep 0.1 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
  const pid = await new Promise<number>((resolve) =>
    parent.stdout.once("data", (text) => resolve(Number(String(text)))),
  );
  expect(await processEnds(pid, soon())).toBe(true);
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  parent.kill("SIGKILL");
  await once(parent, "exit");
});

test("node.json counts only while its process runs and the directory is locked", async () => {
  await inTempDirectory((directory) => {
    const runtime = { openSqlite };
    const file = { pid: process.pid, id: 1, service: "h:1", replicate: "h:2", startedAt: "x" };
    expect(findNode(runtime, directory)).toBe(null);
    writeNodeFile(directory, file);
    expect(findNode(runtime, directory)).toBe(null);
    const lock = lockDirectory({ runtime, directory });
    expect(findNode(runtime, directory)).toEqual(file);
    writeNodeFile(directory, { ...file, pid: 0x3fff_ffff });
    expect(findNode(runtime, directory)).toBe(null);
    writeNodeFile(directory, file);
    lock.release();
    expect(findNode(runtime, directory)).toBe(null);
  });
});

test("a child appends to its log, and its end is known", async () => {
  await inTempDirectory(async (directory) => {
    const log = `${directory}/log`;
    const good = await spawnNode({ command: ["sh", "-c", "echo out; echo err >&2"], log, attached: false });
    await waitUntil(soon(), () => good.end !== null);
    const bad = await spawnNode({ command: ["sh", "-c", "cat; kill -9 $$"], log, attached: false });
    await waitUntil(soon(), () => bad.end !== null);
    expect([good.end, bad.end]).toEqual([
      { code: 0, signal: null },
      { code: null, signal: "SIGKILL" },
    ]);
    const missing = spawnNode({ command: [`${directory}/missing`], log, attached: false });
    expect(await missing.catch((error: unknown) => String(error))).toContain("ENOENT");
  });
});
