/** What goes wrong with whole machines: they fall, stop, sleep, and their clocks run wrong. */
import { between, happens } from "./chance.ts";
import { type Faults, meanGapMs } from "./fault.ts";
import { driftMax } from "./plan.ts";

export const machineFaults = {
  crashes: (trouble) => {
    const { cluster, random, timeoutMs, repeat, after } = trouble;
    repeat(meanGapMs(trouble), () => {
      const victims = happens(random, 0.15) ? cluster.hosts : [cluster.victim(random)];
      const crash = (again: number): void => {
        for (const host of victims) if (host.isUp) host.crash();
        // A machine that falls may fall again as soon as it is back.
        if (again > 0) after(between(random, 0, timeoutMs), () => crash(again - 1));
      };
      crash(happens(random, 0.4) ? random.integer(1, 5) : 0);
    });
  },
  "sudden-crashes": ({ cluster, strength, undoAfter }) => {
    for (const host of cluster.machines) {
      host.suddenDeath = 0.01 * strength;
      undoAfter(Infinity, () => (host.suddenDeath = 0));
    }
  },
  stops: (trouble) => {
    const { cluster, random, repeat } = trouble;
    repeat(meanGapMs(trouble), () => {
      const host = cluster.victim(random);
      if (host.isUp && !host.isAsleep) host.stop();
    });
  },
  pauses: (trouble) => {
    const { cluster, random, timeoutMs, repeat, undoAfter } = trouble;
    repeat(meanGapMs(trouble) / 2, () => {
      const victims = happens(random, 0.3)
        ? cluster.hosts.filter(() => happens(random, 0.5))
        : [cluster.victim(random)];
      for (const host of victims) {
        if (host.isUp) host.sleep();
        undoAfter(between(random, 0, (happens(random, 0.5) ? 0.5 : 4) * timeoutMs), () => host.wakeUp());
      }
    });
  },
  drift: ({ cluster, random, strength, timeoutMs, repeat }) => {
    const change = (): void => {
      for (const host of cluster.machines) host.setClockRate(1 + driftMax * strength * between(random, -1, 1));
    };
    change();
    repeat(8 * timeoutMs, change);
  },
  leaps: (trouble) => {
    const { cluster, random, timeoutMs, repeat } = trouble;
    repeat(meanGapMs(trouble), () => {
      const victims = happens(random, 0.5)
        ? [cluster.victim(random)]
        : cluster.hosts.filter(() => happens(random, 0.5));
      for (const host of victims) {
        // A follower that leaps breaks what it promised to the leader that it heard; a leader only shortens its own lease.
        const isLeader = host.isUp && host.state.role.kind === "leader";
        if (isLeader || !cluster.plan.leasesHold) host.leapClock(between(random, 0, 3 * timeoutMs));
      }
    });
  },
} satisfies Faults;
