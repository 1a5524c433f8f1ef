/** Strangers on the ports and mistakes on the command line: refused in words, and nothing else changes. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { proaBinary } from "../helpers/binary.ts";
import { freePort } from "../helpers/free_port.ts";
import { run } from "../helpers/run.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { onlyProtocol, withCluster } from "./cluster.ts";
import { until } from "../helpers/until.ts";

proaBinary();

test("100,000 random bytes on each port change nothing but a counter", async () => {
  await withCluster(async (cluster) => {
    expect((await cluster.proa(["kv", "put", "a", "1"])).status).toBe(0);
    await cluster.caughtUp();
    const before = await cluster.statuses();
    const random = seededRandom(42);
    for (const id of cluster.ids) {
      const { replicate, service } = cluster.portsOf(id);
      const bytes = (): Uint8Array => Uint8Array.from({ length: 100_000 }, () => random.integer(0, 255));
      await (process.env[onlyProtocol] === "udp" ? sendDatagrams : sendBytes)(replicate, bytes());
      await sendBytes(service, bytes());
    }
    await until("the bytes are counted", async () =>
      (await cluster.statuses()).every((status, i) => {
        const counted = (view: typeof status): number =>
          (view?.transport.framesCorrupt ?? 0) + (view?.transport.framesForeign ?? 0);
        return counted(status) > counted(before[i] ?? null);
      }),
    );
    const after = await cluster.statuses();
    for (const [i, status] of after.entries()) {
      const { term, leader, state_hash } = before[i] ?? {};
      expect(status).toMatchObject({ term, leader, state_hash });
    }
    expect((await cluster.proa(["kv", "get", "a"])).stdout).toBe("1");
  });
}, 60_000);

test("M13 a node of another cluster that takes ours for its own members gets nothing from them, and changes nothing", async () => {
  await withCluster(async (cluster) => {
    expect((await cluster.proa(["kv", "put", "a", "1"])).status).toBe(0);
    await cluster.caughtUp();
    const before = await cluster.statuses();
    const [replicate, service] = [await freePort(), await freePort()];
    const ours = cluster.servers.split(";").slice(1).join(";");
    const servers = `1,127.0.0.1:${replicate},127.0.0.1:${service};${ours}`;
    const args = ["node", "start", "--id", "1", "--cluster", "other", "--servers", servers];
    const stranger = spawn(proaBinary(), [...args, "--data", join(cluster.directory, "stranger")], { stdio: "ignore" });
    try {
      await until("its calls are counted", async () => {
        const counts = (await cluster.statuses()).map((status) => status?.transport.framesForeign ?? 0);
        return counts.slice(1).every((count, i) => count > (before[i + 1]?.transport.framesForeign ?? 0));
      });
      const alone = await cluster.proa(["kv", "put", "a", "2", "--timeout", "2s"], {
        endpoints: `127.0.0.1:${service}`,
      });
      expect(alone.status).toBe(3);
      for (const [i, status] of (await cluster.statuses()).entries()) {
        const { term, leader, state_hash } = before[i] ?? {};
        expect(status).toMatchObject({ term, leader, state_hash });
      }
    } finally {
      stranger.kill("SIGKILL");
      await once(stranger, "exit");
    }
  });
}, 60_000);

test("a second process on a data directory is refused, and so is a directory of another node or cluster", async () => {
  await withCluster(async (cluster) => {
    const start = (id: number, data: string, more: readonly string[] = []) =>
      run(proaBinary(), ["node", "start", "--id", `${id}`, "--servers", cluster.servers, "--data", data, ...more]);
    const locked = await start(1, cluster.data(1));
    expect(locked.status).toBe(9);
    expect(locked.stderr).toMatch(/proa: error: .*another process.*\nhint: .+\n$/);

    const leader = await cluster.leader();
    const down = cluster.ids.find((id) => id !== leader) ?? 0;
    await cluster.kill(down);
    const copy = join(cluster.directory, "copy");
    mkdirSync(copy);
    cpSync(cluster.data(down), copy, { recursive: true });
    const foreignNode = await start(leader, copy);
    expect([foreignNode.status, foreignNode.stderr]).toEqual([9, expect.stringContaining(`node ${down}`)]);
    const foreignCluster = await start(down, copy, ["--cluster", "other"]);
    expect([foreignCluster.status, foreignCluster.stderr]).toEqual([9, expect.stringContaining("other")]);
  });
}, 60_000);

test("a damaged log is not started on, and the message names the entry", async () => {
  await withCluster(async (cluster) => {
    const text = "a value that stands in the file as it is";
    expect((await cluster.proa(["kv", "put", "a", text])).status).toBe(0);
    await cluster.caughtUp();
    await cluster.kill(1, "SIGTERM");
    const file = join(cluster.data(1), "raft.db");
    const bytes = readFileSync(file);
    const position = bytes.indexOf(text);
    expect(position).toBeGreaterThan(0);
    bytes[position] = (bytes[position] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const started = await run(proaBinary(), [
      "node",
      "start",
      "--id",
      "1",
      "--servers",
      cluster.servers,
      "--data",
      cluster.data(1),
    ]);
    expect(started.status).toBe(9);
    expect(started.stderr).toMatch(/^proa: error: .*entry \d+ of group 0.*\nhint: .+\n$/m);
  });
}, 60_000);

test("a leader that is stopped hands over first, so that the next put need not wait for an election", async () => {
  await withCluster(async (cluster) => {
    const leader = await cluster.leader();
    await cluster.caughtUp();
    const logged = new Map(cluster.ids.map((id) => [id, cluster.log(id).length]));
    await cluster.kill(leader, "SIGTERM");
    expect((await cluster.proa(["kv", "put", "a", "1"])).status).toBe(0);
    const next = await cluster.leader();
    // No pre-vote since: it was told to take over, and no election timer was involved.
    expect(cluster.log(next).slice(logged.get(next))).not.toContain("role=preCandidate");
  });
}, 60_000);

test("a busy port ends with exit 9 and names the port", async () => {
  await withCluster(async (cluster) => {
    const { replicate, service } = cluster.portsOf(1);
    for (const [taken, element] of [
      [replicate, `1,127.0.0.1:${replicate},127.0.0.1:${await unusedPort(cluster.portsOf(2).service)}`],
      [service, `1,127.0.0.1:${await unusedPort(cluster.portsOf(3).service)},127.0.0.1:${service}`],
    ] as const) {
      const data = join(cluster.directory, `fresh-${taken}`);
      const started = await run(proaBinary(), ["node", "start", "--id", "1", "--servers", element, "--data", data]);
      expect(started.status).toBe(9);
      expect(started.stderr).toContain(String(taken));
    }
  });
}, 60_000);

test("a wrong flag, a wrong verb and a wrong value end with exit 2 and say what to do", async () => {
  const cases: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [["kv", "put", "a", "b", "--if-abset"], /did you mean --if-absent/],
    [["kv", "gte", "a"], /did you mean get/],
    [["kv", "put", "a"], /VALUE|value/],
    [["kv", "get", "a", "--timeout", "5 parsecs"], /--timeout/],
    [["kv", "get", "a", "--endpoints", "not an address"], /--endpoints/],
    [["node", "start", "--id", "0", "--servers", "1,127.0.0.1:4001", "--data", "x"], /--id/],
    [["node", "start", "--id", "1", "--servers", "1;127.0.0.1:4001", "--data", "x"], /server list/],
  ];
  for (const [args, says] of cases) {
    const { status, stdout, stderr } = await run(proaBinary(), args);
    expect([args.join(" "), status, stdout]).toEqual([args.join(" "), 2, ""]);
    expect(stderr).toMatch(/^proa: error: .+\nhint: .+\n$/);
    expect(stderr).toMatch(says);
  }
});

test("a reader that closes the pipe is no error", async () => {
  await withCluster(async (cluster) => {
    for (let i = 0; i < 8; i++) await cluster.proa(["kv", "put", `k${i}`, "-"], { stdin: "x".repeat(200_000) });
    const piped = await run("sh", [
      "-c",
      `"${proaBinary()}" kv ls --json --endpoints ${cluster.endpoints} | head -c 10; exit 0`,
    ]);
    expect(piped.stdout.length).toBe(10);
    expect(piped.stderr).toBe("");
    const whole = await run("sh", [
      "-c",
      `"${proaBinary()}" kv ls --json --values --endpoints ${cluster.endpoints} | wc -c`,
    ]);
    expect(Number(whole.stdout)).toBeGreaterThan(1_600_000);
  });
}, 60_000);

/** Sends bytes to a port and waits until it is done with us. */
async function sendBytes(port: number, bytes: Uint8Array): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.on("error", () => undefined); // cut off in the middle: that is what should happen
  socket.resume();
  socket.end(bytes);
  // Not `once` of node:events, which takes that error for the end of the world.
  await new Promise((resolve) => socket.on("close", resolve));
}

/** Sends bytes to a port in datagrams. */
async function sendDatagrams(port: number, bytes: Uint8Array): Promise<void> {
  const socket = createSocket("udp4");
  for (let at = 0; at < bytes.length; at += 1000) {
    await new Promise((resolve) => socket.send(bytes.subarray(at, at + 1000), port, "127.0.0.1", resolve));
  }
  socket.close();
}

/** A port near `port` where nothing listens. */
async function unusedPort(port: number): Promise<number> {
  for (let candidate = port + 1; ; candidate++) {
    const socket = connect({ host: "127.0.0.1", port: candidate });
    const free = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => {
        resolve(false);
      });
      socket.once("error", () => {
        resolve(true);
      });
    });
    socket.destroy();
    if (free) return candidate;
  }
}
