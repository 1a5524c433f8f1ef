/**
 * The program that end-to-end tests run: the compiled executable, built when it is missing or when the sources have
 * changed since. `PROA_E2E_PROGRAM=deno` puts `deno run cli/deno.ts` in its place, `=mjs` the one file `dist/proa.mjs` on
 * Deno; with `PROA_E2E_MIXED=1` Deno runs node 3 of each cluster.
 */
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { buildBinary, buildModule } from "../../scripts/build.ts";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const deno = join(root, "node_modules", ".bin", "deno");

export const hasDeno = existsSync(deno);

/** What is run in place of a program that was built: made once in this process. */
const made = new Map<string, string>();

/**
 * The path of the program, as it was built from the sources at the first call in this process; its name is `proa`. Takes
 * about two seconds when it has to build: call it at the top of a test file, where no time limit of a test runs.
 */
export function proaBinary(): string {
  const choice = process.env["PROA_E2E_PROGRAM"] ?? "binary";
  switch (choice) {
    case "binary":
      return once(choice, buildBinary);
    case "deno":
      return denoProgram();
    case "mjs":
      return moduleProgram();
    default:
      throw new Error(`PROA_E2E_PROGRAM is binary, deno or mjs, not ${choice}`);
  }
}

/** A program that runs the sources on Deno. */
export function denoProgram(): string {
  return once("deno", () => writeLauncher("deno", join(root, "cli", "deno.ts")));
}

/** A program that runs `dist/proa.mjs` on Deno. */
export function moduleProgram(): string {
  return once("mjs", () => writeLauncher("mjs", buildModule()));
}

/** The program of one node of a cluster. */
export function programOfNode(id: number): string {
  return process.env["PROA_E2E_MIXED"] === "1" && id === 3 ? denoProgram() : proaBinary();
}

function once(name: string, make: () => string): string {
  const known = made.get(name) ?? make();
  made.set(name, known);
  return known;
}

/** A program called `proa` that becomes Deno with `module`, so that signals reach it. */
function writeLauncher(name: string, module: string): string {
  const folder = join(root, "dist", "launchers", name);
  mkdirSync(folder, { recursive: true });
  const temporary = join(folder, `.proa-${process.pid}`);
  writeFileSync(temporary, `#!/bin/sh\nexec '${deno}' run --allow-all '${module}' "$@"\n`, { mode: 0o755 });
  renameSync(temporary, join(folder, "proa")); // another process may be running the one that is there
  return join(folder, "proa");
}
