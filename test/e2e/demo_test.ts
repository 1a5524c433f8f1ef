/** `proa demo` as users and scripts run it: the compiled executable, with real processes and ports. */
import { expect, test } from "bun:test";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { portIsFree } from "../../src/local/ports.ts";
import { processRuns } from "../../src/local/processes.ts";
import { proaBinary } from "../helpers/binary.ts";
import { run } from "../helpers/run.ts";
import { until } from "../helpers/until.ts";
import { Terminal, withDemo, type LocalDemo } from "./local_demo.ts";

proaBinary();

test("up, a put at once, the loss of the leader, down, and everything is still there", async () => {
  await withDemo(async (demo) => {
    const up = await demo.proa("demo up");
    expect(up.status).toBe(0);
    expect(up.stdout.split("\n").length - 1).toBeLessThanOrEqual(8);
    expect(await demo.proa("kv put a 1")).toEqual({ status: 0, stdout: "ok rev=2\n", stderr: "" });

    const before = await demo.status();
    expect(before.nodes.map(({ id, state }) => `${id} ${state}`)).toEqual(["1 running", "2 running", "3 running"]);
    const killed = await demo.proa("demo kill leader");
    expect(killed.stdout).toMatch(new RegExp(`^killed node ${before.leader} `));
    expect((await demo.proa("kv put a 2")).status).toBe(0);
    expect((await demo.proa(`demo kill ${before.leader}`)).status).toBe(5);
    const dead = (await demo.status()).nodes.find(({ id }) => id === before.leader);
    expect([dead?.state, dead?.pid]).toEqual(["stopped", null]);

    expect((await demo.proa(`demo restart ${before.leader}`)).status).toBe(0);
    const survivor = before.nodes.find(({ id }) => id !== before.leader);
    expect((await demo.proa(`demo restart ${survivor?.id}`)).status).toBe(0);
    const after = await demo.status();
    expect(after.nodes.map(({ state }) => state)).toEqual(["running", "running", "running"]);
    expect(after.nodes.find(({ id }) => id === survivor?.id)?.pid).not.toBe(survivor?.pid ?? null);

    const pids = await demo.pids();
    expect((await demo.proa("demo down")).stdout).toMatch(/^stopped nodes 1, 2, 3; kept the data/);
    expect(pids.filter(processRuns)).toEqual([]);
    expect((await demo.proa("demo down")).status).toBe(0);
    for (const line of ["demo status", "demo env", "demo kill 1", "demo restart 1"]) {
      expect([line, (await demo.proa(line)).status]).toEqual([line, 3]);
    }
    expect(existsSync(join(demo.directory, "endpoints"))).toBe(false);

    const again = await demo.proa("demo up");
    expect(again.stdout).toContain("continuing the data");
    expect((await demo.proa("kv get a")).stdout).toBe("2");
    expect((await demo.proa("demo down --wipe")).status).toBe(0);
    expect(existsSync(demo.directory)).toBe(false);
  });
}, 60_000);

test("over UDP as over TCP, with the same data", async () => {
  await withDemo(async (demo) => {
    expect((await demo.proa("demo up --nodes 1")).status).toBe(0);
    expect((await demo.proa("kv put a 1")).status).toBe(0);
    expect((await demo.proa("demo up --transport udp")).stderr).toContain("use tcp");
    expect((await demo.proa("demo down")).status).toBe(0);
    expect((await demo.proa("demo up --transport udp")).status).toBe(0);
    expect(await demo.json("demo status")).toMatchObject({ transport: "udp" });
    expect((await demo.proa("demo restart 1")).status).toBe(0);
    const endpoint = (await demo.status()).nodes[0]?.service ?? "";
    const status: unknown = await (await fetch(`http://${endpoint}/api/status`)).json();
    expect(status).toMatchObject({ transport: { kind: "udp" } });
    expect((await demo.proa("kv get a")).stdout).toBe("1");
  });
}, 60_000);

test("starting twice, even at the same time, is starting once", async () => {
  await withDemo(async (demo) => {
    const [one, two] = await Promise.all([demo.proa("demo up --json"), demo.proa("demo up --json")]);
    expect([one.status, two.status]).toEqual([0, 0]);
    const pids = await demo.pids();
    expect(await demo.json("demo up")).toMatchObject({ already_up: true, running: true });
    expect(await demo.pids()).toEqual(pids);
    const foreground = await demo.foreground().ended;
    expect(foreground.status).toBe(9);
    expect(foreground.stderr).toContain("one runs there already");
    expect((await demo.proa("demo up --nodes 5")).status).toBe(2);

    await demo.proa("demo kill 1 2 3");
    expect((await demo.proa("demo up")).status).toBe(0);
    expect((await demo.proa("kv put a 1")).status).toBe(0);
  });
}, 60_000);

test("in the foreground: other terminals use it, kill and restart its nodes, and end it", async () => {
  await withDemo(async (demo) => {
    const foreground = demo.foreground();
    await until("the demo says that it serves", () => Promise.resolve(foreground.output().includes("kill leader")));
    expect((await demo.proa("kv put a 1")).status).toBe(0);
    expect((await demo.proa("demo up")).stdout).toContain("up already");
    expect((await demo.proa("demo kill 2")).status).toBe(0);
    expect((await demo.proa("demo restart 2")).stdout).toMatch(/^restarted node 2 /);
    const { mode, nodes } = await demo.status();
    expect([mode, nodes.map(({ state }) => state)]).toEqual(["foreground", ["running", "running", "running"]]);
    const pids = await demo.pids();
    expect((await demo.proa("demo down")).status).toBe(0);
    const { status, stdout, stderr } = await foreground.ended;
    expect(status).toBe(0);
    expect(stdout.split("\n").length - 1).toBeLessThanOrEqual(8);
    expect(stderr).toBe("node 2 has ended\nnode 2 is back\n");
    expect(pids.filter(processRuns)).toEqual([]);
  });
}, 60_000);

for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGKILL", null],
] as const) {
  test(`in the foreground: ${signal} ends the nodes too`, async () => {
    await withDemo(async (demo) => {
      const foreground = demo.foreground();
      await until("the demo says that it serves", () => Promise.resolve(foreground.output().includes("kill leader")));
      const pids = await demo.pids();
      expect((await demo.proa("demo restart 1")).status).toBe(0);
      const restarted = await demo.pids();
      process.kill(foreground.pid, signal);
      expect((await foreground.ended).status).toBe(status);
      expect(existsSync(join(demo.directory, "endpoints"))).toBe(signal === "SIGKILL"); // others were told, if there was time
      await until("no node runs", () => Promise.resolve([...pids, ...restarted].every((pid) => !processRuns(pid))));
      expect((await demo.proa("demo status")).status).toBe(3);
      expect((await demo.proa("demo up")).status).toBe(0); // what was left behind is no obstacle
    });
  }, 60_000);
}

test("a start that is interrupted leaves no process and no data", async () => {
  await withDemo(async (demo) => {
    for (let cameLate = true; cameLate;) {
      const foreground = demo.foreground();
      await until("a node runs", () => Promise.resolve(existsSync(join(demo.directory, "n1", "lock"))));
      process.kill(foreground.pid, "SIGTERM");
      const { status, stdout } = await foreground.ended;
      expect(status).toBe(143);
      expect((await demo.proa("demo status")).status).toBe(3);
      cameLate = stdout !== ""; // it was up by then, says so, and keeps what it has: the next one may be interrupted
      expect(existsSync(join(demo.directory, "n1"))).toBe(cameLate);
      if (cameLate) await demo.proa("demo down --wipe");
    }
  });
}, 60_000);

test("a taken port moves all nodes, and every command follows", async () => {
  await withDemo(async (demo) => {
    const server = createServer();
    server.on("error", () => undefined); // somebody else has it: just as good
    server.listen(5003, "127.0.0.1");
    await until("the port is taken", async () => !(await portIsFree("127.0.0.1", 5003)));
    try {
      const up = await demo.proa("demo up");
      expect(up.stdout).toMatch(/not the usual ports, because \d+ is taken/);
      expect((await demo.proa("kv put a 1")).status).toBe(0);
      expect((await demo.status()).nodes.map(({ service }) => service)).not.toContain("127.0.0.1:5003");
      const env = await demo.proa("demo env");
      expect(env.stdout).toMatch(/^export PROA_ENDPOINTS='127\.0\.0\.1:\d+,127\.0\.0\.1:\d+,127\.0\.0\.1:\d+'\n$/);
      const fish = await demo.proa("demo env --shell fish");
      expect(fish.stdout).toBe(env.stdout.replace("export PROA_ENDPOINTS=", "set -gx PROA_ENDPOINTS "));
    } finally {
      server.close();
    }
  });
}, 60_000);

test("two demos that start at the same moment do not take each other's ports", async () => {
  await withDemo(async (one) => {
    await withDemo(async (two) => {
      const ups = await Promise.all([one.proa("demo up --nodes 1"), two.proa("demo up --nodes 1")]);
      expect(ups.map(({ status, stderr }) => `${status} ${stderr}`)).toEqual(["0 ", "0 "]);
      expect((await one.status()).nodes[0]?.service).not.toBe((await two.status()).nodes[0]?.service ?? "");
    });
  });
}, 60_000);

test("a node that cannot start is named with its log, and nothing is left running", async () => {
  await withDemo(async (demo) => {
    await demo.proa("demo up --nodes 1");
    const { data, log } = (await demo.status()).nodes[0] ?? { data: "", log: "" };
    await demo.proa("demo down");
    writeFileSync(join(data, "raft.db"), "this is no database");
    const up = await demo.proa("demo up");
    expect(up.status).toBe(9);
    expect(up.stderr).toMatch(/^n1 \| proa: error: .*not a database/);
    expect(up.stderr).toContain(`proa: error: Cannot start node 1: it ended with status 9\nhint: its log is ${log}\n`);
    expect(await demo.json("demo up")).toMatchObject({ error: { code: "LOCAL_RESOURCE", exit: 9 } });
    expect((await demo.proa("demo status")).status).toBe(3);
    rmSync(data, { recursive: true });
    expect((await demo.proa("demo up")).stdout).toMatch(/^demo: 3 nodes, node \d leads$/m); // without data it is a new one
  });
}, 60_000);

test("logs: the end of each, one alone, as JSON, and followed", async () => {
  await withDemo(async (demo) => {
    expect((await demo.proa("demo logs")).status).toBe(5);
    await demo.proa("demo up");
    const all = await demo.proa("demo logs --lines 50");
    for (const id of [1, 2, 3])
      expect(all.stdout).toMatch(new RegExp(`^n${id} \\| .* node ${id} serving http://`, "m"));
    expect((await demo.proa("demo logs 2 --lines 1")).stdout).toMatch(/^\S+ info {2}/);
    expect(await demo.json("demo logs 2 --lines 1")).toEqual({ logs: [{ node: 2, lines: [expect.any(String)] }] });
    expect(await followed(demo)).toContain("n3 | ");
  });
}, 60_000);

test("at a terminal: a prompt for command lines, where Ctrl-C ends a command first and the demo then", async () => {
  await withDemo(async (demo) => {
    if ((await run("sh", ["-c", "command -v script"])).status !== 0) return; // no tool to make a terminal with
    const terminal = new Terminal(demo, "demo");
    expect(await terminal.type("", "proa> ")).toContain("demo: 3 nodes");
    await terminal.type("kv put a 'two words'\r", "ok rev=2", "proa> ");
    await terminal.type("kv get a\rproa kv get a\r", "two words\r\ntwo words", "proa> "); // as if it were pasted
    expect(await terminal.type("kill leader\r", "killed node", "has ended", "proa> ")).toMatch(/^kill leader\r/);
    await terminal.type("restart 1 2 3\r", "restarted node 3", "node 3 is back", "proa> ");
    await terminal.type("demo status\r", "foreground", "STATE", "proa> ");
    await terminal.type("kv put 'a\r", "proa: error: Cannot read the line", "proa> ");
    await terminal.type("nonsense\r", "proa: error: Cannot read the command line", "proa> ");
    await terminal.type("cluster status --watch\r", "STATE");
    await terminal.type("\u0003", "proa> ");
    await terminal.type("help\r", "kill N|leader", "proa> ");
    const pids = await demo.pids();
    await terminal.type("\u0003");
    expect(await terminal.ended).toBe(130);
    expect(pids.filter(processRuns)).toEqual([]);
  });
}, 60_000);

/** What `demo logs --follow` prints while a node is restarted. */
async function followed(demo: LocalDemo): Promise<string> {
  const following = run("timeout", ["3", proaBinary(), "demo", "logs", "--follow", "--lines", "0"], {
    env: demo.environment,
  });
  await demo.proa("demo restart 3");
  return (await following).stdout;
}
