/** That every verb and every route is walked end to end: in a transcript of test/e2e, or in a test that is named here. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { commands } from "../../cli/commands/index.ts";
import { routes } from "../../src/api/routes.ts";
import { stepsOf } from "../e2e/transcript.ts";

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), "e2e");

/** The commands of a transcript, all in one text. */
const commandsIn = (name: string): string =>
  stepsOf(readFileSync(join(folder, name), "utf8"))
    .map(({ command }) => command)
    .join("\n");

/** Verbs that have end-to-end tests of their own: the file, and how it names the verb. */
const elsewhere: Readonly<Record<string, readonly [file: string, words: string]>> = {
  demo: ["local_demo.ts", 'spawn(proaBinary(), ["demo"]'],
  "demo up": ["demo_test.ts", "demo up"],
  "demo status": ["local_demo.ts", "demo status"],
  "demo env": ["demo_test.ts", "demo env"],
  "demo logs": ["demo_test.ts", '"demo", "logs"'],
  "demo kill": ["demo_test.ts", "demo kill"],
  "demo restart": ["demo_test.ts", "demo restart"],
  "demo down": ["local_demo.ts", "demo down"],
  bench: ["bench_test.ts", '"bench"'],
  probe: ["probe_test.ts", '"probe"'],
  sim: ["../sim/command_test.ts", '"sim"'],
};

test("every verb is walked in test/e2e/verbs.txt, or tested elsewhere on the executable", () => {
  const walked = commandsIn("verbs.txt");
  const missing = commands
    .map(({ path }) => path.join(" "))
    .filter((verb) => !new RegExp(`\\bproa ${verb}\\b`).test(walked) && !Object.hasOwn(elsewhere, verb));
  expect(
    missing.map((verb) => `proa ${verb} is not walked: add lines to test/e2e/verbs.txt with what it prints`),
  ).toEqual([]);
});

test("what is said to be tested elsewhere is", () => {
  for (const [verb, [file, words]] of Object.entries(elsewhere))
    expect([verb, readFileSync(join(folder, file), "utf8").includes(words)]).toEqual([verb, true]);
});

test("every method of every route is walked in test/e2e/routes.txt", () => {
  const lines = commandsIn("routes.txt").split("\n");
  const served = routes.flatMap(({ path, methods }) => Object.keys(methods).map((method) => ({ path, method })));
  const missing = served.filter(({ path, method }) => !lines.some((line) => asks(line, method, path)));
  expect(
    missing.map(
      ({ path, method }) => `${method} ${path} is not walked: add lines to test/e2e/routes.txt with what it answers`,
    ),
  ).toEqual([]);
});

/** Whether a line of the shell sends such a request by curl. */
function asks(line: string, method: string, path: string): boolean {
  const [, target = ""] = /"\$URL(\/[^"?]*)/.exec(line) ?? [];
  const pattern = path.split(/\{[^}]*\}/).map((part) => part.replaceAll(".", "\\."));
  const isThere = new RegExp(`^${pattern.join("[^?]+")}$`).test(target);
  const typed = / -X ([A-Z]+) /.exec(line)?.[1];
  return isThere && (typed ?? (/ -d | --data/.test(line) ? "POST" : "GET")) === method;
}
