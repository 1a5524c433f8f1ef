/** Everything that can go wrong in a run: each fault strikes on its own, with its own chance, until it is told to stop. */
import { assert } from "../lib/assert.ts";
import type { Random } from "../lib/random.ts";
import type { Millis, NodeId } from "../raft/mod.ts";
import { between, happens, pick, sample, shuffled, streamOf, waitMs } from "./chance.ts";
import type { Cluster } from "./cluster.ts";
import type { Host } from "./host.ts";
import { type Way, waysBetween, waysWhere } from "./links.ts";
import type { FaultName } from "./plan.ts";

/** What a fault has to work with. */
interface Trouble {
  readonly cluster: Cluster;
  /** Its own stream: other faults do not change what it draws. */
  readonly random: Random;
  /** Above 0, at most 1. */
  readonly strength: number;
  /** The election timeout: the time that matters here. */
  readonly timeoutMs: Millis;
  /** Calls `strike` again and again until the faults are over. */
  readonly repeat: (meanMs: Millis, strike: () => void) => void;
  /** Plans something that happens only while there are faults. */
  readonly after: (delayMs: Millis, act: () => void) => void;
  /** Undoes something after a while, or when the faults are over. */
  readonly undoAfter: (delayMs: Millis, undo: () => void) => void;
}

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
    begin[name]({
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

const begin: Readonly<Record<FaultName, (trouble: Trouble) => void>> = {
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
  flapping: ({ cluster, random, strength, timeoutMs, repeat, after, undoAfter }) => {
    repeat(meanGapMs(strength, timeoutMs), () => {
      if (cluster.ids.length < 2) return;
      const [left, right] = sample(random, cluster.ids, 2);
      assert(left !== undefined && right !== undefined, "two nodes make a link");
      const flap = (flapsLeft: number): void => {
        undoAfter(between(random, 0, timeoutMs / 2), cluster.network.links.cut(waysBetween([left], [right])));
        if (flapsLeft > 0) after(between(random, 0, timeoutMs), () => flap(flapsLeft - 1));
      };
      flap(random.integer(2, 8));
    });
  },
  swizzle: ({ cluster, random, strength, timeoutMs, repeat, after, undoAfter }) => {
    repeat(meanGapMs(strength, timeoutMs) * 2, () => {
      const victims = sample(random, cluster.ids, random.integer(1, cluster.ids.length));
      for (const victim of victims) {
        after(between(random, 0, 2 * timeoutMs), () => {
          undoAfter(
            between(random, timeoutMs, 4 * timeoutMs),
            cluster.network.links.cut(waysBetween([victim], cluster.ids)),
          );
        });
      }
    });
  },
  crashes: ({ cluster, random, strength, timeoutMs, repeat, after }) => {
    repeat(meanGapMs(strength, timeoutMs), () => {
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
    for (const host of cluster.hosts) {
      host.suddenDeath = 0.01 * strength;
      undoAfter(Infinity, () => (host.suddenDeath = 0));
    }
  },
  stops: ({ cluster, random, strength, timeoutMs, repeat }) => {
    repeat(meanGapMs(strength, timeoutMs), () => {
      const host = cluster.victim(random);
      if (host.isUp && !host.isAsleep) host.stop();
    });
  },
  "slow-disk": ({ cluster, random, strength, timeoutMs, repeat, undoAfter }) => {
    repeat(meanGapMs(strength, timeoutMs), () => {
      const { disk } = cluster.victim(random);
      disk.slowness = between(random, 5, 100);
      undoAfter(between(random, 0, 4 * timeoutMs), () => (disk.slowness = 1));
    });
  },
  "hung-disk": ({ cluster, random, strength, timeoutMs, repeat, undoAfter }) => {
    repeat(meanGapMs(strength, timeoutMs), () => {
      const { disk } = cluster.victim(random);
      disk.hang();
      undoAfter(between(random, 0, 4 * timeoutMs), () => disk.release());
    });
  },
  "disk-errors": ({ cluster, strength, undoAfter }) => {
    for (const { disk } of cluster.hosts) {
      disk.failure = 0.02 * strength;
      undoAfter(Infinity, () => (disk.failure = 0));
    }
  },
  pauses: ({ cluster, random, strength, timeoutMs, repeat, undoAfter }) => {
    repeat(meanGapMs(strength, timeoutMs) / 2, () => {
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
      for (const host of cluster.hosts) host.setClockRate(1 + 0.1 * strength * between(random, -1, 1));
    };
    change();
    repeat(8 * timeoutMs, change);
  },
  leaps: ({ cluster, random, strength, timeoutMs, repeat }) => {
    repeat(meanGapMs(strength, timeoutMs), () => {
      const victims = happens(random, 0.5)
        ? [cluster.victim(random)]
        : cluster.hosts.filter(() => happens(random, 0.5));
      for (const host of victims) host.leapClock(between(random, 0, 3 * timeoutMs));
    });
  },
  transfers: (trouble) => {
    const { cluster, random, strength, timeoutMs, repeat } = trouble;
    repeat(meanGapMs(strength, timeoutMs) / 2, () => {
      const host = happens(random, 0.9) ? (cluster.leader ?? cluster.victim(random)) : cluster.victim(random);
      transferLeader(host, happens(random, 0.7) ? pick(random, cluster.ids) : null);
    });
  },
  handovers: (trouble) => {
    const { cluster, random, strength, timeoutMs, repeat, after, undoAfter } = trouble;
    repeat(meanGapMs(strength, timeoutMs), () => {
      const { leader } = cluster;
      if (leader === null) return;
      transferLeader(leader, null);
      // The old leader hears nothing of its successor, who did not wait for anybody's patience to end.
      const atOnce = happens(random, 0.5);
      after(atOnce ? 0 : between(random, 0, 0.1 * timeoutMs), () => {
        const isHeard = atOnce || happens(random, 0.3);
        const ways = waysWhere(cluster.ids, ({ from, to }) => to === leader.id || (from === leader.id && !isHeard));
        undoAfter(between(random, 0.2 * timeoutMs, 2 * timeoutMs), cluster.network.links.cut(ways));
      });
    });
  },
};

/** Asks `host` to hand its office over, to whoever is best prepared or to one node. */
function transferLeader(host: Host, to: NodeId | null): void {
  host.request(
    (node, answered) => node.transferLeader(0, to, answered),
    () => undefined,
  );
}

function changeNetwork(cluster: Cluster, change: Partial<Cluster["network"]["conditions"]>): void {
  cluster.network.conditions = { ...cluster.network.conditions, ...change };
}

/** Cuts the ways that `choose` draws, mends them after a while, and begins again. */
function repeatCut(trouble: Trouble, choose: (trouble: Trouble) => readonly Way[]): void {
  const { cluster, random, strength, timeoutMs, repeat, undoAfter } = trouble;
  repeat(meanGapMs(strength, timeoutMs), () => {
    undoAfter(
      between(random, 0, (happens(random, 0.5) ? 1.5 : 5) * timeoutMs),
      cluster.network.links.cut(choose(trouble)),
    );
  });
}

function meanGapMs(strength: number, timeoutMs: Millis): Millis {
  return timeoutMs * (6 - 5 * strength);
}

function ringDistance(ring: readonly NodeId[], { from, to }: Way): number {
  const distance = Math.abs(ring.indexOf(from) - ring.indexOf(to));
  return Math.min(distance, ring.length - distance);
}
