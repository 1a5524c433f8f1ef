/** What goes wrong between the machines: frames that are lost, late, repeated or damaged, and links that are cut in every shape. */
import { assert } from "../lib/assert.ts";
import type { NodeId } from "../raft/mod.ts";
import { between, happens, pick, sample, shuffled } from "./chance.ts";
import type { Cluster } from "./cluster.ts";
import { type Faults, meanGapMs, type Trouble } from "./fault.ts";
import { type Way, waysBetween, waysWhere } from "./ways.ts";
import type { NetworkConditions } from "./network.ts";

export const networkFaults = {
  loss: ({ cluster, strength }) => {
    changeNetwork(cluster, { loss: 0.3 * strength });
  },
  duplicates: ({ cluster, strength }) => {
    changeNetwork(cluster, { duplicates: 0.5 * strength });
  },
  delays: ({ cluster, strength, timeoutMs }) => {
    changeNetwork(cluster, { spreadMs: 0.3 * strength * strength * timeoutMs });
  },
  replays: ({ cluster, strength }) => {
    changeNetwork(cluster, { replays: 0.15 * strength });
  },
  stragglers: ({ cluster, strength }) => {
    changeNetwork(cluster, { stragglers: 0.2 * strength });
  },
  // What a leader sends to one of the others overtakes itself for a while, again and again.
  shuffles: (trouble) => {
    const { cluster, random, timeoutMs, repeat, undoAfter } = trouble;
    repeat(meanGapMs(trouble) / 2, () => {
      const { leader } = cluster;
      if (leader === null || cluster.ids.length < 2) return;
      const to = pick(
        random,
        cluster.ids.filter((id) => id !== leader.id),
      );
      undoAfter(between(random, 0, 4 * timeoutMs), cluster.network.shuffles.add([{ from: leader.id, to }]));
    });
  },
  corruption: ({ cluster, strength }) => {
    changeNetwork(cluster, { corruption: 0.1 * strength });
  },
  partitions: (trouble) => {
    repeatCut(trouble, ({ random, cluster }) => {
      const left = sample(random, cluster.ids, random.integer(1, Math.max(1, Math.floor(cluster.ids.length / 2))));
      return waysBetween(
        left,
        cluster.ids.filter((id) => !left.includes(id)),
      );
    });
  },
  "one-way": (trouble) => {
    repeatCut(trouble, ({ random, cluster }) => {
      const victim = cluster.victim(random).id;
      const deaf = happens(random, 0.5);
      const isHit = happens(random, 0.5) ? () => true : () => happens(random, 0.5);
      return waysWhere(cluster.ids, ({ from, to }) => (deaf ? to : from) === victim && isHit());
    });
  },
  rings: (trouble) => {
    repeatCut(trouble, ({ random, cluster }) => {
      // Everybody still sees a majority, and no two see the same one.
      const ring = shuffled(random, cluster.ids);
      const reach = Math.ceil(Math.floor(ring.length / 2) / 2);
      return waysWhere(cluster.ids, (way) => ringDistance(ring, way) > reach);
    });
  },
  bridges: (trouble) => {
    repeatCut(trouble, ({ random, cluster }) => {
      const [, ...others] = shuffled(random, cluster.ids); // the first one stays in touch with both sides
      const middle = Math.ceil(others.length / 2);
      return waysBetween(others.slice(0, middle), others.slice(middle));
    });
  },
  flapping: (trouble) => {
    const { cluster, random, timeoutMs, repeat, after, undoAfter } = trouble;
    repeat(meanGapMs(trouble), () => {
      if (cluster.ids.length < 2) return;
      const [left, right] = sample(random, cluster.ids, 2);
      assert(left !== undefined && right !== undefined, "two nodes make a link");
      const flap = (flapsLeft: number): void => {
        undoAfter(between(random, 0, timeoutMs / 2), cluster.network.cuts.add(waysBetween([left], [right])));
        if (flapsLeft > 0) after(between(random, 0, timeoutMs), () => flap(flapsLeft - 1));
      };
      flap(random.integer(2, 8));
    });
  },
  swizzle: (trouble) => {
    const { cluster, random, timeoutMs, repeat, after, undoAfter } = trouble;
    repeat(meanGapMs(trouble) * 2, () => {
      const victims = sample(random, cluster.ids, random.integer(1, cluster.ids.length));
      for (const victim of victims) {
        after(between(random, 0, 2 * timeoutMs), () => {
          undoAfter(
            between(random, timeoutMs, 4 * timeoutMs),
            cluster.network.cuts.add(waysBetween([victim], cluster.ids)),
          );
        });
      }
    });
  },
} satisfies Faults;

function changeNetwork(cluster: Cluster, change: Partial<NetworkConditions>): void {
  cluster.network.conditions = { ...cluster.network.conditions, ...change };
}

/** Cuts the ways that `choose` draws, mends them after a while, and begins again. */
function repeatCut(trouble: Trouble, choose: (trouble: Trouble) => readonly Way[]): void {
  const { cluster, random, timeoutMs, repeat, undoAfter } = trouble;
  repeat(meanGapMs(trouble), () => {
    undoAfter(
      between(random, 0, (happens(random, 0.5) ? 1.5 : 5) * timeoutMs),
      cluster.network.cuts.add(choose(trouble)),
    );
  });
}

function ringDistance(ring: readonly NodeId[], { from, to }: Way): number {
  const distance = Math.abs(ring.indexOf(from) - ring.indexOf(to));
  return Math.min(distance, ring.length - distance);
}
