/** What goes wrong with disks while their machines run. */
import { between } from "./chance.ts";
import { type Faults, meanGapMs } from "./fault.ts";

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
      if (cluster.survives((host) => host === victim || host.disk.isRotten)) victim.disk.rot(random);
    });
  },
} satisfies Faults;
