/** The power of all machines fails at every write of a run, one run for each (rule X3): no order of writes may depend on luck. */
import { expect, test } from "bun:test";
import { runSeed, type Wishes } from "../../src/sim/mod.ts";

const wishes: Wishes = { nodes: 3, clients: 2, faults: [], faultsMs: 2000 };

test("X3, P3, P5: recovery from a power cut at any write", () => {
  const failures: string[] = [];
  let write = 0;
  for (let wasCut = true; wasCut;) {
    const result = runSeed(1, { ...wishes, powerCutAtWrite: ++write });
    wasCut = result.falls > 0;
    if (result.failure !== null) failures.push(`at write ${write}: ${result.failure.message}`);
  }
  expect(failures).toEqual([]);
  expect(write).toBeGreaterThan(50);
}, 60_000);
