/** One run: builds what the seed tells, lets clients and faults go at it, then asks it to heal, and judges what clients were told. */
import type { Millis } from "../raft/mod.ts";
import { startClients } from "./clients.ts";
import type { RequestCounters } from "./clients.ts";
import { Cluster } from "./cluster.ts";
import { startFaults } from "./faults.ts";
import { startHistorians } from "./historians.ts";
import { checkLinearizability } from "./linearizability.ts";
import { proveLiveness } from "./liveness.ts";
import { describePlan, type Plan, type Wishes } from "./plan.ts";
import { keyModel, operationsByKey } from "./registers.ts";
import { drawPlan } from "./swarm.ts";
import { check, type Failure, failureOf } from "./violation.ts";

/** A run that makes more events than this never falls silent. */
const eventsMax = 1_000_000;
/** How far the search goes for one key, in steps of the model. */
const searchStepsMax = 200_000;

export interface RunResult {
  readonly plan: Plan;
  readonly failure: Failure | null;
  readonly virtualMs: Millis;
  readonly events: number;
  /** Equal for two runs in which the same happened. */
  readonly traceHash: number;
  readonly requests: RequestCounters;
  /** Terms that had a leader. */
  readonly elections: number;
  /** How often a machine fell. */
  readonly falls: number;
  readonly entries: number;
  /** Configurations that were committed, but for the first. */
  readonly changes: number;
  /** Keys whose history was too hard to judge. */
  readonly undecided: number;
}

/** Runs `seed`; `write` gets a line for each event. */
export function runSeed(seed: number, wishes: Wishes = {}, write: ((line: string) => void) | null = null): RunResult {
  const plan = drawPlan(seed, wishes);
  write?.(`seed ${seed}: ${describePlan(plan)}`);
  const cluster = new Cluster(plan, write);
  const run = { requests: { applied: 0, answered: 0, refused: 0, unknown: 0 }, undecided: 0 };
  let failure: Failure | null = null;
  try {
    runCluster(cluster, run);
  } catch (error) {
    // Whatever is thrown in a run is what the run is for.
    failure = failureOf(error);
    write?.(`failed: ${failure.message}`);
  }
  const { timeline, trace, safety, falls } = cluster;
  return {
    plan,
    failure,
    virtualMs: timeline.now,
    events: timeline.count,
    traceHash: trace.hash >>> 0,
    ...run,
    elections: safety.elections,
    falls,
    entries: safety.commitIndex,
    changes: safety.configurations.changes,
  };
}

function runCluster(cluster: Cluster, run: { requests: RequestCounters; undecided: number }): void {
  const { plan } = cluster;
  let isOver = false;
  run.requests = startClients(cluster, () => isOver);
  startHistorians(cluster, () => isOver);
  const endFaults = startFaults(cluster);
  runUntil(cluster, () => false, plan.faultsMs);
  isOver = true;
  endFaults();
  proveLiveness(cluster, (condition, deadline) => runUntil(cluster, condition, deadline));
  run.undecided = judgeHistory(cluster);
}

/** How often a condition is looked at. Milliseconds. */
const lookMs = 5;

/** Lets time pass until `condition` holds; false when it did not by `deadline`. */
function runUntil(cluster: Cluster, condition: () => boolean, deadline: Millis): boolean {
  const { timeline } = cluster;
  while (!condition()) {
    if (timeline.now >= deadline) return false;
    const until = Math.min(deadline, timeline.now + lookMs);
    while (timeline.step(until)) check(timeline.count < eventsMax, "storm", () => `${eventsMax} events, and no end`);
  }
  return true;
}

/** I9 from outside: what clients saw of each key is possible. Returns how many keys were too hard to judge. */
function judgeHistory({ history, plan, reference }: Cluster): number {
  let undecided = 0;
  for (const [key, operations] of operationsByKey(history, plan.keys, reference)) {
    const verdict = checkLinearizability(keyModel, operations, searchStepsMax);
    check(verdict !== "violation", "I9", () => `what clients saw of key ${key} is not linearizable (I9)`);
    if (verdict === "undecided") undecided++;
  }
  return undecided;
}
