/** Many short lives of a group under every fault at once; SEEDS says how many, SEED picks one and prints its history. */
import { expect, test } from "bun:test";
import process from "node:process";
import { chaos, type ChaosCounts } from "./chaos.ts";

const steps = 1000;
const seeds = Number(process.env["SEEDS"] ?? 600);
const only = process.env["SEED"];

test("groups stay safe under every fault and agree once the faults end", () => {
  if (only !== undefined) {
    chaos({ seed: Number(only), steps, trace: (line) => process.stdout.write(`${line}\n`) });
    return;
  }
  const total = {
    commits: 0,
    terms: 0,
    readsAnswered: 0,
    crashes: 0,
    transfers: 0,
    changes: 0,
    refused: 0,
    installs: 0,
  };
  for (let seed = 1; seed <= seeds; seed++) add(total, survive(seed));
  // The faults must not be so heavy that nothing ever happens.
  for (const [name, count] of Object.entries(total)) expect(count, name).toBeGreaterThan(seeds / 2);
}, 3_600_000);

function survive(seed: number): ChaosCounts {
  try {
    return chaos({ seed, steps });
  } catch (error) {
    throw new Error(`SEED=${seed} fails: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function add(total: Record<keyof ChaosCounts, number>, counts: ChaosCounts): void {
  for (const name of [
    "commits",
    "terms",
    "readsAnswered",
    "crashes",
    "transfers",
    "changes",
    "refused",
    "installs",
  ] as const) {
    total[name] += counts[name];
  }
}
