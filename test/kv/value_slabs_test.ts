/** Values in shared buffers: each reads as what was put, whatever else is put, released, moved and read meanwhile. */
import { describe, expect, test } from "bun:test";
import { type Row, type RowData, Rows, noRow } from "../../src/kv/rows.ts";
import { ValueSlabs } from "../../src/kv/value_slabs.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";

/** A row with a value, and a copy of it elsewhere. */
interface Owner {
  readonly row: Row;
  readonly value: Uint8Array;
}

class World {
  readonly rows = new Rows();
  readonly slabs = new ValueSlabs(this.rows);
  private readonly data: RowData = {
    ...{ key: 1, previous: noRow, createRevision: 0, modRevision: 0, version: 1, lease: 0 },
    ...{ hashHigh: 0, hashLow: 0, slab: 0, offset: 0, length: 0 },
  };

  settle(value: Uint8Array): Owner {
    const row = this.rows.take();
    this.data.key = 1;
    this.slabs.put(row, value, this.data);
    this.rows.write(row, this.data);
    return { row, value };
  }

  /** The row becomes another. */
  leave({ row }: Owner): void {
    this.rows.read(row, this.data);
    this.slabs.release(this.data);
    this.rows.free(row);
  }

  isIntact({ row, value }: Owner): boolean {
    this.rows.read(row, this.data);
    const { slab, offset, length } = this.data;
    return Buffer.compare(this.slabs.slab(slab).bytes.subarray(offset, offset + length), value) === 0;
  }
}

function anyValue(random: Random): Uint8Array {
  const lengthMax = random.integer(0, 20) === 0 ? 40_000 : 400;
  return new Uint8Array(random.integer(0, lengthMax)).fill(random.integer(0, 255));
}

describe("values in slabs", () => {
  for (const seed of [1, 2, 3, 4]) {
    test(`stay what they are (seed ${seed})`, () => {
      const random = seededRandom(seed);
      const world = new World();
      let owners: readonly Owner[] = [];
      for (let step = 0; step < 300; step++) {
        const isKept = owners.map(() => random.integer(0, 3) > 0);
        for (const owner of owners.filter((_, i) => isKept[i] !== true)) world.leave(owner);
        const arrived = Array.from({ length: random.integer(0, 60) }, () => world.settle(anyValue(random)));
        owners = [...owners.filter((_, i) => isKept[i] === true), ...arrived];
        if (random.integer(0, 3) === 0) world.slabs.tidy();
        if (!owners.every((owner) => world.isIntact(owner))) expect(`step ${step}`).toBe("intact");
      }
      expect(owners.length > 0).toBe(true);
    });
  }

  test("that come and go use the same memory again", () => {
    const world = new World();
    const round = (): void => {
      const owners = Array.from({ length: 4000 }, (_, i) => world.settle(new Uint8Array(256).fill(i)));
      for (const owner of owners) world.leave(owner);
      world.slabs.tidy();
    };
    const heldAfter = (rounds: number): number => {
      let most = 0;
      for (let i = 0; i < rounds; i++) {
        round();
        most = Math.max(most, world.slabs.heldBytes);
      }
      return most;
    };
    const held = heldAfter(20);
    expect(heldAfter(100)).toBe(held);
  });

  /** How much of the memory of `count` values of 256 bytes is free, as a share of what they are, when others have taken their places many times. */
  function freeShare(world: World, count: number): number {
    const random = seededRandom(6);
    const value = new Uint8Array(256);
    const owners = Array.from({ length: count }, () => world.settle(value));
    for (let step = 0; step < 3 * count; step++) {
      const at = random.integer(0, count - 1);
      const owner = owners[at];
      owners[at] = world.settle(value);
      if (owner !== undefined) world.leave(owner);
    }
    const share = world.slabs.freeBytes / (count * value.length);
    for (const owner of owners) world.leave(owner);
    return share;
  }

  test("that come and go anywhere leave half as much room free while they are few, so that the next ones lie side by side", () => {
    const share = freeShare(new World(), 30_000);
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(0.55);
  });

  test("leave little room free once they are many; when these are gone, few are few again", () => {
    const world = new World();
    expect(freeShare(world, 300_000)).toBeLessThan(0.25);
    expect(world.slabs.freeBytes).toBeLessThan(100_000);
    expect(freeShare(world, 30_000)).toBeGreaterThan(0.4);
  });

  test("of which few live on are moved together, and stay what they are", () => {
    const random = seededRandom(5);
    const world = new World();
    const owners = Array.from({ length: 40_000 }, (_, at) =>
      world.settle(new Uint8Array(190 + random.integer(0, 9)).fill(at)),
    );
    const kept = owners.filter(() => random.integer(0, 19) === 0);
    const needed = new Set(kept);
    for (const owner of owners) if (!needed.has(owner)) world.leave(owner);
    for (let i = 0; i < 20; i++) world.slabs.tidy();
    expect(kept.filter((owner) => !world.isIntact(owner)).length).toBe(0);
    expect(world.slabs.heldBytes).toBeLessThan(2 * kept.length * 208 + 4_000_000);
    for (const owner of kept) world.leave(owner);
    world.slabs.tidy();
    expect(world.slabs.heldBytes).toBeLessThan(3_000_000);
  });
});
