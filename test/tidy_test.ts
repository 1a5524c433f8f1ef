/** The rules of the repository that a machine can check, on the repository itself; and that each of them can fail. */
import { describe, expect, test } from "bun:test";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { checkCode } from "./tidy/code_rules.ts";
import { checkFiles } from "./tidy/file_rules.ts";
import { checkImports } from "./tidy/import_rules.ts";
import { parseSources, readProject, type Project, type Violation } from "./tidy/project.ts";

function check(project: Project): readonly Violation[] {
  const sources = parseSources(project);
  return [...checkImports(project, sources), ...sources.flatMap(checkCode), ...checkFiles(project, sources)];
}

test("the repository is tidy", () => {
  const project = readProject(dirname(dirname(fileURLToPath(import.meta.url))));
  expect(project.size).toBeGreaterThan(30);
  expect(check(project)).toEqual([]);
}, 60_000);

/** A project in which nothing is wrong, and one of everything is there. */
const tidy: Readonly<Record<string, string>> = {
  "cli/bun.ts":
    '/** The entry. */\nimport { bun } from "../src/runtime/bun.ts";\nimport { run } from "./main.ts";\nrun(bun);\n',
  "cli/main.ts":
    '/** Runs a command. */\nimport { node } from "../src/node/mod.ts";\nimport { parse } from "./framework.ts";\n' +
    'import { serve } from "../src/api/server.ts";\nexport const run = (runtime: unknown) => [node, parse, serve, runtime];\n',
  "cli/framework.ts": '/** The parser. */\nimport { Command } from "commander";\nexport const parse = Command;\n',
  "src/lib/assert.ts": "/** Assertions. */\nexport const assert = 1;\n",
  "src/raft/mod.ts": 'export * from "./raft.ts";\n',
  "src/raft/raft.ts": '/** The core. */\nimport { assert } from "../lib/assert.ts";\nexport const raft = assert;\n',
  "src/node/mod.ts": 'export * from "./node.ts";\n',
  "src/node/node.ts":
    '/** The driver. */\nimport { raft } from "../raft/mod.ts";\nimport type { Storage } from "../storage/storage.ts";\n' +
    "export const node = (storage: Storage) => [raft, storage];\n",
  "src/storage/storage.ts": "/** The port. */\nexport type Storage = number;\n",
  "src/api/server.ts":
    '/** The server. */\nimport { createServer } from "node:http";\nexport const serve = createServer;\n',
  "src/runtime/bun.ts": "/** Bun. */\nexport const bun = Bun.version;\n",
  "test/raft/raft_test.ts":
    'import { expect, test } from "bun:test";\nimport { raft } from "../../src/raft/mod.ts";\ntest("", () => expect(raft).toBe(1));\n',
};

/** What the rules say about the tidy project with some files exchanged or added. */
function violations(changes: Readonly<Record<string, string>>): readonly Violation[] {
  return check(new Map(Object.entries({ ...tidy, ...changes })));
}

/** The tidy project with one line more in one of its files. */
function withLine(path: string, line: string): readonly Violation[] {
  return violations({ [path]: `${tidy[path]}${line}\n` });
}

test("the sample project is tidy", () => {
  expect(violations({})).toEqual([]);
});

const forbiddenLines: readonly (readonly [name: string, path: string, line: string, complaint: string])[] = [
  ["raft uses node", "src/raft/raft.ts", 'import { node } from "../node/mod.ts";', "may not use src/node"],
  ["lib uses raft", "src/lib/assert.ts", 'import type { raft } from "../raft/mod.ts";', "may not name src/raft"],
  ["node uses the code of a port", "src/node/node.ts", 'import { x } from "../storage/storage.ts";', "may not use"],
  ["a re-export crosses folders", "src/raft/raft.ts", 'export * from "../node/mod.ts";', "may not use src/node"],
  ["a lazy import crosses folders", "src/raft/raft.ts", 'const x = import("../node/mod.ts");', "may not use src/node"],
  ["a type is imported in place", "src/lib/assert.ts", 'type X = import("../raft/mod.ts").raft;', "may not name"],
  ["a computed import", "src/raft/raft.ts", "const x = import(name);", "not a package"],
  ["src uses cli", "src/api/server.ts", 'import { run } from "../../cli/main.ts";', "may not import"],
  ["around mod.ts", "cli/main.ts", 'import { raft } from "../src/raft/raft.ts";', "import src/raft/mod.ts"],
  ["a type around mod.ts", "cli/main.ts", 'import type { R } from "../src/raft/raft.ts";', "import src/raft/mod.ts"],
  [
    "the runtime is chosen elsewhere",
    "cli/main.ts",
    'import { bun } from "../src/runtime/bun.ts";',
    "choose a runtime",
  ],
  ["a built-in in a pure folder", "src/raft/raft.ts", 'import { readFileSync } from "node:fs";', "built-in module"],
  ["another built-in in storage", "src/storage/storage.ts", 'import { Socket } from "node:net";', "built-in module"],
  ["node:sqlite", "src/api/server.ts", 'import { DatabaseSync } from "node:sqlite";', "only src/runtime"],
  ["a module of Bun", "src/api/server.ts", 'import { Database } from "bun:sqlite";', "not a package"],
  ["an unknown package", "src/api/server.ts", 'import express from "express";', "not a package"],
  ["commander elsewhere", "cli/main.ts", 'import { Command } from "commander";', "may import this package"],
  ["zod elsewhere", "src/raft/raft.ts", 'import { z } from "zod";', "may import this package"],
  ["msgpack elsewhere", "src/api/server.ts", 'import { encode } from "@msgpack/msgpack";', "may import this package"],
  ["sorted-btree elsewhere", "src/raft/raft.ts", 'import BTree from "sorted-btree";', "may import this package"],
  ["no file extension", "src/raft/raft.ts", 'import { assert } from "../lib/assert";', "does not exist"],
  ["a package in a test", "test/raft/raft_test.ts", 'import { z } from "zod";', "a test imports only"],
  ["a hook in a test", "test/raft/raft_test.ts", 'import { beforeEach } from "bun:test";', "not beforeEach"],
  ["Bun", "src/api/server.ts", "Bun.serve({});", "may name Bun"],
  ["Deno", "cli/main.ts", "const x = typeof Deno;", "may name Deno"],
  ["import.meta.main", "src/api/server.ts", "if (import.meta.main) serve();", "import.meta.main"],
  ["Date.now", "src/raft/raft.ts", "const x = Date.now();", "Date.now"],
  ["new Date", "src/raft/raft.ts", "const x = new Date();", "new Date"],
  ["Date()", "src/raft/raft.ts", "const x = Date();", "Date()"],
  ["performance.now", "src/raft/raft.ts", "const x = performance.now();", "performance.now"],
  ["Math.random", "src/node/node.ts", "const x = Math.random();", "Math.random"],
  ["setTimeout", "src/node/node.ts", "setTimeout(node, 1);", "setTimeout"],
  ["setTimeout of globalThis", "src/node/node.ts", "const { setTimeout: later } = globalThis;", "setTimeout"],
  ["setInterval", "src/node/node.ts", "setInterval(node, 1);", "setInterval"],
  ["setImmediate", "src/node/node.ts", "setImmediate(node);", "setImmediate"],
  ["queueMicrotask", "src/node/node.ts", "queueMicrotask(node);", "queueMicrotask"],
  ["console", "src/raft/raft.ts", 'console.log("here");', "console"],
  ["a lazy import in a pure folder", "src/node/node.ts", 'const x = import("./node.ts");', "a lazy import"],
  ["async", "src/raft/raft.ts", "const x = async () => 1;", "async"],
  ["await", "src/raft/raft.ts", "await 1;", "await"],
  ["for await", "src/raft/raft.ts", "for await (const x of y) z(x);", "for await"],
  ["Promise", "src/raft/raft.ts", "let x: Promise<number>;", "Promise"],
  ["any", "src/raft/raft.ts", "let x: any;", "any"],
  ["enum", "cli/main.ts", "enum X { A }", "enum"],
  ["a default export", "cli/main.ts", "export default run;", "default export"],
  ["a default function", "cli/main.ts", "export default function f() {}", "default export"],
  ["a renamed default", "cli/main.ts", "export { run as default };", "default export"],
  ["ts-ignore", "cli/main.ts", "// @ts-ignore", "@ts-ignore"],
  ["eslint-disable", "cli/main.ts", "/* eslint-disable */", "eslint-disable"],
  ["a note to oneself", "cli/main.ts", "// TO" + "DO later", "not for product code"],
  ["a path of a machine", "cli/main.ts", 'const x = "/' + 'home/me/proa";', "names a machine"],
];

describe("a rule is broken when", () => {
  for (const [name, path, line, complaint] of forbiddenLines) {
    test(name, () => {
      const found = withLine(path, line);
      expect(found.length).toBeGreaterThan(0);
      expect(found[0]).toContain(complaint);
      expect(found[0]).toContain(`${path}:${tidy[path]?.split("\n").length}: `);
    });
  }

  test("a file is too long", () => {
    const long = `${tidy["src/raft/raft.ts"]}${"\n".repeat(500)}`;
    expect(violations({ "src/raft/raft.ts": long })).toEqual(["src/raft/raft.ts: 503 lines, the limit is 500"]);
  });

  test("a name is not snake_case", () => {
    const found = violations({ "test/raft/raftMore_test.ts": "" });
    expect(found).toEqual(["test/raft/raftMore_test.ts: names are snake_case"]);
  });

  test("a file does not say what it is", () => {
    const silent = 'import { assert } from "../lib/assert.ts";\nexport const raft = assert;\n';
    expect(violations({ "src/raft/raft.ts": silent })[0]).toContain("opens with a sentence");
    expect(violations({ "src/raft/raft.ts": `/** raft */\n${silent}` })[0]).toContain("opens with a sentence");
    expect(violations({ "src/raft/raft.ts": `// The core.\n${silent}` })).toEqual([]);
  });

  test("nothing uses a file", () => {
    const found = violations({ "src/raft/old.ts": "/** What was. */\nexport const old = 1;\n" });
    expect(found).toEqual(["src/raft/old.ts: nothing uses this file"]);
  });

  test("a folder is in no table", () => {
    const found = violations({
      "src/other/x.ts": '/** What else. */\nimport { assert } from "../lib/assert.ts";\nassert;\n',
    });
    expect(found[0]).toContain("do not know this folder");
  });

  test("the lockfile names a registry", () => {
    expect(violations({ "package-lock.json": '{"resolved":"https://example.org"}' })[0]).toContain("registry");
    expect(violations({ "README.md": "npm --registry https://registry." + "npmjs.org" })[0]).toContain(
      "names a machine",
    );
  });
});

test("what only looks like a broken rule is none", () => {
  const innocent = [
    "export const counts = { Promise: 1, console: 2, setTimeout: 3 };",
    "export const sum = counts.Promise + counts.console;",
    'export const words = "await any enum Bun.serve Date.now()";',
    "export interface Clock { now(): number; readonly fetch: number }",
  ];
  expect(withLine("src/raft/raft.ts", innocent.join("\n"))).toEqual([]);
  // A file that is run as a process is used by whoever names its path.
  const child = { "test/raft/child.ts": "", "test/raft/child_test.ts": 'const path = "./child.ts";\n' };
  expect(violations(child)).toEqual([]);
});
