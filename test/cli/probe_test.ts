/** What a probe makes of the ends of its puts: counts, latencies, and windows without service. */
import { expect, test } from "bun:test";
import { type ProbedPut, ProbeRecord, putJson, putText, summaryText } from "../../cli/commands/probe_record.ts";

const slowMs = 1000;

/** A record of puts that were sent one second apart, from 1970 on. */
function recordOf(...puts: readonly (readonly [outcome: ProbedPut["outcome"], tookMs: number])[]): ProbeRecord {
  const record = new ProbeRecord(slowMs);
  puts.forEach(([outcome, tookMs], at) => {
    const sentAt = at * 1000;
    const reason = outcome === "ok" ? null : `reason ${at}`;
    record.add({ number: at + 1, sentAt, endedAt: sentAt + tookMs, outcome, revision: 7, reason });
  });
  return record;
}

test("nothing failed: no window", () => {
  const summary = recordOf(["ok", 2], ["ok", 4]).summary();
  expect(summary).toMatchObject({ puts: 2, ok: 2, max_us: 4000, windows: [] });
  expect(summaryText(summary)).toContain("served without a window");
});

test("a window lasts from the first put that failed to the next acknowledgement", () => {
  const { windows, not_applied, unknown } = recordOf(
    ["ok", 2],
    ["unknown", 500],
    ["not_applied", 1],
    ["ok", 5],
    ["ok", 1],
  ).summary();
  expect([not_applied, unknown]).toEqual([1, 1]);
  expect(windows).toEqual([
    {
      from: "1970-01-01T00:00:01.000Z",
      to: "1970-01-01T00:00:03.005Z",
      ms: 2005,
      not_applied: 1,
      unknown: 1,
      reason: "reason 1",
    },
  ]);
});

test("a put that is slower than the interval is a window of its own; one that never ends is told as such", () => {
  const summary = recordOf(["ok", 1400], ["ok", 1], ["unknown", 900]).summary();
  expect(summary.windows.map(({ ms, to, reason }) => [ms, to === null, reason])).toEqual([
    [1400, false, null],
    [900, true, "reason 2"],
  ]);
  expect(summaryText(summary)).toContain(
    "without service for 900 ms from 1970-01-01T00:00:02.000Z on (1 failed: reason 2)",
  );
});

test("one put for people and for programs", () => {
  const put = { number: 3, sentAt: 1000, endedAt: 1002.5, outcome: "ok", revision: 9, reason: null } as const;
  expect(putText(put)).toBe("00:00:01.000  3  ok rev=9  2.5 ms\n");
  expect(putJson(put)).toEqual({
    put: 3,
    at: "1970-01-01T00:00:01.000Z",
    outcome: "ok",
    revision: 9,
    us: 2500,
    reason: null,
  });
});
