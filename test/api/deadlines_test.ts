/** Many deadlines on one timer, on a clock that stands still. */
import { expect, test } from "bun:test";
import { Deadlines } from "../../src/client/deadlines.ts";
import { VirtualClock } from "../helpers/virtual_clock.ts";

interface Named {
  readonly name: string;
  readonly deadline: number;
}

function nothing(): void {
  return undefined;
}

test("each waiter expires at its deadline, unless it was removed", () => {
  const clock = new VirtualClock();
  const expired: string[] = [];
  const deadlines = new Deadlines<Named>(clock, ({ name }) => expired.push(`${name}@${clock.now()}`));
  const late = { name: "late", deadline: 300 };
  const removed = { name: "removed", deadline: 200 };
  for (const waiter of [late, removed, { name: "early", deadline: 100 }, { name: "early too", deadline: 100 }])
    deadlines.add(waiter);
  expect(deadlines.delete(removed)).toBe(true);
  expect(deadlines.delete(removed)).toBe(false);
  clock.advance(99, nothing);
  expect(expired).toEqual([]);
  clock.advance(1000, nothing);
  expect(expired).toEqual(["early@100", "early too@100", "late@300"]);
  deadlines.add({ name: "past", deadline: 5 });
  clock.advance(0, nothing);
  expect(expired).toContain("past@1099");
});

test("what one end removes does not expire, and what it adds does", () => {
  const clock = new VirtualClock();
  const expired: string[] = [];
  const second = { name: "second", deadline: 10 };
  const deadlines: Deadlines<Named> = new Deadlines<Named>(clock, ({ name }) => {
    expired.push(name);
    if (name !== "first") return;
    deadlines.delete(second);
    deadlines.add({ name: "third", deadline: 15 });
  });
  deadlines.add({ name: "first", deadline: 10 });
  deadlines.add(second);
  clock.advance(20, nothing);
  expect(expired).toEqual(["first", "third"]);
});

test("clearing gives back who waited and leaves no timer", () => {
  const clock = new VirtualClock();
  const deadlines = new Deadlines<Named>(clock, () => {
    throw new Error("it was cleared");
  });
  const waiter = { name: "a", deadline: 10 };
  deadlines.add(waiter);
  expect(deadlines.clear()).toEqual([waiter]);
  clock.advance(100, nothing);
});
