/** Durations as people write them, and back. */
import { expect, test } from "bun:test";
import { durationMs, durationText } from "../../src/lib/duration.ts";

test("a duration is a number with a unit", () => {
  const texts = ["150ms", "2s", "1.5s", "5m", "12h", "7d", "0.5ms", "0s"];
  expect(texts.map(durationMs)).toEqual([150, 2000, 1500, 300_000, 43_200_000, 604_800_000, 0.5, 0]);
  for (const text of ["", "5", "s", "-1s", "1 s", "1e3s", "1w", "1s2", ".5s"]) expect(durationMs(text)).toBe(null);
});

test("whole milliseconds have a shortest text, which means the same", () => {
  const texts = ["1ms", "1500ms", "90s", "1h", "36h", "7d", "61m"];
  expect(texts.map((text) => durationText(durationMs(text) ?? 0))).toEqual(texts);
  expect(durationText(60_000)).toBe("1m");
  expect(durationText(0)).toBe("0ms");
});
