/** What every implementation of the storage port must do with a log that loses its beginning. */
import { describe, expect, test } from "bun:test";
import { seededRandom } from "../../src/lib/random.ts";
import {
  type Compaction,
  type Entry,
  type EntryId,
  type HardState,
  type Index,
  newMembership,
  type Persist,
} from "../../src/raft/mod.ts";
import type { Storage } from "../../src/storage/mod.ts";
import type { World } from "./conformance.ts";
import { entriesOf, entryOf, group, threeVoters, Writer, writeOf } from "./writes.ts";

const otherVoters = newMembership({ voters: [1, 2, 3, 4], learners: [5] });

/** Compacts up to `compacted`, with a snapshot that reaches as far unless it is given. */
function compaction(compacted: EntryId, snapshot: EntryId = compacted): Compaction {
  return { compacted, membership: otherVoters, snapshot };
}

/** The log of a loaded storage, as "index@term" of the compacted entry, of the snapshot, and of each entry. */
function logOf(storage: Storage, { compacted, lastIndex }: { readonly compacted: EntryId; readonly lastIndex: Index }) {
  if (lastIndex === compacted.index) return [];
  return storage.reader(group).entries({ from: compacted.index + 1, to: lastIndex, bytesMax: Infinity });
}

export function compactionConformance(name: string, open: () => World): void {
  const check = (rule: string, body: (world: World) => void): void => {
    test(rule, () => {
      const world = open();
      try {
        body(world);
      } finally {
        world.dispose();
      }
    });
  };

  /** Ten entries of term 1, durable. */
  const filled = (world: World): Writer => {
    world.storage.load(group, threeVoters);
    const writer = new Writer(world.storage);
    writer.append({ term: 1, vote: 2 }, entriesOf({ from: 1, to: 10, term: 1 }));
    world.settle();
    return writer;
  };

  describe(`${name}: compaction`, () => {
    check(
      "S1: the log begins behind the compacted entry, also after a restart, with its snapshot and configuration",
      (world) => {
        const writer = filled(world);
        writer.write({ compaction: compaction({ index: 4, term: 1 }, { index: 7, term: 1 }) });
        writer.write({ entries: entriesOf({ from: 11, to: 12, term: 1 }) });
        world.settle();
        expect(() => world.storage.reader(group).entries({ from: 4, to: 5, bytesMax: 1 })).toThrow(
          "outside the durable",
        );
        world.restart();
        const restored = world.storage.load(group, threeVoters);
        expect(restored).toEqual({
          hardState: { term: 1, vote: 2 },
          membership: otherVoters,
          memberships: [],
          boot: 2,
          compacted: { index: 4, term: 1 },
          snapshot: { index: 7, term: 1 },
          termRuns: [{ index: 5, term: 1 }],
          lastIndex: 12,
        });
        expect(logOf(world.storage, restored)).toEqual(entriesOf({ from: 5, to: 12, term: 1 }));
      },
    );

    check("E1: a log of which nothing is left keeps the place and the term where it goes on", (world) => {
      const writer = filled(world);
      writer.write({ compaction: compaction({ index: 10, term: 1 }) });
      world.settle();
      world.restart();
      const restored = world.storage.load(group, threeVoters);
      expect([restored.compacted, restored.lastIndex, restored.termRuns]).toEqual([{ index: 10, term: 1 }, 10, []]);
      new Writer(world.storage).write({ entries: entriesOf({ from: 11, to: 11, term: 1 }) });
      world.settle();
      expect(logOf(world.storage, { ...restored, lastIndex: 11 })).toEqual(entriesOf({ from: 11, to: 11, term: 1 }));
    });

    check("a snapshot may be recorded without anything being compacted", (world) => {
      const writer = filled(world);
      writer.write({ compaction: compaction({ index: 0, term: 0 }, { index: 9, term: 1 }) });
      world.settle();
      world.restart();
      const { compacted, snapshot, lastIndex } = world.storage.load(group, threeVoters);
      expect([compacted.index, snapshot.index, lastIndex]).toEqual([0, 9, 10]);
    });

    for (const at of [7, 10, 25]) {
      check(`S2, S3: a log begins anew at ${at} in one write, whatever it held`, (world) => {
        const writer = filled(world);
        writer.write({ compaction: compaction({ index: 3, term: 1 }) });
        writer.write({
          hardState: { term: 6, vote: null },
          truncateFrom: 4,
          compaction: compaction({ index: at, term: 5 }),
          entries: entriesOf({ from: at + 1, to: at + 2, term: 6 }),
        });
        writer.write({ entries: entriesOf({ from: at + 3, to: at + 3, term: 6 }) });
        world.settle();
        world.restart();
        const restored = world.storage.load(group, threeVoters);
        expect([restored.compacted, restored.snapshot]).toEqual([
          { index: at, term: 5 },
          { index: at, term: 5 },
        ]);
        expect(logOf(world.storage, restored)).toEqual(entriesOf({ from: at + 1, to: at + 3, term: 6 }));
      });
    }

    check("an empty log begins anew without a cut", (world) => {
      world.storage.load(group, threeVoters);
      const writer = new Writer(world.storage);
      writer.write({ hardState: { term: 5, vote: 1 }, compaction: compaction({ index: 25, term: 4 }) });
      writer.write({ compaction: compaction({ index: 30, term: 5 }) });
      world.settle();
      world.restart();
      const { compacted, lastIndex } = world.storage.load(group, threeVoters);
      expect([compacted, lastIndex]).toEqual([{ index: 30, term: 5 }, 30]);
    });

    const refused: readonly (readonly [what: string, changes: Partial<Persist>, message: string])[] = [
      ["a beginning behind the end", { compaction: compaction({ index: 11, term: 1 }) }, "only an empty log"],
      [
        "a snapshot of what is not there",
        { compaction: compaction({ index: 5, term: 1 }, { index: 11, term: 1 }) },
        "entries of the log",
      ],
      ["the wrong term", { compaction: compaction({ index: 5, term: 2 }) }, "the entry that is there"],
      [
        "another term for the same beginning",
        { compaction: compaction({ index: 3, term: 2 }, { index: 4, term: 1 }) },
        "the entry that is there",
      ],
      [
        "an earlier beginning",
        { compaction: compaction({ index: 2, term: 1 }, { index: 9, term: 1 }) },
        "never grows back",
      ],
      ["an earlier snapshot", { compaction: compaction({ index: 3, term: 1 }) }, "never grows back"],
      [
        "a compaction beyond its snapshot",
        { compaction: compaction({ index: 6, term: 1 }, { index: 5, term: 1 }) },
        "(rule S1)",
      ],
      ["a cut into the compacted prefix", { truncateFrom: 3 }, "compacted prefix"],
      [
        "a log that begins before its snapshot",
        { truncateFrom: 4, compaction: compaction({ index: 11, term: 1 }, { index: 12, term: 1 }) },
        "where the snapshot ends",
      ],
    ];
    for (const [what, changes, message] of refused) {
      check(`${what} stops the process and leaves nothing on disk`, (world) => {
        const writer = filled(world);
        writer.write({ compaction: compaction({ index: 3, term: 1 }, { index: 4, term: 1 }) });
        world.settle();
        expect(() => world.storage.persist([writeOf(writer.seq + 1, changes)])).toThrow(message);
        world.restart();
        const restored = world.storage.load(group, threeVoters);
        expect(restored.snapshot.index).toBe(4);
        expect(logOf(world.storage, restored)).toEqual(entriesOf({ from: 4, to: 10, term: 1 }));
      });
    }

    for (const seed of [1, 2]) {
      check(`random writes, compactions and power cuts keep the log (seed ${seed})`, (world) =>
        randomLife(world, seed),
      );
    }
  });
}

/** Writes what a random node might write, and compares the storage with a plain array. */
function randomLife(world: World, seed: number): void {
  const random = seededRandom(seed);
  let hardState: HardState = { term: 1, vote: null };
  let start: EntryId = { index: 0, term: 0 };
  let snapshot = start;
  let log: readonly Entry[] = [];
  const idAt = (index: Index): EntryId => {
    const { term } = log[index - start.index - 1] ?? start;
    return { index, term };
  };
  world.storage.load(group, threeVoters);
  let writer = new Writer(world.storage);
  writer.write({ hardState });
  for (let step = 0; step < 60; step++) {
    const changes: { -readonly [K in keyof Persist]?: Persist[K] } = {};
    if (random.next() < 0.1) changes.hardState = hardState = { term: hardState.term + 1, vote: random.integer(1, 3) };
    const dice = random.next();
    if (dice < 0.1) {
      if (log.length > 0) changes.truncateFrom = start.index + 1;
      const last = start.index + log.length;
      start = { index: Math.max(snapshot.index, random.integer(start.index + 1, last + 3)), term: hardState.term };
      snapshot = start;
      log = [];
      changes.compaction = { compacted: start, membership: threeVoters, snapshot };
    } else if (dice < 0.4) {
      const last = start.index + log.length;
      snapshot = idAt(random.integer(snapshot.index, last));
      const next = idAt(random.integer(start.index, snapshot.index));
      log = log.slice(next.index - start.index);
      start = next;
      changes.compaction = { compacted: start, membership: threeVoters, snapshot };
    }
    const from = start.index + log.length + 1;
    changes.entries = Array.from({ length: random.integer(0, 6) }, (_, i) =>
      entryOf({ index: from + i, term: hardState.term }),
    );
    log = [...log, ...changes.entries];
    writer.write(changes);
    if (random.next() < 0.75) continue;
    world.settle();
    world.restart();
    const restored = world.storage.load(group, threeVoters);
    writer = new Writer(world.storage);
    expect([restored.compacted, restored.snapshot]).toEqual([start, snapshot]);
    expect(logOf(world.storage, restored)).toEqual(log);
  }
}
