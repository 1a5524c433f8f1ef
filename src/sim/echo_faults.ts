/** What comes back from the past: the frames of an earlier life or an earlier term, at a machine that has lost what they speak of. */
import { between, happens, sample } from "./chance.ts";
import { type Faults, meanGapMs, type Trouble } from "./fault.ts";
import type { Host } from "./host.ts";
import { waysBetween } from "./links.ts";

export const echoFaults = {
  echoes: (trouble) => {
    const { cluster, random, repeat } = trouble;
    cluster.network.keepSome();
    repeat(meanGapMs(trouble), () => {
      const { leader } = cluster;
      if (leader === null || happens(random, 0.3)) {
        const victim = cluster.victim(random);
        if (victim.isUp) victim.crash();
        echoAgain(trouble, victim);
      } else loseLeadersTail(trouble, leader);
    });
  },
} satisfies Faults;

/**
 * A leader loses entries that a few others have stored and acknowledged, because its own disk did not come to them. While those
 * few are away it may lead again, with other entries in their place, and hear the old acknowledgements again.
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
  undoAfter(hangsMs, network.links.cut(waysBetween([leader.id, ...witnesses], rest)));
  after(hangsMs * 0.99, () => {
    if (leader.isUp) leader.crash();
    undoAfter(between(random, 3, 6) * timeoutMs, network.links.cut(waysBetween(witnesses, ids)));
    echoAgain(trouble, leader);
  });
}

/** Several times, because nobody knows when the machine is up again. */
function echoAgain({ cluster, timeoutMs, after }: Trouble, host: Host): void {
  for (let echo = 1; echo <= 4; echo++) after(echo * timeoutMs, () => cluster.network.echo(host.id, timeoutMs));
}
