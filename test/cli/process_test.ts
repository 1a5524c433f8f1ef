/** The command line as a process: exit statuses, what goes to which stream, and every byte of it. */
import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import {
  desertedEndpoint,
  foreignNode,
  nodeHeaders,
  ok,
  readyNode,
  refusal,
  withServers,
} from "../client/foreign_server.ts";
import type { Reaction, Received } from "../client/foreign_server.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { cleanEnvironment, jsonError, jsonObject, proa, proaCommand } from "./proa.ts";
import { peer, report, servers } from "./reports.ts";

const keyHeaders = {
  "X-Proa-Create-Revision": "2",
  "X-Proa-Mod-Revision": "3",
  "X-Proa-Version": "4",
  "X-Proa-Lease": "0",
};

function found(body: string | Uint8Array): Reaction {
  return { status: 200, headers: keyHeaders, body };
}

describe("usage", () => {
  test("help and version go to stdout, with 0", async () => {
    const help = await proa(["help", "kv", "put"]);
    expect([help.status, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toContain("proa kv put <key> <value>");
    const version = await proa(["-V"]);
    expect(version.stdout).toMatch(/^proa \d+\.\d+\.\d+\S* \((bun|deno) \d/);
    const json = jsonObject((await proa(["version", "--json"])).stdout);
    expect(Object.keys(json)).toEqual(["version", "runtime", "runtime_version", "platform"]);
  });

  test("a missing verb shows what there is, on stderr, with 2", async () => {
    const { status, stdout, stderr } = await proa(["kv"]);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("  ls ");
    expect(stderr.endsWith("proa: error: Cannot run proa kv: a verb is missing\nhint: see proa help kv\n")).toBe(true);
  });

  test("a mistake is one line and a hint, or one object", async () => {
    const { status, stdout, stderr } = await proa(["kv", "gte", "a"]);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toBe(
      "proa: error: Cannot read the command line: unknown command 'gte'\nhint: did you mean get? See proa help kv\n",
    );
    for (const args of [
      ["kv", "gte", "--json"],
      ["kv", "-ojson"],
      ["-o", "jsonl", "kv", "gte"],
    ]) {
      const error = jsonError((await proa(args)).stderr);
      expect([error["code"], error["exit"]]).toEqual(["USAGE", 2]);
    }
    const fromEnvironment = await proa(["kv"], { env: { PROA_OUTPUT: "json" } });
    expect(jsonError(fromEnvironment.stderr)["exit"]).toBe(2);
  });

  test("contradictions are refused before anything is asked", async () => {
    for (const args of [
      ["kv", "put", "a", "b", "--if-absent", "--if-rev", "1"],
      ["kv", "put", "", "b"],
      ["kv", "put", "zz", "b", "--key-encoding", "hex"],
      ["kv", "put", "a", "@/nonexistent/file"],
      ["kv", "del"],
      ["kv", "del", "a", "--prefix", "b"],
      ["kv", "del", "--prefix", "b", "--if-rev", "1"],
      ["kv", "ls", "a", "--start", "b"],
      ["kv", "ls", "--values", "--keys-only"],
      ["cluster", "status", "--watch", "--check"],
    ]) {
      const { status, stderr } = await proa([...args, "-e", await desertedEndpoint()]);
      expect([args, status, stderr.split("\n")[0]?.startsWith("proa: error: Cannot ")]).toEqual([args, 2, true]);
    }
  });
});

describe("kv", () => {
  test("get writes exactly the bytes", async () => {
    const value = "no newline, a zero \0 and a long tail ".repeat(40_000); // far more than a pipe holds
    await withServers([foreignNode(() => found(value))], async ({ endpoint }) => {
      const { status, stdout, stderr } = await proa(["kv", "get", "a", "-e", endpoint]);
      expect([status, stdout === value, stderr]).toEqual([0, true, ""]);
    });
  });

  test("get ends with 0 when the reader goes away", async () => {
    await withServers([foreignNode(() => found("x".repeat(1024 * 1024)))], async ({ endpoint }) => {
      const [program, ...before] = proaCommand;
      const child = spawn(program, [...before, "kv", "get", "a", "-e", endpoint], {
        env: cleanEnvironment,
        stdio: ["ignore", "pipe", "inherit"],
      });
      child.stdout.once("data", () => child.stdout.destroy());
      const status = await new Promise((resolve) => child.on("close", resolve));
      expect(status).toBe(0);
    });
  });

  test("get tells the revisions in JSON", async () => {
    await withServers([foreignNode(() => found(Uint8Array.of(0xff)))], async ({ endpoint }) => {
      const { stdout } = await proa(["--json", "kv", "get", "a", "-e", endpoint]);
      expect(stdout).toBe(
        '{"key":"a","value_b64":"/w==","create_revision":2,"mod_revision":3,"version":4,"lease":0,"revision":42}\n',
      );
    });
  });

  test("get of a missing key ends with 5", async () => {
    const missing = refusal(404, { code: "NOT_FOUND", exit: 5, message: "Cannot get: there is no such key" });
    await withServers([foreignNode(() => missing)], async ({ endpoint }) => {
      const { status, stdout, stderr } = await proa(["kv", "get", "a", "-e", endpoint]);
      expect([status, stdout, stderr]).toEqual([5, "", "proa: error: Cannot get: there is no such key\n"]);
    });
  });

  test("put takes its value from the line, from stdin and from a file", async () => {
    const values: string[] = [];
    const node = readyNode(({ body }) => {
      values.push(new TextDecoder().decode(body));
      return ok({ revision: 42, mod_revision: 42 });
    });
    await withServers([node], async ({ endpoint }) => {
      await inTempDirectory(async (directory) => {
        const file = join(directory, "value");
        writeFileSync(file, "from a file\n");
        const line = await proa(["kv", "put", "a", "from the line", "-e", endpoint]);
        expect([line.status, line.stdout, line.stderr]).toEqual([0, "ok rev=42\n", ""]);
        const json = await proa(["kv", "put", "a", "-", "--json", "-e", endpoint], { stdin: "from stdin\n" });
        expect(json.stdout).toBe('{"revision":42,"mod_revision":42}\n');
        const quiet = await proa(["kv", "put", "a", `@${file}`, "-q", "-e", endpoint]);
        expect([quiet.status, quiet.stdout]).toEqual([0, ""]);
        await proa(["-e", endpoint, "kv", "put", "--", "-a", "-5"]);
      });
    });
    expect(values).toEqual(["from the line", "from stdin\n", "from a file\n", "-5"]);
  });

  test("put refuses a value over the limit without sending it", async () => {
    await withServers([readyNode(() => ok({}))], async ({ endpoint, requests }) => {
      const { status, stderr } = await proa(["kv", "put", "a", "-", "-e", endpoint], {
        stdin: "x".repeat(1024 * 1024 + 1),
      });
      expect([status, stderr.split("\n")[0]]).toEqual([
        3,
        "proa: error: Cannot put: the value has more than 1048576 bytes",
      ]);
      expect(requests).toEqual([]);
    });
  });

  test("put whose precondition fails ends with 6 and the revision", async () => {
    const failed = refusal(412, {
      code: "PRECONDITION_FAILED",
      exit: 6,
      message: "Cannot put: it exists",
      revision: 7,
    });
    await withServers([readyNode(() => failed)], async ({ endpoint }) => {
      const { status, stderr } = await proa(["kv", "put", "a", "b", "--if-absent", "--json", "-e", endpoint]);
      expect([status, jsonError(stderr)["revision"]]).toEqual([6, 7]);
    });
  });

  test("put whose answer is lost is sent again under its id, and ends with 4", async () => {
    await withServers([readyNode(() => "cut")], async ({ endpoint, requests }) => {
      const { status, stdout, stderr } = await proa([
        "kv",
        "put",
        "a",
        "b",
        "--json",
        "-e",
        endpoint,
        "--timeout",
        "1s",
      ]);
      const error = jsonError(stderr);
      expect([status, stdout, error["code"], error["applied"]]).toEqual([4, "", "OUTCOME_UNKNOWN", "unknown"]);
      expect(typeof error["request_id"]).toBe("string");
      expect(new Set(requests)).toEqual(new Set(["GET /readyz", "PUT /v1/kv?key=a"]));
    });
  });

  test("del of nothing ends with 5, or with 0 where that is wanted", async () => {
    await withServers([readyNode(() => ok({ revision: 9, deleted: 0 }))], async ({ endpoint }) => {
      expect((await proa(["kv", "del", "a", "-e", endpoint])).status).toBe(5);
      const ignored = await proa(["kv", "del", "a", "--ignore-missing", "-e", endpoint]);
      expect([ignored.status, ignored.stdout]).toEqual([0, "ok rev=9 deleted=0\n"]);
    });
  });

  test("del says how much of a range it deleted", async () => {
    await withServers([readyNode(() => ok({ revision: 9, deleted: 1 }))], async ({ endpoint, requests }) => {
      expect((await proa(["kv", "del", "a", "-e", endpoint])).stdout).toBe("ok rev=9\n");
      expect((await proa(["kv", "del", "--prefix", "a", "-e", endpoint])).stdout).toBe("ok rev=9 deleted=1\n");
      expect(requests.filter((request) => request.startsWith("DELETE"))).toEqual([
        "DELETE /v1/kv?key=a",
        "DELETE /v1/kv?start=a&end=b",
      ]);
    });
  });

  describe("ls", () => {
    const pages: Readonly<Record<string, unknown>> = {
      "": {
        revision: 5,
        kvs: [
          { key: "a", value: "1\n" },
          { key_b64: "/w==", value: "2" },
        ],
        more: true,
        next: "%FF%00",
      },
      "%FF%00": { revision: 6, kvs: [{ key: "b", value_b64: "/w==" }], more: false },
    };
    const lister = ({ path }: Received): Reaction => ok(pages[/start=([^&]*)/.exec(path)?.[1] ?? "?"]);

    test("prints a key a line through all pages", async () => {
      await withServers([foreignNode(lister)], async ({ endpoint, requests }) => {
        const { status, stdout, stderr } = await proa(["kv", "ls", "-e", endpoint]);
        expect([status, stdout, stderr]).toEqual([0, "a\n\\xff\nb\n", ""]);
        expect(requests).toEqual([
          "GET /v1/kv?start=&consistency=linearizable&keys_only=true",
          "GET /v1/kv?start=%FF%00&consistency=linearizable&keys_only=true&revision=5", // as the first page saw it
        ]);
      });
    });

    test("keeps to its range on every page", async () => {
      await withServers([foreignNode(lister)], async ({ endpoint, requests }) => {
        expect((await proa(["kv", "ls", "--end", "z", "-e", endpoint])).stdout).toBe("a\n\\xff\nb\n");
        expect(requests.map((request) => request.includes("&end=z&"))).toEqual([true, true]);
      });
    });

    test("prints values, JSON and JSON lines", async () => {
      await withServers([foreignNode(lister)], async ({ endpoint }) => {
        expect((await proa(["kv", "ls", "--values", "-e", endpoint])).stdout).toBe("a\t1\\x0a\n\\xff\t2\nb\t\\xff\n");
        expect(jsonObject((await proa(["kv", "ls", "--json", "-e", endpoint])).stdout)).toEqual({
          revision: 5,
          kvs: [
            { key: "a", value: "1\n" },
            { key_b64: "/w==", value: "2" },
            { key: "b", value_b64: "/w==" },
          ],
          more: false,
        });
        expect((await proa(["kv", "ls", "-o", "jsonl", "-e", endpoint])).stdout).toBe(
          '{"key":"a","value":"1\\n"}\n{"key_b64":"/w==","value":"2"}\n{"key":"b","value_b64":"/w=="}\n',
        );
      });
    });

    test("stops at its limit and says how to go on", async () => {
      await withServers([foreignNode(lister)], async ({ endpoint, requests }) => {
        const { status, stdout, stderr } = await proa(["kv", "ls", "--limit", "2", "-e", endpoint]);
        expect([status, stdout]).toEqual([0, "a\n\\xff\n"]);
        expect(stderr).toBe("more keys follow: go on with --start '%FF%00' --key-encoding percent\n");
        const { stdout: rest } = await proa([
          "kv",
          "ls",
          "--start",
          "%FF%00",
          "--key-encoding",
          "percent",
          "-e",
          endpoint,
        ]);
        expect(rest).toBe("b\n");
        expect(requests[0]).toBe("GET /v1/kv?start=&consistency=linearizable&limit=2&keys_only=true");
        const json = jsonObject((await proa(["kv", "ls", "--limit", "2", "--json", "-e", endpoint])).stdout);
        expect([json["more"], json["next"]]).toEqual([true, "%FF%00"]);
      });
    });
  });
});

describe("endpoints", () => {
  test("are those of the running demo where nobody names any", async () => {
    await withServers([foreignNode(() => found("from the demo"))], async ({ endpoint }) => {
      await inTempDirectory(async (state) => {
        mkdirSync(join(state, "proa", "demo"), { recursive: true });
        writeFileSync(join(state, "proa", "demo", "endpoints"), `${endpoint}\n`);
        expect((await proa(["kv", "get", "a"], { env: { XDG_STATE_HOME: state } })).stdout).toBe("from the demo");
      });
    });
  });

  test("that nobody listens at are exit 3, with what was tried", async () => {
    const [one, two] = [await desertedEndpoint(), await desertedEndpoint()];
    const { status, stdout, stderr } = await proa(["kv", "get", "a"], { env: { PROA_ENDPOINTS: `${one},${two}` } });
    expect([status, stdout]).toEqual([3, ""]);
    expect(stderr).toBe(
      `proa: error: Cannot get a: no endpoint answers (${one}: connection refused; ${two}: connection refused)\n` +
        "hint: start a cluster with proa demo, or name its service ports with --endpoints host:port,…\n",
    );
  });

  test("are asked without a proxy, and --verbose tells about it", async () => {
    await withServers([foreignNode(() => found("v"))], async ({ endpoint }) => {
      const proxy = `http://${await desertedEndpoint()}`;
      const env = { HTTP_PROXY: proxy, http_proxy: proxy, ALL_PROXY: proxy, all_proxy: proxy };
      const { status, stdout, stderr } = await proa(["kv", "get", "a", "-v", "-e", endpoint], { env });
      expect([status, stdout]).toEqual([0, "v"]);
      expect(stderr).toMatch(
        /^proa: 127\.0\.0\.1:\d+ GET \/v1\/kv\?key=a&consistency=linearizable: 200, \d+\.\d ms\n$/,
      );
    });
  });
});

describe("leader, cluster and wait", () => {
  /** A cluster of three, seen through one server that answers for the leader; the other two are gone. */
  const status = async (): Promise<Reaction> => {
    const [one, two] = [await desertedEndpoint(), await desertedEndpoint()];
    const known = servers.map(({ id }) => ({ id, service: [one, two, "127.0.0.1:1"][id - 1] ?? "" }));
    const peers = [peer(1, { active: false, lag: 9 }), peer(2, { active: false, lag: 9 })];
    return ok(report({ id: 3, role: "leader", term: 8, leader: 3 }, { servers: known, peers }));
  };

  test("leader transfer tells who, when and how long", async () => {
    const done = ok({ from: 1, to: 3, term_before: 7, term: 8, elapsed_ms: 41 });
    const bodies: string[] = [];
    const node = readyNode(({ body }) => {
      bodies.push(new TextDecoder().decode(body));
      return done;
    });
    await withServers([node], async ({ endpoint, requests }) => {
      expect((await proa(["leader", "transfer", "--to", "3", "-e", endpoint])).stdout).toBe(
        "leader 1 → 3, term 7 → 8, 41 ms\n",
      );
      const json = await proa(["leader", "transfer", "--json", "-e", endpoint]);
      expect(jsonObject(json.stdout)).toEqual({ from: 1, to: 3, term_before: 7, term: 8, elapsed_ms: 41 });
      expect(bodies).toEqual(['{"to":3}', "{}"]);
      expect(requests[1]).toBe("POST /v1/leader/transfer");
    });
  });

  test("leader show tells what any node knows", async () => {
    const knows = ok(
      report({ id: 1, role: "follower", term: 8, leader: 3 }, { servers: [{ id: 3, service: "127.0.0.1:5003" }] }),
    );
    await withServers([foreignNode(() => knows)], async ({ endpoint }) => {
      expect((await proa(["leader", "show", "-e", endpoint])).stdout).toBe("leader 3   term 8   127.0.0.1:5003\n");
      expect(jsonObject((await proa(["leader", "show", "--json", "-e", endpoint])).stdout)).toEqual({
        leader: 3,
        term: 8,
        service: "127.0.0.1:5003",
      });
    });
    const knowsNot = ok(report({ id: 1, role: "candidate", term: 8, leader: null }, { servers: [] }));
    await withServers([foreignNode(() => knowsNot)], async ({ endpoint }) => {
      const { status, stderr } = await proa(["leader", "show", "-e", endpoint]);
      expect([status, stderr.split("\n")[0]?.endsWith(" (node 1: candidate in term 8)")]).toEqual([3, true]);
    });
  });

  test("cluster status shows everybody, and --check says no with 7", async () => {
    const reaction = await status();
    await withServers([foreignNode(() => reaction)], async ({ endpoint }) => {
      const shown = await proa(["cluster", "status", "-e", endpoint]);
      expect([shown.status, shown.stderr]).toEqual([0, ""]);
      expect(shown.stdout.split("\n")[0]).toBe("CLUSTER demo   term 8   leader 3   quorum 2/3   no quorum");
      const checked = await proa(["cluster", "status", "--check", "--json", "-e", endpoint]);
      expect([checked.status, jsonObject(checked.stdout)["health"], jsonError(checked.stderr)["code"]]).toEqual([
        7,
        "no_quorum",
        "CHECK_FAILED",
      ]);
    });
    const nobody = await desertedEndpoint();
    expect((await proa(["cluster", "status", "-e", nobody])).status).toBe(3);
    expect((await proa(["cluster", "status", "--check", "-e", nobody])).status).toBe(7);
  });

  for (const [signal, exit] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    test(`cluster status --watch goes on until ${signal}, and ends with ${exit}`, async () => {
      const reaction = await status();
      await withServers([foreignNode(() => reaction)], async ({ endpoint }) => {
        const [program, ...before] = proaCommand;
        const args = [...before, "cluster", "status", "--watch", "20ms", "-o", "jsonl", "-e", endpoint];
        const child = spawn(program, args, { env: cleanEnvironment, stdio: ["ignore", "pipe", "inherit"] });
        let lines = 0;
        let asked = false;
        child.stdout.on("data", (chunk: Uint8Array) => {
          lines += chunk.filter((byte) => byte === 10).length;
          if (lines < 3 || asked || child.pid === undefined) return;
          asked = process.kill(child.pid, signal); // Deno forgets the exit status of a child that it kills itself
        });
        expect(await new Promise((resolve) => child.on("close", resolve))).toBe(exit);
      });
    });
  }

  test("wait leader returns once a majority agrees", async () => {
    let asked = 0;
    const views = [
      report({ id: 1, role: "candidate", term: 7, leader: null }),
      report({ id: 1, role: "leader", term: 8, leader: 1 }),
    ];
    const node = foreignNode(() =>
      ok({ ...views[Math.min(asked++, 1)], members: { voters: [1], outgoing: [], learners: [] }, servers: [] }),
    );
    await withServers([node], async ({ endpoint }) => {
      const { status, stdout } = await proa(["wait", "leader", "-e", endpoint]);
      expect([status, stdout]).toEqual([0, "leader 1, term 8\n"]);
      expect(asked).toBe(2);
    });
  });

  test("wait ends with 124 when its time is over", async () => {
    const reaction = await status();
    const unready: Reaction = {
      status: 503,
      headers: nodeHeaders,
      body: JSON.stringify({ ok: false, reasons: ["no leader is known"] }),
    };
    await withServers([foreignNode(() => reaction), foreignNode(() => unready)], async (alone, node) => {
      const forLeader = await proa(["wait", "leader", "--timeout", "200ms", "-e", alone.endpoint]);
      expect([forLeader.status, forLeader.stdout]).toEqual([124, ""]);
      const forReady = await proa(["wait", "ready", "--timeout", "200ms", "--json", "-e", node.endpoint]);
      expect(forReady.status).toBe(124);
      expect(jsonError(forReady.stderr)["tried"]).toEqual([`${node.endpoint}: no leader is known`]);
    });
  });

  test("wait ready names the node that is ready", async () => {
    const nobody = await desertedEndpoint();
    await withServers([foreignNode(() => ok({ ok: true }))], async ({ endpoint }) => {
      expect((await proa(["wait", "ready", "-e", `${nobody},${endpoint}`])).stdout).toBe(`ready ${endpoint}\n`);
    });
  });
});
