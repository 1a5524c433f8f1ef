/** Runs test/scripts/*.txt and compares what happens with what is written there; UPDATE=1 writes it anew, to be read as a diff. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { runScript } from "./script.ts";

const directory = join(import.meta.dirname, "..", "scripts");

for (const file of readdirSync(directory)
  .filter((name) => name.endsWith(".txt"))
  .sort()) {
  test(`script ${file}`, () => {
    const path = join(directory, file);
    const expected = readFileSync(path, "utf8");
    const actual = runScript(expected);
    if (process.env["UPDATE"] === "1") writeFileSync(path, actual);
    else expect(actual).toBe(expected);
  });
}
