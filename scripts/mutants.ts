/**
 * Proves that the simulator finds bugs: plants each of the mutants in a copy of the sources, runs seeds until one fails, and
 * tells after how many.
 *
 *     bun run mutants [--seeds MOST] [--jobs N] [WORD...]     those whose names contain a word; all without words
 *
 * Exits with 7 when a bug was not found.
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { mutants } from "./mutants/list.ts";
import type { Mutant } from "./mutants/mutant.ts";
import { withMutant } from "./mutants/plant.ts";

/** A bug may make a run that never ends. Milliseconds. */
const patienceMs = 20 * 60_000;
const usage = "bun run mutants [--seeds MOST] [--jobs N] [WORD...]";

/** What became of a mutant. `seeds`: how many were run, the failing one included. */
type Outcome =
  | { readonly kind: "found"; readonly seeds: number; readonly message: string; readonly replay: string }
  | { readonly kind: "survived"; readonly seeds: number }
  | { readonly kind: "broken"; readonly message: string };

interface Options {
  readonly seedsMax: number;
  readonly jobs: number;
  readonly chosen: readonly Mutant[];
}

process.exitCode = await main();

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2));
  if (typeof options === "string") {
    console.error(`${options}\nusage: ${usage}`);
    return 2;
  }
  const startedAt = performance.now();
  const waiting = [...options.chosen];
  const outcomes: Outcome[] = [];
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const begunAt = performance.now();
      const outcome = await withMutant(mutant, (directory) => simulate(directory, options.seedsMax));
      outcomes.push(outcome);
      const seconds = ((performance.now() - begunAt) / 1000).toFixed(1).padStart(6);
      console.log(`${mutant.name.padEnd(48)}${seconds} s  ${describe(outcome)}`);
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  console.log(summary(outcomes, performance.now() - startedAt));
  return outcomes.every(({ kind }) => kind === "found") ? 0 : 7;
}

/** What was asked for, or why it cannot be done. */
function optionsOf(args: readonly string[]): Options | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { seeds: { type: "string", default: "5000" }, jobs: { type: "string", default: "1" } },
    });
    const [seedsMax, jobs] = [Number(values.seeds), Number(values.jobs)];
    if (!Number.isSafeInteger(seedsMax) || seedsMax < 1) return `--seeds must be a number from 1, not ${values.seeds}`;
    if (!Number.isSafeInteger(jobs) || jobs < 1) return `--jobs must be a number from 1, not ${values.jobs}`;
    const chosen = mutants.filter(
      ({ name }) => positionals.length === 0 || positionals.some((word) => name.includes(word)),
    );
    if (chosen.length === 0) return `no mutant is named like ${positionals.join(" or ")}`;
    return { seedsMax, jobs, chosen };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return error.message;
  }
}

/** Runs the simulator on a copy of the sources that has the bug. */
async function simulate(directory: string, seedsMax: number): Promise<Outcome> {
  const child = spawn(process.execPath, ["cli/bun.ts", "sim", "--seeds", `1..${seedsMax}`, "--first", "--json"], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: patienceMs,
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (status !== 0 && status !== 7) return { kind: "broken", message: stderr.trim() };
  const { seeds, failures } = JSON.parse(stdout) as {
    seeds: number;
    failures: readonly { message: string; replay: string }[];
  };
  const [failure] = failures;
  return failure === undefined ? { kind: "survived", seeds } : { kind: "found", seeds, ...failure };
}

function describe(outcome: Outcome): string {
  switch (outcome.kind) {
    case "found":
      return `found after ${outcome.seeds}: ${outcome.message}`;
    case "survived":
      return `NOT FOUND in ${outcome.seeds} seeds`;
    default:
      return `BROKEN: ${outcome.message}`;
  }
}

function summary(outcomes: readonly Outcome[], tookMs: number): string {
  const seeds = outcomes.flatMap((outcome) => (outcome.kind === "found" ? [outcome.seeds] : [])).sort((a, b) => a - b);
  const half = seeds[Math.floor((seeds.length - 1) / 2)];
  const when = half === undefined ? "" : `: half of them within ${half} seeds, the last after ${seeds.at(-1)}`;
  return `${seeds.length} of ${outcomes.length} mutants found${when}; ${(tookMs / 1000).toFixed(0)} s`;
}
