/** How much is let in: at most a bound, which follows from how long the others waited. */
import { expect, test } from "bun:test";
import { Admission } from "../../src/node/admission.ts";

const mebibyte = 1024 * 1024;
const limits = { waitingBytesMax: 32 * mebibyte, waitingWritesMax: 1_000_000, waitGoalMs: 150 };
const burden = { bytes: mebibyte / 4, count: 1 };

/** Lets in as many as there is room for, then lets all of them go after `waitedMs`; how many there were. */
function fill(admission: Admission, now: number, waitedMs: number): number {
  let admitted = 0;
  for (; admission.admits(burden); admitted++) admission.enter(burden);
  for (let i = 0; i < admitted; i++) admission.leaveApplied(burden, { enteredAt: now, now: now + waitedMs });
  return admitted;
}

test("the bound halves once for all who waited too long together, and never below a mebibyte", () => {
  const admission = new Admission(limits);
  expect([0, 1000, 2000, 3000].map((now) => fill(admission, now, 400))).toEqual([16, 8, 4, 4]);
});

test("it grows while the others wait for a short time only, up to the limit", () => {
  const admission = new Admission(limits);
  expect([0, 1000, 2000, 3000, 4000].map((now) => fill(admission, now, 20))).toEqual([16, 32, 64, 128, 128]);
});

test("it stays where the wait is as it should be", () => {
  const admission = new Admission(limits);
  expect([0, 1000, 2000].map((now) => fill(admission, now, 100))).toEqual([16, 16, 16]);
});

test("a request that is alone always fits, and what is refused or lost leaves its room", () => {
  const admission = new Admission({ ...limits, waitingBytesMax: 10, waitingWritesMax: 1 });
  const large = { bytes: 1000, count: 50 };
  expect(admission.admits(large)).toBe(true);
  admission.enter(large);
  expect(admission.admits({ bytes: 1, count: 1 })).toBe(false);
  admission.leave(large);
  expect(admission.admits(large)).toBe(true);
});
