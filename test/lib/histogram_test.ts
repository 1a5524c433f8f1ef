/** Histograms of durations: what percentiles promise, whatever is recorded. */
import { expect, test } from "bun:test";
import { Histogram } from "../../src/lib/histogram.ts";
import { seededRandom } from "../../src/lib/random.ts";

test("short durations are exact", () => {
  const histogram = new Histogram();
  for (let micros = 1; micros <= 100; micros++) histogram.record(micros);
  expect([0, 0.01, 0.5, 0.99, 1].map((share) => histogram.percentile(share))).toEqual([1, 1, 50, 99, 100]);
  expect([histogram.count, histogram.max, histogram.countUpTo(30)]).toEqual([100, 100, 30]);
});

test("a percentile is never too low, and at most 1.6 % too high", () => {
  const random = seededRandom(7);
  const histogram = new Histogram();
  const all = Array.from({ length: 5000 }, () => Math.round(10 ** (random.next() * 8)));
  for (const micros of all) histogram.record(micros);
  all.sort((a, b) => a - b);
  for (const share of [0.001, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 1]) {
    const exact = all[Math.ceil(share * all.length) - 1] ?? NaN;
    const told = histogram.percentile(share);
    expect(told).toBeGreaterThanOrEqual(exact);
    expect(told).toBeLessThanOrEqual(exact * 1.016);
  }
});

test("many at once, fractions, and what no duration can be", () => {
  const histogram = new Histogram();
  histogram.record(10.4, 3);
  histogram.record(-5);
  histogram.record(1e15);
  expect([histogram.count, histogram.percentile(0.5), histogram.percentile(0)]).toEqual([5, 10, 0]);
  expect(histogram.max).toBe(2 ** 31 - 1);
  histogram.reset();
  expect([histogram.count, histogram.max, histogram.percentile(0.9)]).toEqual([0, 0, 0]);
});
