/** docs/correctness.md names the tests and the mutants that prove each rule: they must exist, and no rule may be left out. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mutants } from "../scripts/mutants/list.ts";

const root = join(import.meta.dirname, "..");
const page = readFileSync(join(root, "docs", "correctness.md"), "utf8");

/** How many rules there are of each kind. */
const kinds = { P: 16, E: 8, L: 15, R: 8, M: 13, T: 3, S: 7, C: 5, X: 5 };

/** The rows of the table of rules: the name of a rule, what it says, its tests and its mutants. */
const rows = page
  .split("\n")
  .filter((line) => /^\| [PELRMTSCX]\d+ +\|/.test(line))
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .map(([, rule = "", statement = "", tests = "", bugs = ""]) => ({ rule, statement, tests, bugs }));

/** The tests that a cell names, as `file`: title. */
function testsIn(cell: string): readonly { readonly file: string; readonly title: string }[] {
  return [...cell.matchAll(/`([^`]+_test\.ts)`: ([^<]+)/g)].map(([, file = "", title = ""]) => ({
    file,
    title: title.trim(),
  }));
}

test("every rule has one row", () => {
  const expected = Object.entries(kinds).flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, position) => `${kind}${position + 1}`),
  );
  expect(rows.map(({ rule }) => rule)).toEqual(expected);
});

describe("what the page claims exists", () => {
  test("every test that it names", () => {
    const missing = rows.flatMap(({ rule, tests }) => {
      if (tests === "none") return [];
      const named = testsIn(tests);
      if (named.length === 0) return [`${rule}: neither a test nor "none"`];
      return named.flatMap(({ file, title }) => {
        const path = join(root, file);
        return existsSync(path) && readFileSync(path, "utf8").includes(title) ? [] : [`${rule}: ${file}: ${title}`];
      });
    });
    expect(missing).toEqual([]);
  });

  test("every mutant that it names", () => {
    const names = new Set(mutants.map(({ name }) => name));
    const claimed = rows.flatMap(({ bugs }) => (bugs === "" ? [] : bugs.split("<br>")));
    expect(claimed.filter((name) => !names.has(name))).toEqual([]);
  });
});
