/** What comes back from the past: the frames of an earlier life or an earlier term, at a machine that has lost what they speak of. */
import { between, happens, sample } from "./chance.ts";
import { type Faults, meanGapMs, type Trouble } from "./fault.ts";
import type { Host } from "./host.ts";
import { waysBetween } from "./ways.ts";
import { transferLeader } from "./office_faults.ts";

/** How long the past goes on coming back, in election timeouts. */
const echoTimeouts = 6;

export const echoFaults = {
  echoes: (trouble) => {
    const { cluster, random, timeoutMs, repeat, after } = trouble;
    cluster.network.keepSome();
    let isBusy = false;
    repeat(meanGapMs(trouble) / 2, () => {
      const { leader } = cluster;
      if (isBusy) return;
      isBusy = true;
      after((2 + echoTimeouts) * timeoutMs, () => (isBusy = false));
      if (leader === null || happens(random, 0.3)) crashAndEcho(trouble, cluster.victim(random));
      else loseLeadersTail(trouble, leader);
    });
  },
} satisfies Faults;

/** A machine falls, and hears again what was said to it in its last life. */
function crashAndEcho({ cluster, timeoutMs, after }: Trouble, victim: Host): void {
  const echo = cluster.network.pastOf(victim.id);
  if (victim.isUp) victim.crash();
  for (let times = 1; times <= echoTimeouts; times++) after(times * timeoutMs, () => echo(timeoutMs));
}

/**
 * A leader loses entries that a few others have stored and acknowledged, because its own disk did not come to them. While those
 * few are away it leads again, if that can be arranged, with other entries in their place, and hears the old acknowledgements.
 */
function loseLeadersTail(trouble: Trouble, leader: Host): void {
  const { cluster, random, timeoutMs, after, undoAfter } = trouble;
  const { network, ids } = cluster;
  const others = ids.filter((id) => id !== leader.id);
  const witnesses = sample(random, others, random.integer(1, Math.max(1, Math.floor(others.length / 2))));
  const rest = others.filter((id) => !witnesses.includes(id));
  const hangsMs = between(random, 0.2, 1) * timeoutMs;
  leader.disk.hang();
  undoAfter(hangsMs, () => leader.disk.release());
  undoAfter(hangsMs, network.cuts.add(waysBetween([leader.id, ...witnesses], rest)));
  after(hangsMs * 0.99, () => {
    const echo = network.pastOf(leader.id);
    if (leader.isUp) leader.crash();
    undoAfter(echoTimeouts * timeoutMs, network.cuts.add(waysBetween(witnesses, ids)));
    for (let times = 1; times <= 2 * echoTimeouts; times++) {
      after((times * timeoutMs) / 2, () => {
        const { leader: successor } = cluster;
        if (successor === leader) echo(timeoutMs / 2);
        else if (successor !== null) transferLeader(successor, leader.id);
      });
    }
  });
}
