/** Trouble with the office of the leader: it is handed over at bad moments. */
import type { Millis, NodeId } from "../raft/mod.ts";
import { between, happens, pick } from "./chance.ts";
import { type Faults, meanGapMs } from "./fault.ts";
import type { Host } from "./host.ts";
import { type Way, waysWhere } from "./ways.ts";

export const officeFaults = {
  transfers: (trouble) => {
    const { cluster, random, repeat } = trouble;
    repeat(meanGapMs(trouble) / 2, () => {
      const host = happens(random, 0.9) ? (cluster.leader ?? cluster.victim(random)) : cluster.victim(random);
      transferLeader(host, happens(random, 0.7) ? pick(random, cluster.ids) : null);
    });
  },
  handovers: (trouble) => {
    const { cluster, random, timeoutMs, repeat, after, undoAfter } = trouble;
    repeat(meanGapMs(trouble), () => {
      const { leader } = cluster;
      if (leader === null) return;
      transferLeader(leader, null);
      // The old leader hears nothing of its successor, who did not wait for anybody's patience to end.
      const atOnce = happens(random, 0.5);
      after(atOnce ? 0 : between(random, 0, 0.1 * timeoutMs), () => {
        const isHeard = atOnce || happens(random, 0.3);
        const ways = waysWhere(cluster.ids, ({ from, to }) => to === leader.id || (from === leader.id && !isHeard));
        undoAfter(between(random, 0.2 * timeoutMs, 2 * timeoutMs), cluster.network.cuts.add(ways));
      });
    });
  },
  // The answers to what a leader sent last come so late that it believes in its office when others have replaced it.
  "late-answers": (trouble) => {
    const { cluster, random, timeoutMs, repeat, after, undoAfter } = trouble;
    repeat(meanGapMs(trouble), () => {
      const { leader } = cluster;
      if (leader === null) return;
      const cut = (isCut: (way: Way) => boolean, forMs: Millis): void => {
        undoAfter(forMs, cluster.network.cuts.add(waysWhere(cluster.ids, isCut)));
      };
      const awayMs = between(random, 0.2, 1) * timeoutMs;
      leader.sleep();
      undoAfter(awayMs, () => leader.wakeUp());
      cut(({ from }) => from === leader.id, between(random, 1.5, 3) * timeoutMs);
      after(awayMs, () => cut(({ to }) => to === leader.id, between(random, 0.5, 2) * timeoutMs));
    });
  },
} satisfies Faults;

/** Asks `host` to hand its office over, to whoever is best prepared or to one node. */
export function transferLeader(host: Host, to: NodeId | null): void {
  host.request(
    (node, answered) => node.transferLeader(0, to, answered),
    () => undefined,
  );
}
