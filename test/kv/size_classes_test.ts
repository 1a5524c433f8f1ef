/** Sizes of places, and slabs of them: every length has the smallest that holds it, and no place has two values. */
import { expect, test } from "bun:test";
import { Slab, classOf, newSizeClasses, slotBytesMax } from "../../src/kv/size_classes.ts";
import { seededRandom } from "../../src/lib/random.ts";

test("every length has the smallest size that holds it, and wastes an eighth of it or less than 16 bytes", () => {
  const sizes = newSizeClasses().map(({ slotBytes }) => slotBytes);
  for (let length = 1; length <= slotBytesMax; length++) {
    const number = classOf(length);
    const [size, smaller] = [sizes[number] ?? 0, sizes[number - 1] ?? 0];
    const isRight = size >= length && smaller < length && (size - length < 16 || size - length < size / 8);
    if (!isRight) expect(`a length of ${length} in places of ${size}`).toBe("right");
  }
  expect(sizes.at(-1)).toBe(slotBytesMax);
  expect(sizes.every((size) => size % 16 === 0)).toBe(true);
});

test("a place has one owner until it is left, and all of them are found again", () => {
  const random = seededRandom(1);
  const slab = new Slab(1, 16, new Uint8Array(1024));
  const owners = new Map<number, number>();
  for (let row = 1; row < 10_000; row++) {
    if (slab.hasRoom && random.next() < 0.6) {
      const slot = slab.take(row);
      if (slot < 0 || slot >= slab.slots || owners.has(slot)) expect(`row ${row}`).toBe("alone in its place");
      owners.set(slot, row);
    } else if (owners.size > 0) {
      const slot = [...owners.keys()][random.integer(0, owners.size - 1)] ?? 0;
      slab.leave(slot);
      owners.delete(slot);
    }
    for (const [slot, owner] of owners) if (slab.owner(slot) !== owner) expect(`row ${row}`).toBe("where it was put");
    if (slab.used !== owners.size || slab.hasRoom !== owners.size < 64) expect(`row ${row}`).toBe("counted");
  }
});

test("a place is not left twice, nor taken where none is free", () => {
  const slab = new Slab(1, 16, new Uint8Array(40));
  expect([slab.take(1), slab.take(2)]).toEqual([0, 1]);
  expect(() => slab.take(3)).toThrow("finds one");
  slab.leave(1);
  expect(() => slab.leave(1)).toThrow("once");
});
