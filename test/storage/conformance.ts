/** What every implementation of the storage port must do. */
import { describe, expect, test } from "bun:test";
import { seededRandom } from "../../src/lib/random.ts";
import {
  newMembership,
  noMembership,
  type Entry,
  type GroupId,
  type HardState,
  type Persist,
} from "../../src/raft/mod.ts";
import type { Storage } from "../../src/storage/mod.ts";
import { entriesOf, entryOf, group, readAll, threeVoters, Writer, writeOf } from "./writes.ts";

/** A disk, with the storage that is open on it. */
export interface World {
  readonly storage: Storage;
  /** Makes durable what `persist` took. */
  settle(): void;
  /** Cuts the power: `storage` is then a new one on what was durable. */
  restart(): void;
  dispose(): void;
}

export function storageConformance(name: string, open: () => World): void {
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

  describe(`${name}: loading`, () => {
    check("a group that was never seen starts empty, with the configuration it is given", ({ storage }) => {
      expect(storage.load(group, threeVoters)).toEqual({
        hardState: { term: 0, vote: null },
        membership: threeVoters,
        memberships: [],
        boot: 1,
        compacted: { index: 0, term: 0 },
        snapshot: { index: 0, term: 0 },
        termRuns: [],
        lastIndex: 0,
      });
    });

    check("a known group keeps its first configuration and counts its boots", (world) => {
      world.storage.load(group, threeVoters);
      world.restart();
      expect(world.storage.load(group, newMembership({ voters: [7] })).membership).toEqual(threeVoters);
      world.restart();
      const { boot, membership } = world.storage.load(group, newMembership({ voters: [7], learners: [8] }));
      expect([boot, membership]).toEqual([3, threeVoters]);
    });

    check("learners and votes are kept", (world) => {
      world.storage.load(group, newMembership({ voters: [1], learners: [4, 5] }));
      new Writer(world.storage).write({ hardState: { term: 3, vote: 1 } });
      world.settle();
      world.restart();
      const { hardState, membership } = world.storage.load(group, threeVoters);
      expect(hardState).toEqual({ term: 3, vote: 1 });
      expect(membership).toEqual(newMembership({ voters: [1], learners: [4, 5] }));
    });

    check("terms come back as runs", (world) => {
      world.storage.load(group, threeVoters);
      const entries = [1, 1, 1, 4, 6, 6].map((term, i) => entryOf({ index: i + 1, term }));
      new Writer(world.storage).append({ term: 6, vote: null }, entries);
      world.settle();
      world.restart();
      const { termRuns, lastIndex } = world.storage.load(group, threeVoters);
      expect(lastIndex).toBe(6);
      expect(termRuns).toEqual([
        { index: 1, term: 1 },
        { index: 4, term: 4 },
        { index: 5, term: 6 },
      ]);
    });

    check("P15: a restart knows the durable log and nothing of what was committed", (world) => {
      world.storage.load(group, newMembership({ voters: [1] }));
      new Writer(world.storage).append({ term: 1, vote: 1 }, entriesOf({ from: 1, to: 7, term: 1 }));
      world.settle();
      world.restart();
      const restored = world.storage.load(group, threeVoters);
      const known = [
        "boot",
        "compacted",
        "hardState",
        "lastIndex",
        "membership",
        "memberships",
        "snapshot",
        "termRuns",
      ];
      expect(Object.keys(restored).sort()).toEqual(known);
      expect(restored.lastIndex).toBe(7);
      expect(readAll(world.storage, 7)).toEqual(entriesOf({ from: 1, to: 7, term: 1 }));
    });
  });

  describe(`${name}: writing`, () => {
    check("every kind of entry and size of payload comes back as it was written", (world) => {
      const block = new Uint8Array(3_000_000).map((_, i) => i * 7);
      const payloads = [
        new Uint8Array(0),
        block.subarray(5, 6),
        block.subarray(100, 1_100_100),
        new Uint8Array(16_384),
      ];
      const entries = payloads.map((payload, i) => entryOf({ index: i + 1, term: 1, payload }));
      const kinds = (["noop", "membership", "commands"] as const).map((kind, i) =>
        entryOf({ index: i + 5, term: Number.MAX_SAFE_INTEGER, kind }),
      );
      world.storage.load(group, threeVoters);
      new Writer(world.storage).append({ term: Number.MAX_SAFE_INTEGER, vote: null }, [...entries, ...kinds]);
      world.settle();
      expect(readAll(world.storage, 7)).toEqual([...entries, ...kinds]);
      world.restart();
      expect(world.storage.load(group, threeVoters).lastIndex).toBe(7);
      expect(readAll(world.storage, 7)).toEqual([...entries, ...kinds]);
    });

    check("M1: a restart finds the configurations in the log, and none that was truncated", (world) => {
      const change = (index: number, term: number) => entryOf({ index, term, kind: "membership" });
      world.storage.load(group, threeVoters);
      const writer = new Writer(world.storage);
      writer.append({ term: 1, vote: null }, [
        change(1, 1),
        entryOf({ index: 2, term: 1 }),
        change(3, 1),
        change(4, 1),
      ]);
      writer.write({ hardState: { term: 2, vote: null }, truncateFrom: 4, entries: [entryOf({ index: 4, term: 2 })] });
      world.settle();
      world.restart();
      const { membership, memberships } = world.storage.load(group, newMembership({ voters: [9] }));
      expect(membership).toEqual(threeVoters);
      expect(memberships).toEqual([change(1, 1), change(3, 1)]);
    });

    check("a node that is to join starts with nobody", (world) => {
      expect(world.storage.load(group, noMembership).membership).toEqual(noMembership);
      world.restart();
      expect(world.storage.load(group, threeVoters).membership).toEqual(noMembership);
    });

    check("P5: a truncation and what follows it are one write, and the old tail is gone for good", (world) => {
      world.storage.load(group, threeVoters);
      const writer = new Writer(world.storage);
      writer.append({ term: 1, vote: null }, entriesOf({ from: 1, to: 10, term: 1 }));
      writer.write({
        hardState: { term: 2, vote: null },
        truncateFrom: 5,
        entries: entriesOf({ from: 5, to: 7, term: 2 }),
      });
      world.settle();
      const expected = [...entriesOf({ from: 1, to: 4, term: 1 }), ...entriesOf({ from: 5, to: 7, term: 2 })];
      expect(readAll(world.storage, 7)).toEqual(expected);
      expect(() => readAll(world.storage, 8)).toThrow("outside the durable log");
      world.restart();
      const { lastIndex, termRuns } = world.storage.load(group, threeVoters);
      expect(lastIndex).toBe(7);
      expect(termRuns).toEqual([
        { index: 1, term: 1 },
        { index: 5, term: 2 },
      ]);
      expect(readAll(world.storage, 7)).toEqual(expected);
    });

    check("a truncation may take nothing, the whole log, or stand alone", (world) => {
      world.storage.load(group, threeVoters);
      const writer = new Writer(world.storage);
      writer.append({ term: 1, vote: null }, entriesOf({ from: 1, to: 3, term: 1 }));
      writer.write({ truncateFrom: 4, entries: [entryOf({ index: 4, term: 1 })] });
      writer.write({ truncateFrom: 1 });
      writer.write({ hardState: { term: 2, vote: null }, entries: entriesOf({ from: 1, to: 2, term: 2 }) });
      writer.write({ truncateFrom: 2 });
      world.settle();
      world.restart();
      expect(world.storage.load(group, threeVoters).lastIndex).toBe(1);
      expect(readAll(world.storage, 1)).toEqual(entriesOf({ from: 1, to: 1, term: 2 }));
    });

    check("P3: a term and the first entries of it are one write", (world) => {
      world.storage.load(group, threeVoters);
      const entries = [entryOf({ index: 1, term: 5 })];
      expect(() => world.storage.persist([writeOf(1, { entries })])).toThrow("before its term (rule P3)");
      world.restart();
      const { hardState, lastIndex } = world.storage.load(group, threeVoters);
      expect([hardState.term, lastIndex]).toEqual([0, 0]);
      world.storage.persist([writeOf(1, { hardState: { term: 5, vote: null }, entries })]);
      world.settle();
      world.restart();
      const restored = world.storage.load(group, threeVoters);
      expect([restored.hardState.term, restored.lastIndex]).toEqual([5, 1]);
    });

    check("every write is confirmed once and in order, barriers too", (world) => {
      const confirmed: (readonly [GroupId, number])[] = [];
      world.storage.load(0, threeVoters);
      world.storage.load(9, threeVoters);
      world.storage.onPersisted = (of, seq) => confirmed.push([of, seq]);
      world.storage.persist([]);
      const hardState = { term: 1, vote: 2 };
      world.storage.persist([writeOf(1, {}), writeOf(1, { group: 9, hardState }), writeOf(2, { hardState })]);
      world.storage.persist([writeOf(2, { group: 9 })]);
      world.storage.persist([writeOf(3, { entries: [entryOf({ index: 1, term: 1 })] })]);
      world.settle();
      expect(confirmed).toEqual([
        [0, 1],
        [9, 1],
        [0, 2],
        [9, 2],
        [0, 3],
      ]);
    });

    check("groups share a write and nothing else", (world) => {
      world.storage.load(0, threeVoters);
      world.storage.load(1, newMembership({ voters: [5] }));
      const first = entriesOf({ from: 1, to: 3, term: 1 });
      const second = entriesOf({ from: 1, to: 5, term: 8 });
      world.storage.persist([
        writeOf(1, { hardState: { term: 1, vote: 3 }, entries: first }),
        writeOf(1, { group: 1, hardState: { term: 8, vote: 5 }, entries: second }),
      ]);
      world.storage.persist([writeOf(2, { group: 1, truncateFrom: 4 })]);
      world.settle();
      world.restart();
      expect(world.storage.load(1, threeVoters)).toEqual({
        hardState: { term: 8, vote: 5 },
        membership: newMembership({ voters: [5] }),
        memberships: [],
        boot: 2,
        compacted: { index: 0, term: 0 },
        snapshot: { index: 0, term: 0 },
        termRuns: [{ index: 1, term: 8 }],
        lastIndex: 3,
      });
      expect(world.storage.load(0, threeVoters).hardState).toEqual({ term: 1, vote: 3 });
      expect(readAll(world.storage, 3)).toEqual(first);
      expect(world.storage.reader(1).entries({ from: 1, to: 3, bytesMax: Infinity })).toEqual(second.slice(0, 3));
    });
  });

  describe(`${name}: reading`, () => {
    const sizes = [10, 20, 30, 40];
    const cases = [
      { from: 1, to: 4, bytesMax: 100, gives: [1, 2, 3, 4] },
      { from: 1, to: 4, bytesMax: 99, gives: [1, 2, 3] },
      { from: 1, to: 4, bytesMax: 30, gives: [1, 2] },
      { from: 2, to: 3, bytesMax: 1000, gives: [2, 3] },
      { from: 4, to: 4, bytesMax: 1, gives: [4] },
      { from: 3, to: 4, bytesMax: 0, gives: [3] },
    ];
    check("a range ends at its limit of bytes, and is never empty", (world) => {
      world.storage.load(group, threeVoters);
      const entries = sizes.map((size, i) => entryOf({ index: i + 1, term: 1, payload: new Uint8Array(size) }));
      new Writer(world.storage).append({ term: 1, vote: null }, entries);
      world.settle();
      for (const { gives, ...range } of cases) {
        expect(
          world.storage
            .reader(group)
            .entries(range)
            .map((entry) => entry.index),
        ).toEqual(gives);
      }
    });

    check("whoever reads may do with the payloads as he likes", (world) => {
      world.storage.load(group, threeVoters);
      new Writer(world.storage).append({ term: 1, vote: 1 }, entriesOf({ from: 1, to: 3, term: 1 }));
      world.settle();
      const payloads = (): readonly Uint8Array[] => readAll(world.storage, 3).map(({ payload }) => payload);
      const before = payloads().map((payload) => payload.slice());
      for (const payload of payloads()) payload.fill(0xee);
      expect(payloads()).toEqual(before);
    });

    check("a range outside the log is a bug of the caller", (world) => {
      world.storage.load(group, threeVoters);
      new Writer(world.storage).append({ term: 1, vote: null }, entriesOf({ from: 1, to: 3, term: 1 }));
      world.settle();
      const read = (from: number, to: number) => () =>
        world.storage.reader(group).entries({ from, to, bytesMax: Infinity });
      expect(read(0, 1)).toThrow("outside the durable log");
      world.restart();
      world.storage.load(group, threeVoters);
      expect(read(3, 2)).toThrow("outside the durable log");
      world.restart();
      world.storage.load(group, threeVoters);
      expect(read(2, 4)).toThrow("outside the durable log");
    });
  });

  describe(`${name}: what it refuses`, () => {
    const base: Persist = writeOf(1, {
      hardState: { term: 3, vote: 2 },
      entries: [...entriesOf({ from: 1, to: 4, term: 2 }), entryOf({ index: 5, term: 3 })],
    });
    const damaged: Entry = { ...entryOf({ index: 6, term: 3 }), checksum: 1 };
    const refused: readonly (readonly [what: string, changes: Partial<Persist>, message: string])[] = [
      ["a gap", { entries: [entryOf({ index: 7, term: 3 })] }, "without a gap"],
      ["an index twice", { entries: [entryOf({ index: 5, term: 3 })] }, "without a gap"],
      ["a gap behind a truncation", { truncateFrom: 3, entries: [entryOf({ index: 4, term: 3 })] }, "without a gap"],
      ["a falling term", { entries: [entryOf({ index: 6, term: 2 })] }, "never fall"],
      [
        "a falling term behind a truncation",
        { truncateFrom: 3, entries: [entryOf({ index: 3, term: 1 })] },
        "never fall",
      ],
      ["an entry above the term", { entries: [entryOf({ index: 6, term: 4 })] }, "before its term"],
      ["an entry that does not match its checksum", { entries: [damaged] }, "match its checksum"],
      ["a truncation behind the end", { truncateFrom: 7 }, "right behind it"],
      ["a truncation at 0", { truncateFrom: 0 }, "compacted prefix"],
      ["a lower term", { hardState: { term: 2, vote: 2 } }, "never falls"],
      ["another vote", { hardState: { term: 3, vote: 1 } }, "never changed inside its term"],
      ["no vote after a vote (rule P4)", { hardState: { term: 3, vote: null } }, "never changed inside its term"],
      ["a number left out", { seq: 3 }, "without a gap"],
      ["a number twice", { seq: 1 }, "without a gap"],
      ["an unknown group", { group: 4 }, "must be loaded"],
    ];
    for (const [what, changes, message] of refused) {
      check(`${what} stops the process and leaves nothing on disk`, (world) => {
        world.storage.load(group, threeVoters);
        world.storage.persist([base]);
        world.settle();
        const bad = writeOf(2, changes);
        expect(() => world.storage.persist([bad])).toThrow(message);
        world.restart();
        const restored = world.storage.load(group, threeVoters);
        expect(restored.hardState).toEqual({ term: 3, vote: 2 });
        expect(readAll(world.storage, restored.lastIndex)).toEqual(base.entries);
      });
    }

    check("a new term may come with another vote", (world) => {
      world.storage.load(group, threeVoters);
      world.storage.persist([base]);
      const states: readonly HardState[] = [
        { term: 4, vote: null },
        { term: 4, vote: 1 },
        { term: 9, vote: 3 },
      ];
      world.storage.persist(states.map((hardState, i) => writeOf(i + 2, { hardState })));
      world.settle();
      world.restart();
      expect(world.storage.load(group, threeVoters).hardState).toEqual({ term: 9, vote: 3 });
    });

    check("calls out of turn", (world) => {
      const { storage } = world;
      expect(() => storage.reader(group)).toThrow("must be loaded");
      expect(() => storage.load(group, newMembership({ voters: [], learners: [1] }))).toThrow("must have a voter");
      storage.load(group, threeVoters);
      expect(() => storage.load(group, threeVoters)).toThrow("loaded once");
      let inside: unknown = null;
      storage.onPersisted = () => {
        try {
          storage.persist([]);
        } catch (error) {
          inside = error;
        }
      };
      storage.persist([writeOf(1, {})]);
      world.settle();
      expect(String(inside)).toContain("while writes are confirmed");
      const reader = storage.reader(group);
      storage.close();
      expect(() => storage.persist([])).toThrow("closed");
      expect(() => storage.load(1, threeVoters)).toThrow("closed");
      expect(() => reader.entries({ from: 1, to: 1, bytesMax: 1 })).toThrow("closed");
    });
  });

  describe(`${name}: a long life`, () => {
    for (const seed of [1, 2, 3]) {
      check(`random writes and power cuts keep the log (seed ${seed})`, (world) => {
        randomLife(world, seed);
      });
    }
  });
}

/** Writes what a random follower might write, and compares the storage with a plain array. */
function randomLife(world: World, seed: number): void {
  const random = seededRandom(seed);
  let log: Entry[] = [];
  let hardState: HardState = { term: 0, vote: null };
  let boot = 1;
  world.storage.load(group, threeVoters);
  let writer = new Writer(world.storage);
  for (let step = 0; step < 120; step++) {
    const changesTerm = random.next() < 0.2 || hardState.term === 0;
    if (changesTerm) hardState = { term: hardState.term + random.integer(1, 3), vote: random.integer(1, 3) };
    const truncateFrom =
      log.length > 0 && random.next() < 0.3 ? random.integer(Math.max(1, log.length - 5), log.length) : null;
    if (truncateFrom !== null) log = log.slice(0, truncateFrom - 1);
    const from = log.length + 1;
    const entries = entriesOf({ from, to: log.length + random.integer(0, 4), term: hardState.term });
    log = [...log, ...entries];
    writer.write({ hardState: changesTerm ? hardState : null, truncateFrom, entries });
    if (random.next() < 0.8) continue;
    world.settle();
    world.restart();
    const restored = world.storage.load(group, threeVoters);
    writer = new Writer(world.storage);
    expect([restored.boot, restored.lastIndex, restored.hardState]).toEqual([++boot, log.length, hardState]);
    expect(readAll(world.storage, log.length)).toEqual(log);
  }
}
