/** Rules P7, P8, P11 and P16 with real processes and real faults: a disk that fails, one that is full, one that hangs, a log that rotted, a log that was torn. */
import { expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type RealCluster, withCluster } from "./cluster.ts";
import { until } from "../helpers/until.ts";

/** Whether a program does what a test needs; says what is left out if not. */
function canRun(command: string, args: readonly string[], what: string): boolean {
  const works = process.platform === "linux" && spawnSync(command, args, { stdio: "ignore" }).status === 0;
  if (!works) console.warn(`left out, for want of ${command}: ${what}`);
  return works;
}

/** Makes system calls of a running process end as `fault` says; resolves once that is in force. */
async function inject(pid: number, fault: string): Promise<ChildProcess> {
  const args = [
    "-f",
    "-p",
    `${pid}`,
    "-o",
    "/dev/null",
    "-e",
    "trace=fdatasync,fsync",
    "-e",
    `inject=fdatasync,fsync:${fault}`,
  ];
  const strace = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] });
  await once(strace.stderr, "data"); // "Process … attached"
  return strace;
}

async function put(cluster: RealCluster, key: string): Promise<void> {
  const done = await cluster.proa(["kv", "put", key, key]);
  expect([done.status, done.stderr]).toEqual([0, ""]);
}

/** What every node has of `keys`, once all have caught up. */
async function expectEverywhere(cluster: RealCluster, keys: readonly string[]): Promise<void> {
  await cluster.caughtUp();
  for (const id of cluster.ids) {
    for (const key of keys) {
      const get = await cluster.proa(["kv", "get", key, "--consistency", "stale"], { endpoints: cluster.endpoint(id) });
      expect([get.status, get.stdout]).toEqual([0, key]);
    }
  }
}

test("P7 a sync that fails on the leader stops it with exit 9 before it promises anything, and the others go on", async () => {
  if (!canRun("strace", ["-V"], "EIO from fdatasync of the leader")) return;
  await withCluster(async (cluster) => {
    await put(cluster, "before");
    const leader = await cluster.leader();
    const strace = await inject(await cluster.pidOf(leader), "error=EIO");
    const exit = cluster.exitOf(leader);
    const write = cluster.proa(["kv", "put", "during", "during"], { endpoints: cluster.endpoint(leader) });
    expect(await exit).toBe(9);
    strace.kill();
    expect([0, 3, 4]).toContain((await write).status ?? -1); // acknowledged only if a quorum of others has it
    expect(cluster.log(leader)).toMatch(
      /proa: error: Cannot write to .*raft\.db: disk I\/O error.*\nhint: the node stopped before/,
    );
    await put(cluster, "after");
    cluster.start(leader);
    await expectEverywhere(cluster, ["before", "after", ...((await write).status === 0 ? ["during"] : [])]);
  });
}, 60_000);

test("P8 a full disk stops the node that leads with exit 9; with room again it catches up", async () => {
  if (!canRun("mount", ["-V"], "a disk that runs full") || process.getuid?.() !== 0) return;
  await withCluster(async (cluster) => {
    const id = 1;
    await cluster.kill(id);
    const data = cluster.data(id);
    renameSync(data, `${data}.kept`);
    mkdirSync(data);
    if (!canRun("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", data], "a disk that runs full")) return;
    try {
      cpSync(`${data}.kept`, data, { recursive: true });
      cluster.start(id);
      await until("the node is back", async () => (await cluster.status(id))?.leader !== null);
      await until("the node leads", async () => {
        await cluster.proa(["leader", "transfer", "--to", `${id}`]);
        return (await cluster.leader()) === id;
      });
      const exit = cluster.exitOf(id);
      const value = "x".repeat(1024 * 1024);
      const acknowledged: string[] = [];
      const state = { full: false };
      void exit.then(() => (state.full = true));
      for (let count = 0; !state.full && count < 40; count++) {
        const key = `big-${count}`;
        const response = await fetch(`http://${cluster.endpoint(2)}/v1/kv/${key}`, { method: "PUT", body: value });
        if (response.ok) acknowledged.push(key);
      }
      expect(await exit).toBe(9);
      expect(cluster.log(id)).toMatch(/proa: error: Cannot write to .*(full|I\/O error).*\nhint: /);
      await put(cluster, "after");
      spawnSync("mount", ["-o", "remount,size=256m", data]);
      cluster.start(id);
      await cluster.caughtUp();
      for (const key of acknowledged) {
        const response = await fetch(`http://${cluster.endpoint(id)}/v1/kv/${key}?consistency=stale`);
        expect((await response.arrayBuffer()).byteLength).toBe(value.length);
      }
    } finally {
      await cluster.kill(id);
      spawnSync("umount", ["-l", data]);
    }
  });
}, 90_000);

test("P16 a disk that hangs costs the leader its office", async () => {
  if (!canRun("strace", ["-V"], "an fdatasync of the leader that takes thirty seconds")) return;
  await withCluster(async (cluster) => {
    await put(cluster, "before");
    const old = await cluster.leader();
    const strace = await inject(await cluster.pidOf(old), "delay_enter=30000000");
    try {
      const others = cluster.ids.filter((id) => id !== old);
      void cluster.proa(["kv", "put", "stuck", "stuck", "--timeout", "1s"], { endpoints: cluster.endpoint(old) });
      await until("another node leads", async () => {
        const statuses = await Promise.all(others.map((id) => cluster.status(id)));
        return statuses.some((status) => status?.role === "leader");
      });
      const done = await cluster.proa(["kv", "put", "after", "after"], {
        endpoints: others.map((id) => cluster.endpoint(id)).join(","),
      });
      expect(done.status).toBe(0);
    } finally {
      strace.kill("SIGKILL");
      await cluster.kill(old);
    }
    cluster.start(old);
    await expectEverywhere(cluster, ["before", "after"]);
  });
}, 60_000);

test("P11 a log that rotted in the middle is refused with exit 9, one whose end was torn is taken up", async () => {
  await withCluster(async (cluster) => {
    for (let i = 0; i < 5; i++) await put(cluster, `k${i}`);
    await cluster.caughtUp();
    const [leader, torn = 0, rotten = 0] = [await cluster.leader()].flatMap((id) => [
      id,
      ...cluster.ids.filter((other) => other !== id),
    ]);
    for (const id of [torn, rotten]) await cluster.kill(id);
    const walOf = (id: number): string => join(cluster.data(id), "raft.db-wal");
    const whole = readFileSync(walOf(rotten));
    const damaged = Buffer.from(whole);
    const middle = Math.floor(damaged.length / 2);
    damaged[middle] = (damaged[middle] ?? 0) ^ 4;
    writeFileSync(walOf(rotten), damaged);
    truncateSync(walOf(torn), statSync(walOf(torn)).size - 100);

    cluster.start(rotten);
    expect(await cluster.exitOf(rotten)).toBe(9);
    expect(cluster.log(rotten)).toMatch(
      /proa: error: Cannot open .*: frame \d+ of raft\.db-wal is damaged\nhint: the log of this node cannot be trusted/,
    );
    const verified = await cluster.proa(["log", "verify", cluster.data(rotten)]);
    expect([verified.status, verified.stdout]).toEqual([7, expect.stringContaining("raft.db-wal: frame")]);
    cluster.start(torn);
    await put(cluster, "with the torn one");
    expect(existsSync(walOf(rotten))).toBe(true);
    writeFileSync(walOf(rotten), whole); // as if it had never rotted
    cluster.start(rotten);
    await expectEverywhere(cluster, ["k0", "k4", "with the torn one"]);
    expect(await cluster.leader()).toBeGreaterThan(0);
    expect(leader).toBeGreaterThan(0);
  });
}, 60_000);
