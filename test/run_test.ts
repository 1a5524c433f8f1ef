/** scripts/run.mjs, what `npm start` calls, with small programs in place of npm, Bun and proa: it installs, and it ends as they end. */
import { describe, expect, test } from "bun:test";
import { spawn, spawnSync, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const hasNode = spawnSync("node", ["--version"]).status === 0;

/** Runs until it is told to end, and says by what. */
const demo = `#!/bin/sh
trap 'echo heard SIGINT; exit 130' INT
trap 'echo heard SIGTERM; exit 143' TERM
echo "demo $*"
while :; do sleep 0.05; done
`;

type Started = ChildProcessByStdio<null, Readable, Readable>;

interface Scene {
  readonly home: string;
  /** Starts run.mjs in a session of its own, as npm does: through a shell when `through` says so. */
  readonly start: (args: readonly string[], through?: "shell") => Started;
}

async function inScene(body: (scene: Scene) => Promise<void>): Promise<void> {
  const home = fs.mkdtempSync(join(tmpdir(), "proa run "));
  const started: Started[] = [];
  // A process that does not end would keep its pipe, and the test, open for ever.
  const watchdog = setTimeout(() => started.forEach(killGroup), 10_000);
  try {
    const write = (path: string, text: string): void => {
      fs.mkdirSync(dirname(join(home, path)), { recursive: true });
      fs.writeFileSync(join(home, path), text, { mode: 0o755 });
    };
    fs.mkdirSync(join(home, "scripts"));
    fs.copyFileSync(join(root, "scripts", "run.mjs"), join(home, "scripts", "run.mjs"));
    const packages = {
      "": {},
      "node_modules/bun": { version: "1.0.0" },
      "node_modules/other": { version: "1.0.0", optional: true },
    };
    write("package-lock.json", JSON.stringify({ packages }));
    write("node_modules/bun/package.json", '{ "version": "1.0.0" }');
    write("node_modules/bun/bin/bun.exe", '#!/bin/sh\n[ "$1" = --version ] || echo "bun $*"\n');
    write("npm.js", 'require("fs").writeFileSync(process.cwd() + "/npm-called", process.argv.slice(2).join(" "))');
    write("dist/proa", demo);
    const env = { ...process.env, npm_execpath: join(home, "npm.js"), npm_lifecycle_event: "start" };
    const start = (args: readonly string[], through?: "shell"): Started => {
      const script = join(home, "scripts", "run.mjs");
      const [command, all] =
        through === undefined ? ["node", [script, ...args]] : ["sh", ["-c", 'node "$@"; :', "sh", script, ...args]];
      const child = spawn(command, all, { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
      started.push(child);
      return child;
    };
    await body({ home, start });
  } finally {
    clearTimeout(watchdog);
    started.forEach(killGroup);
    fs.rmSync(home, { recursive: true });
  }
}

/** Whatever a failed test left running. */
function killGroup(child: Started): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // All of them have ended, which is what the test wants.
  }
}

/** Reads `stream` until `text` appears, or to its end when `text` is null; the time limit of the test bounds it. */
async function readUntil(stream: Readable, text: string | null): Promise<string> {
  let seen = "";
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    seen += String(chunk);
    if (text !== null && seen.includes(text)) return seen;
  }
  return seen;
}

function testScene(name: string, body: (scene: Scene) => Promise<void>): void {
  test.skipIf(!hasNode)(`${name}${hasNode ? "" : " (no Node.js here)"}`, () => inScene(body), 30_000);
}

describe("run.mjs", () => {
  testScene("builds and starts the demo, with the arguments that it was given", async ({ home, start }) => {
    const child = start(["start", "--nodes", "5"]);
    expect(await readUntil(child.stdout, "\n")).toBe("demo demo --nodes 5\n");
    expect(await readUntil(child.stderr, "\n")).toBe("bun scripts/build.ts\n");
    expect(fs.existsSync(join(home, "npm-called"))).toBe(false);
  });

  testScene("installs when a package is missing or of another version", async ({ home, start }) => {
    fs.writeFileSync(join(home, "node_modules", "bun", "package.json"), '{ "version": "0.9.0" }');
    const child = start(["install"]);
    const ended = once(child, "exit");
    expect(await readUntil(child.stderr, null)).toContain("installing the packages");
    await ended;
    const called = fs.readFileSync(join(home, "npm-called"), "utf8");
    expect(called).toBe("ci --include=dev --no-audit --no-fund --loglevel=error");
  });

  testScene("puts Bun in place itself where npm runs no scripts", async ({ home, start }) => {
    const bun = join(home, "node_modules", "bun");
    fs.renameSync(join(bun, "bin", "bun.exe"), join(bun, "bun.exe"));
    fs.writeFileSync(
      join(bun, "install.js"),
      `require("fs").renameSync(${JSON.stringify(bun)} + "/bun.exe", ${JSON.stringify(bun)} + "/bin/bun.exe")`,
    );
    const child = start(["install"]);
    const [status] = (await once(child, "exit")) as unknown[];
    expect(status).toBe(0);
    expect(fs.existsSync(join(bun, "bin", "bun.exe"))).toBe(true);
  });

  testScene("ends with the status of a step that fails", async ({ home, start }) => {
    fs.writeFileSync(
      join(home, "node_modules", "bun", "bin", "bun.exe"),
      '#!/bin/sh\n[ "$1" = --version ] || exit 7\n',
    );
    const [status] = (await once(start(["start"]), "exit")) as unknown[];
    expect(status).toBe(7);
  });

  testScene("refuses a verb that it does not know", async ({ start }) => {
    const child = start(["frobnicate"]);
    expect(await readUntil(child.stderr, null)).toContain("Cannot run frobnicate");
  });

  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    testScene(`passes ${signal} on and ends as the demo ends`, async ({ start }) => {
      const child = start(["start"]);
      await readUntil(child.stdout, "demo\n");
      child.kill(signal);
      const exit = once(child, "exit");
      expect(await readUntil(child.stdout, null)).toBe(`heard ${signal}\n`);
      expect((await exit)[0]).toBe(status);
    });
  }

  testScene("ends the demo when the npm that started it is killed", async ({ start }) => {
    const shell = start(["start"], "shell");
    await readUntil(shell.stdout, "demo\n");
    shell.kill("SIGKILL");
    // The pipe is at its end when the last process that holds it has ended.
    expect(await readUntil(shell.stdout, null)).toBe("heard SIGTERM\n");
  });
});
