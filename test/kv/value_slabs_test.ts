/** Values in shared buffers: each reads as what was put, whatever else is put, released, moved and read meanwhile. */
import { describe, expect, test } from "bun:test";
import { emptySlab, type Tenant, ValueSlabs } from "../../src/kv/value_slabs.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";

/** Somebody with a value, and a copy of it elsewhere. */
interface Owner {
  readonly tenant: Tenant;
  readonly value: Uint8Array;
}

function settle(slabs: ValueSlabs, value: Uint8Array): Owner {
  const tenant: Tenant = { length: value.length, slab: emptySlab, offset: 0, released: false };
  slabs.put(tenant, value);
  return { tenant, value };
}

function isIntact({ tenant, value }: Owner): boolean {
  const { slab, offset, length } = tenant;
  return Buffer.compare(slab.bytes.subarray(offset, offset + length), value) === 0;
}

function anyValue(random: Random): Uint8Array {
  const lengthMax = random.integer(0, 20) === 0 ? 40_000 : 400;
  return new Uint8Array(random.integer(0, lengthMax)).fill(random.integer(0, 255));
}

describe("values in slabs", () => {
  for (const seed of [1, 2, 3, 4]) {
    test(`stay what they are (seed ${seed})`, () => {
      const random = seededRandom(seed);
      const slabs = new ValueSlabs();
      let owners: readonly Owner[] = [];
      for (let step = 0; step < 300; step++) {
        const isKept = owners.map(() => random.integer(0, 3) > 0);
        for (const { tenant } of owners.filter((_, i) => isKept[i] !== true)) slabs.release(tenant);
        const arrived = Array.from({ length: random.integer(0, 60) }, () => settle(slabs, anyValue(random)));
        owners = [...owners.filter((_, i) => isKept[i] === true), ...arrived];
        if (random.integer(0, 3) === 0) slabs.tidy();
        if (!owners.every(isIntact)) expect(`step ${step}`).toBe("intact");
      }
      expect(owners.length > 0).toBe(true);
    });
  }

  test("that come and go use the same memory again", () => {
    const slabs = new ValueSlabs();
    const round = (): void => {
      const owners = Array.from({ length: 4000 }, (_, i) => settle(slabs, new Uint8Array(256).fill(i)));
      for (const { tenant } of owners) slabs.release(tenant);
      slabs.tidy();
    };
    for (let i = 0; i < 5; i++) round();
    const held = slabs.heldBytes;
    for (let i = 0; i < 20; i++) round();
    expect(slabs.heldBytes <= held).toBe(true);
  });

  test("of which few live on take no more than about four times their bytes", () => {
    const slabs = new ValueSlabs();
    let kept: readonly Owner[] = [];
    for (let i = 0; i < 200; i++) {
      const owners = Array.from({ length: 500 }, (_, at) => settle(slabs, new Uint8Array(200).fill(at)));
      for (const { tenant } of owners.slice(5)) slabs.release(tenant);
      kept = [...kept, ...owners.slice(0, 5)];
      slabs.tidy();
    }
    expect(kept.every(isIntact)).toBe(true);
    const needed = kept.length * 200;
    expect(slabs.heldBytes < 5 * needed + 2_000_000).toBe(true);
  });
});
