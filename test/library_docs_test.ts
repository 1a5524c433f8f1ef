/** The examples for the library in docs/ do what their comments say, on the runtime that runs the tests. */
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { freePort } from "./helpers/free_port.ts";
import { run } from "./helpers/run.ts";
import { runFile } from "./helpers/runtime.ts";
import { inTempDirectory } from "./helpers/temp_directory.ts";
import { startNode } from "../src/mod.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const guides = ["library.md", "directories.md"].map((name) => readFileSync(join(root, "docs", name), "utf8"));
const examples = [...guides.join("\n").matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, code = ""]) => code);

/** What the comments behind `console.log(…);` and on lines of their own say that it prints. */
function promised(code: string): string {
  return code
    .split("\n")
    .flatMap((line) => /console\.log\(.*\); \/\/ (.*)$/.exec(line)?.[1] ?? /^\/\/ (.*)$/.exec(line)?.[1] ?? [])
    .map((line) => `${line}\n`)
    .join("");
}

test("the examples of the guides print what they promise", async () => {
  expect(examples.length).toBeGreaterThan(6);
  await inTempDirectory(async (directory) => {
    const ports = [await freePort(), await freePort(), await freePort(), await freePort()] as const;
    const servers = `1,127.0.0.1:${ports[0]},127.0.0.1:${ports[1]}`;
    const data = join(directory, "n0");
    await using node = await startNode({ id: 1, servers, data, electionTimeoutMs: 60, heartbeatMs: 20 });
    const files = examples.map((code, at) => {
      const service = code.includes("startNode(") ? `127.0.0.1:${ports[2]}` : node.service; // one node of its own
      const source = code
        .replaceAll('"proa"', JSON.stringify(join(root, "src", "mod.ts")))
        .replaceAll("127.0.0.1:5001", service)
        .replaceAll("127.0.0.1:4001", `127.0.0.1:${ports[3]}`)
        .replaceAll("./n1", join(directory, "n1"));
      writeFileSync(join(directory, `example_${at}.ts`), source);
      return `await import("./example_${at}.ts");\n`;
    });
    const runner = join(directory, "runner.ts");
    writeFileSync(runner, files.join(""));
    const [program, ...before] = runFile;
    const config = before.length === 0 ? [] : ["--config", join(root, "deno.json")];
    const proxy = `http://127.0.0.1:${await freePort()}`; // nobody is there, and nobody needs it
    const env = { ...process.env, HTTP_PROXY: proxy, http_proxy: proxy, ALL_PROXY: proxy, all_proxy: proxy };
    const finished = await run(program, [...before, ...config, runner], { env, cwd: root });
    expect(finished).toEqual({ status: 0, stdout: examples.map(promised).join(""), stderr: "" });
  });
}, 60_000);

test("startNode says what is wrong before it starts anything", async () => {
  const servers = "1,127.0.0.1:1,127.0.0.1:2";
  const timings = { electionTimeoutMs: 60, heartbeatMs: 30 };
  for (const [options, message] of [
    [{ id: 2, servers }, "Cannot start node 2: the server list names 1"],
    [{ id: 1, servers: "nonsense" }, "Cannot read the server list"],
    [{ id: 1, servers, ...timings }, "Cannot start a node: the election timeout is less than three heartbeats"],
  ] as const) {
    const refused = await startNode({ data: "./never-made", ...options }).catch((error: unknown) => String(error));
    expect(refused).toContain(message);
  }
});
