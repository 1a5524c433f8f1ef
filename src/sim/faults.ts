/** Everything that can go wrong in a run: each fault strikes on its own, with its own chance, until it is told to stop. */
import type { Millis } from "../raft/mod.ts";
import { streamOf, waitMs } from "./chance.ts";
import type { Cluster } from "./cluster.ts";
import { diskFaults } from "./disk_faults.ts";
import { echoFaults } from "./echo_faults.ts";
import type { Fault } from "./fault.ts";
import { leaseFaults } from "./lease_faults.ts";
import { machineFaults } from "./machine_faults.ts";
import { memberFaults } from "./member_faults.ts";
import { networkFaults } from "./network_faults.ts";
import { officeFaults } from "./office_faults.ts";
import type { FaultName } from "./plan.ts";

const faults: Readonly<Record<FaultName, Fault>> = {
  ...networkFaults,
  ...machineFaults,
  ...diskFaults,
  ...officeFaults,
  ...memberFaults,
  ...echoFaults,
  ...leaseFaults,
};

/** Begins all faults of the plan. Returns how to end them: what they broke for a while is whole again then. */
export function startFaults(cluster: Cluster): () => void {
  const undos = new Set<() => void>();
  let isOver = false;
  for (const [name, strength] of cluster.plan.faults) {
    const random = streamOf(cluster.plan.seed, `fault ${name}`);
    const note = (): void => cluster.trace.note(name.length, () => `fault: ${name}`);
    const after = (delayMs: Millis, act: () => void): void => {
      cluster.timeline.after(delayMs, () => {
        if (!isOver) act();
      });
    };
    const repeat = (meanMs: Millis, strike: () => void): void => {
      after(waitMs(random, meanMs), () => {
        note();
        strike();
        repeat(meanMs, strike);
      });
    };
    const undoAfter = (delayMs: Millis, undo: () => void): void => {
      undos.add(undo);
      after(delayMs, () => {
        if (undos.delete(undo)) undo();
      });
    };
    faults[name]({
      cluster,
      random,
      strength,
      timeoutMs: cluster.plan.limits.electionTimeoutMs,
      repeat,
      after,
      undoAfter,
    });
  }
  return () => {
    isOver = true;
    for (const undo of undos) undo();
  };
}
