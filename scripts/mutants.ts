/**
 * Proves that the simulator finds bugs: plants each of the mutants in a copy of the sources, runs seeds until one fails, and
 * tells after how many. `bun scripts/mutants.ts [--seeds MOST] [WORD...]` runs those whose names contain a word. Exits
 * with 7 when a bug was not found.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Edit, type Mutant, mutants } from "./mutant_list.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const words = process.argv.slice(2);
const seedsMax = words[0] === "--seeds" ? Number(words.splice(0, 2)[1]) : 5000;
/** A bug may make a run that never ends. Milliseconds. */
const patienceMs = 20 * 60_000;

/** What became of a mutant. `seeds`: how many were run, the failing one included. */
type Outcome =
  | { readonly kind: "found"; readonly seeds: number; readonly message: string }
  | { readonly kind: "survived"; readonly seeds: number }
  | { readonly kind: "broken"; readonly message: string };

/** Applies the edits of `mutant` to a copy of the sources and runs the simulator on it. */
function judge(mutant: Mutant): Outcome {
  const directory = mkdtempSync(join(tmpdir(), "proa-mutant-"));
  try {
    for (const part of ["src", "cli", "package.json"])
      cpSync(join(root, part), join(directory, part), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
    for (const edit of mutant.edits) plant(directory, edit);
    return simulate(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Stops everything when the text to replace is not there exactly once: then the mutant is out of date. */
function plant(directory: string, { file, find, replace }: Edit): void {
  const path = join(directory, file);
  const parts = readFileSync(path, "utf8").split(find);
  if (parts.length !== 2)
    throw new Error(`Cannot plant a bug in ${file}: ${parts.length - 1} places read ${JSON.stringify(find)}`);
  writeFileSync(path, parts.join(replace));
}

function simulate(directory: string): Outcome {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["cli/bun.ts", "sim", "--seeds", `1..${seedsMax}`, "--first", "--json"],
    { cwd: directory, encoding: "utf8", timeout: patienceMs },
  );
  if (status !== 0 && status !== 7) return { kind: "broken", message: stderr };
  const { seeds, failures } = JSON.parse(stdout) as { seeds: number; failures: readonly { message: string }[] };
  const [failure] = failures;
  return failure === undefined ? { kind: "survived", seeds } : { kind: "found", seeds, message: failure.message };
}

let missed = 0;
for (const mutant of mutants) {
  if (words.length > 0 && !words.some((word) => mutant.name.includes(word))) continue;
  const outcome = judge(mutant);
  if (outcome.kind !== "found") missed++;
  const result =
    outcome.kind === "found"
      ? `found after ${outcome.seeds}: ${outcome.message}`
      : outcome.kind === "survived"
        ? `NOT FOUND in ${outcome.seeds} seeds`
        : `BROKEN: ${outcome.message}`;
  console.log(`${mutant.name.padEnd(48)} ${result}`);
}
process.exit(missed === 0 ? 0 : 7);
