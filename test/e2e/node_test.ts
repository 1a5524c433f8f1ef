/** `proa node`: one process on one directory, how it ends, and what it refuses. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { processRuns } from "../../src/local/processes.ts";
import { proaBinary } from "../helpers/binary.ts";
import { freePorts } from "../helpers/free_port.ts";
import { type Finished, run } from "../helpers/run.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { until } from "../helpers/until.ts";

proaBinary();

test("a node alone serves; stop ends it in order, and a second stop finds nothing", async () => {
  await inTempDirectory(async (directory) => {
    const node = await startNode(directory);
    expect(node.log()).toMatch(
      /info {2}node 1 serving http:\/\/127\.0\.0\.1:\d+ \(replicate 127\.0\.0\.1:\d+, data .*\)/,
    );
    expect((await proa(["kv", "put", "a", "1", "-e", node.endpoint])).status).toBe(0);
    const file = JSON.parse(readFileSync(join(node.data, "node.json"), "utf8")) as unknown;
    expect(file).toMatchObject({ pid: node.pid, id: 1, service: node.endpoint });
    const status = await proa(["node", "status", "--data", node.data, "--json"]);
    expect(JSON.parse(status.stdout)).toMatchObject({ node_id: 1, pid: node.pid, role: "leader", cluster: "proa" });
    expect((await proa(["node", "status", "-e", node.endpoint])).stdout).toMatch(/^role {12}leader$/m);

    const stopped = await proa(["node", "stop", "--data", node.data]);
    expect(stopped).toEqual({ status: 0, stdout: `stopped node 1 (pid ${node.pid})\n`, stderr: "" });
    expect(await node.ended).toBe(143);
    expect(existsSync(join(node.data, "node.json"))).toBe(false);
    expect((await proa(["node", "stop", "--data", node.data])).status).toBe(5);
    expect((await proa(["node", "status", "--data", node.data])).status).toBe(5);
    expect((await proa(["node", "status", "-e", node.endpoint])).status).toBe(3);

    const again = await startNode(directory, { servers: node.servers });
    expect((await proa(["kv", "get", "a", "-e", again.endpoint])).stdout).toBe("1");
    expect((await proa(["node", "stop", "--data", again.data, "--force", "--json"])).status).toBe(0);
    expect(await again.ended).toBe(null);
    expect((await proa(["node", "stop", "--data", again.data])).status).toBe(5); // what node.json says is not true any more
  });
}, 60_000);

for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test(`${signal} ends a node with ${status}`, async () => {
    await inTempDirectory(async (directory) => {
      const node = await startNode(directory);
      process.kill(node.pid, signal);
      expect(await node.ended).toBe(status);
    });
  }, 60_000);
}

test("a stopped process (SIGSTOP) is not waited for longer than --timeout, and ends by force", async () => {
  await inTempDirectory(async (directory) => {
    const node = await startNode(directory);
    process.kill(node.pid, "SIGSTOP");
    const stop = await proa(["node", "stop", "--data", node.data, "--timeout", "300ms"]);
    expect(stop.status).toBe(9);
    expect(stop.stderr).toContain("has not ended yet");
    expect(processRuns(node.pid)).toBe(true);
    expect((await proa(["node", "stop", "--data", node.data, "--force"])).status).toBe(0);
    expect(await node.ended).toBe(null);
  });
}, 60_000);

test("with --exit-with-parent a node ends when its stdin does, and without it does not", async () => {
  await inTempDirectory(async (directory) => {
    const tied = await startNode(join(directory, "tied"), { more: ["--exit-with-parent"] });
    const free = await startNode(join(directory, "free"));
    tied.closeInput();
    free.closeInput();
    expect(await tied.ended).toBe(0);
    expect((await proa(["kv", "put", "a", "1", "-e", free.endpoint])).status).toBe(0);
    expect((await proa(["node", "stop", "--data", free.data])).status).toBe(0);
  });
}, 60_000);

test("a node may move to other addresses, but not among other members", async () => {
  await inTempDirectory(async (directory) => {
    const node = await startNode(directory);
    expect((await proa(["kv", "put", "a", "1", "-e", node.endpoint])).status).toBe(0);
    await proa(["node", "stop", "--data", node.data]);
    const [one, two] = await servers(2);
    const others = await proa(["node", "start", "--id", "1", "--servers", `1,${one};2,${two}`, "--data", node.data]);
    expect(others.status).toBe(9);
    expect(others.stderr).toContain("the server list names nodes 1, 2, but");
    const moved = await startNode(directory, { servers: `1,${one}` });
    expect((await proa(["kv", "get", "a", "-e", moved.endpoint])).stdout).toBe("1");
    await proa(["node", "stop", "--data", moved.data]);
  });
}, 60_000);

test("a wrong call is refused before anything is touched", async () => {
  await inTempDirectory(async (directory) => {
    const data = join(directory, "n1");
    const list = "1,127.0.0.1:4001;2,127.0.0.1:4002";
    const wrong: readonly (readonly [args: readonly string[], says: string])[] = [
      [["--id", "1", "--servers", list], "--data"],
      [["--servers", list, "--data", data], "--id"],
      [["--id", "1", "--data", data], "--servers"],
      [["--id", "3", "--servers", list, "--data", data], "names 1, 2"],
      [["--id", "0", "--servers", list, "--data", data], "--id"],
      [["--id", "1", "--servers", "1,127.0.0.1", "--data", data], 'element 1 ("1,127.0.0.1")'],
      [["--id", "1", "--servers", list, "--data", data, "--heartbeat", "1s"], "three heartbeats"],
      [["--id", "1", "--servers", list, "--data", data, "--cluster", "a b"], "cluster name"],
      [["--id", "1", "--servers", list, "--data", data, "--log-level", "loud"], "expected one of"],
    ];
    for (const [args, says] of wrong) {
      const { status, stderr } = await proa(["node", "start", ...args]);
      expect([args, status, stderr.includes(says) ? says : stderr]).toEqual([args, 2, says]);
    }
    expect(existsSync(data)).toBe(false);
  });
}, 60_000);

interface RunningNode {
  readonly pid: number;
  readonly endpoint: string;
  readonly servers: string;
  readonly data: string;
  /** Resolves with its exit status; null after a signal. */
  readonly ended: Promise<number | null>;
  readonly log: () => string;
  readonly closeInput: () => void;
}

/** A node alone in `directory`, once it is ready. */
async function startNode(
  directory: string,
  options: { readonly servers?: string; readonly more?: readonly string[] } = {},
): Promise<RunningNode> {
  const list = options.servers ?? `1,${(await servers(1))[0]}`;
  const data = join(directory, "n1");
  const args = ["node", "start", "--id", "1", "--servers", list, "--data", data, ...(options.more ?? [])];
  const child = spawn(proaBinary(), args, { stdio: ["pipe", "ignore", "pipe"] });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  const endpoint = list.split(",")[2] ?? "";
  await until("the node is ready", async () => (await proa(["wait", "ready", "-e", endpoint])).status === 0);
  return {
    pid: child.pid ?? 0,
    endpoint,
    servers: list,
    data,
    ended,
    log: () => log,
    closeInput: () => child.stdin.end(),
  };
}

/** What follows the id in `count` elements of a server list, on ports that are free. */
async function servers(count: number): Promise<readonly string[]> {
  const ports = await freePorts(2 * count);
  return Array.from({ length: count }, (_, at) => `127.0.0.1:${ports[2 * at]},127.0.0.1:${ports[2 * at + 1]}`);
}

function proa(args: readonly string[]): Promise<Finished> {
  return run(proaBinary(), args, { env: process.env });
}
