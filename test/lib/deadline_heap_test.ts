/** The heap of deadlines against a list that is sorted each time. */
import { expect, test } from "bun:test";
import { DeadlineHeap, type Due } from "../../src/lib/deadline_heap.ts";
import { seededRandom } from "../../src/lib/random.ts";

test("whatever is added, moved and deleted, the first is due first", () => {
  const random = seededRandom(1);
  const heap = new DeadlineHeap<Due>();
  let items: Due[] = [];
  for (let step = 0; step < 5000; step++) {
    const dice = random.integer(0, 9);
    const item = items[random.integer(0, Math.max(0, items.length - 1))];
    if (dice < 5 || item === undefined) {
      const added = { due: random.integer(0, 500), place: -1 };
      heap.add(added);
      items.push(added);
    } else if (dice < 8) {
      heap.move(item, random.integer(0, 500));
    } else {
      heap.delete(item);
      expect(item.place).toBe(-1);
      items = items.filter((other) => other !== item);
    }
    expect(heap.length).toBe(items.length);
    expect(heap.peek()?.due).toBe(items.length === 0 ? undefined : Math.min(...items.map(({ due }) => due)));
  }
  expect(items.length).toBeGreaterThan(100);
  heap.clear();
  expect(items.every(({ place }) => place === -1)).toBe(true);
  expect(heap.peek()).toBe(undefined);
});
