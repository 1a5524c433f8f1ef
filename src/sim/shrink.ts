/**
 * Makes a failing run smaller: fewer faults, nodes and clients and a shorter run, as long as it fails for the same reason.
 * Other seeds of the smaller size count as well, because what fails seldom with one mix may fail at once with another.
 */
import type { FaultName, Wishes } from "./plan.ts";
import { type RunResult, runSeed } from "./simulation.ts";

/** What a smaller run has less of; a power cut stays where it is. */
export type Size = Required<Omit<Wishes, "powerCutAtWrite">> & Pick<Wishes, "powerCutAtWrite">;

export interface Shrunk {
  readonly wishes: Size;
  readonly result: RunResult;
  /** How many runs were tried. */
  readonly runs: number;
}

/** How many other seeds are tried for each smaller size. */
const neighbours = 20;
/** When the search ends in any case. */
const runsMax = 3000;

/** The smallest run that fails like `failed` and that the search finds; `failed` must have failed. */
export function shrink(failed: RunResult): Shrunk {
  let best: Shrunk = { wishes: wishesOf(failed), result: failed, runs: 0 };
  let runs = 0;
  for (let wasReduced = true; wasReduced;) {
    wasReduced = false;
    for (const wishes of smallerThan(best)) {
      for (let offset = 0; offset <= neighbours && runs < runsMax; offset++) {
        runs++;
        const result = runSeed(best.result.plan.seed + offset, wishes);
        if (result.failure === null || result.failure.invariant !== failed.failure?.invariant) continue;
        best = { wishes, result, runs };
        wasReduced = true;
        break;
      }
      if (wasReduced) break;
    }
  }
  return { ...best, runs };
}

function wishesOf({ plan }: RunResult): Size {
  return {
    nodes: plan.nodes,
    clients: plan.clients,
    faultsMs: Math.ceil(plan.faultsMs),
    faults: [...plan.faults.keys()],
    ...(plan.powerCutAtWrite === null ? {} : { powerCutAtWrite: plan.powerCutAtWrite }),
  };
}

/** What could be tried next, the greatest leaps first. */
function* smallerThan({ wishes, result }: Shrunk): Iterable<Size> {
  const { nodes, clients, faultsMs, faults } = wishes;
  const shorter = [Math.ceil(result.virtualMs), Math.ceil(faultsMs / 2), Math.ceil(faultsMs * 0.8)];
  for (const smaller of shorter)
    if (smaller < faultsMs && smaller >= shortestMs) yield { ...wishes, faultsMs: smaller };
  if (faults.length > 3) {
    const middle = Math.floor(faults.length / 2);
    yield { ...wishes, faults: faults.slice(0, middle) };
    yield { ...wishes, faults: faults.slice(middle) };
  }
  for (const fault of faults) yield { ...wishes, faults: without(faults, fault) };
  for (let fewer = 1; fewer < nodes; fewer++) yield { ...wishes, nodes: fewer };
  for (let fewer = 1; fewer < clients; fewer++) yield { ...wishes, clients: fewer };
}

/** Shorter runs than this say nothing more than this one. Milliseconds. */
const shortestMs = 50;

function without(faults: readonly FaultName[], fault: FaultName): readonly FaultName[] {
  return faults.filter((other) => other !== fault);
}
