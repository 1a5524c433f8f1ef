/** docs/cli.md says what the table of commands says. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { cliManual, manualPath } from "../../scripts/generate_cli_docs.ts";

test("docs/cli.md is up to date; else: bun scripts/generate_cli_docs.ts", () => {
  expect(readFileSync(manualPath, "utf8") === cliManual()).toBe(true);
});
