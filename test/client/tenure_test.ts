/** How long a lease is certainly ours: counted from when the latest confirmed renewal was sent. */
import { expect, test } from "bun:test";
import { Tenure } from "../../src/client/tenure.ts";

function timesOf({ renewAt, lostAt, goneAt }: Tenure): readonly number[] {
  return [renewAt, lostAt, goneAt];
}

test("it is renewed at a third, lost at seven tenths, and over before the lease is", () => {
  const tenure = new Tenure({ ttlMs: 6000, sentAt: 100 });
  expect(timesOf(tenure)).toEqual([2100, 4300, 5500]);
  tenure.confirm(2200);
  expect(timesOf(tenure)).toEqual([4200, 6400, 7600]);
});

test("a confirmation that is late, or of an earlier renewal, gives no time that was not there", () => {
  const tenure = new Tenure({ ttlMs: 6000, sentAt: 0 });
  tenure.confirm(3000);
  tenure.confirm(2000); // was overtaken
  expect(tenure.lostAt).toBe(7200);
});
