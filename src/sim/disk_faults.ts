/** What goes wrong with disks while their machines run. */
import { between } from "./chance.ts";
import type { Cluster } from "./cluster.ts";
import { type Faults, meanGapMs } from "./fault.ts";
import type { Host } from "./host.ts";

export const diskFaults = {
  "slow-disk": (trouble) => {
    const { cluster, random, timeoutMs, repeat, undoAfter } = trouble;
    repeat(meanGapMs(trouble), () => {
      const { disk } = cluster.victim(random);
      disk.slowness = between(random, 5, 100);
      undoAfter(between(random, 0, 4 * timeoutMs), () => (disk.slowness = 1));
    });
  },
  "hung-disk": (trouble) => {
    const { cluster, random, timeoutMs, repeat, undoAfter } = trouble;
    repeat(meanGapMs(trouble), () => {
      const { disk } = cluster.victim(random);
      disk.hang();
      undoAfter(between(random, 0, 4 * timeoutMs), () => disk.release());
    });
  },
  "disk-errors": ({ cluster, strength, undoAfter }) => {
    for (const { disk } of cluster.machines) {
      disk.failure = 0.02 * strength;
      undoAfter(Infinity, () => (disk.failure = 0));
    }
  },
  // As much as a majority survives: whoever finds damage stays down for good.
  "bit-rot": (trouble) => {
    const { cluster, random, repeat } = trouble;
    repeat(2 * meanGapMs(trouble), () => {
      const victim = cluster.victim(random);
      if (cluster.survives((host) => host === victim || host.isLost)) victim.disk.rot(random);
    });
  },
  // A machine comes back under its id on an empty disk. Nobody may count it any more, and so nobody may need it.
  wipes: (trouble) => {
    const { cluster, random, repeat } = trouble;
    repeat(2 * meanGapMs(trouble), () => {
      const victim = cluster.victim(random);
      if (isNoticed(cluster, victim)) victim.wipe();
    });
  },
} satisfies Faults;

/**
 * Whether everybody would notice, should this machine lose its directory, and could do without it: all others know on which one
 * it counts, and those who have lost theirs are not enough to found the cluster anew (docs/correctness.md says what remains).
 */
function isNoticed(cluster: Cluster, victim: Host): boolean {
  const { configurations } = cluster.safety;
  const binding = configurations.bindingOf(victim.id);
  if (binding === null || victim.isLost) return false;
  const lost = (host: Host): boolean => host === victim || host.isLost;
  const founders = cluster.machines.slice(0, cluster.plan.nodes);
  // A machine that joins and has got nothing yet knows nobody with whom it could elect.
  const isNew = (host: Host): boolean => !founders.includes(host) && host.disk.durable.terms.length === 0;
  return (
    cluster.hosts.every((host) => lost(host) || isNew(host) || host.disks.everHeld(binding)) &&
    2 * founders.filter(lost).length <= founders.length &&
    cluster.survives(lost)
  );
}
