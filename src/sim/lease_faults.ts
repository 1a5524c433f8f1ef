/** What could break the promises behind a lease: that a voter which heard a leader elects nobody else for a while. */
import { between, pick } from "./chance.ts";
import { type Faults, meanGapMs } from "./fault.ts";
import { waysBetween } from "./ways.ts";

export const leaseFaults = {
  // Those who vouch for the leader are started again at once, while somebody who has not heard it for long wants to lead (rule R6).
  revivals: (trouble) => {
    const { cluster, random, timeoutMs, repeat, after, undoAfter } = trouble;
    repeat(meanGapMs(trouble), () => {
      const { leader, network } = cluster;
      const others = cluster.hosts.filter((host) => host !== leader);
      if (leader === null || others.length < 2) return;
      const rival = pick(random, others);
      const silenceMs = between(random, 1.2, 3) * timeoutMs;
      undoAfter(silenceMs + 2 * timeoutMs, network.cuts.add(waysBetween([leader.id], [rival.id])));
      cluster.isQuiet = true; // else the rival's log would soon be too short
      undoAfter(silenceMs, () => (cluster.isQuiet = false));
      after(silenceMs, () => {
        if (cluster.leader !== leader) return;
        undoAfter(1.5 * timeoutMs, network.cuts.add(waysBetween([leader.id], cluster.ids)));
        for (const host of others) {
          if (host === rival || !host.isUp) continue;
          host.crash();
          cluster.restart(host);
        }
      });
    });
  },
} satisfies Faults;
