/** `proa bench` without a cluster: what its options mean together, what it sends, and what its check finds. */
import { expect, test } from "bun:test";
import { FrameMaker } from "../../cli/commands/bench_frames.ts";
import { KeyHistory } from "../../cli/commands/bench_history.ts";
import { type BenchRequest, planOf } from "../../cli/commands/bench_plan.ts";
import { optionsOf, rowsText } from "../../cli/commands/bench_transports.ts";
import { benchJson, benchText, progressText } from "../../cli/commands/bench_report.ts";
import { Tally } from "../../cli/commands/bench_tally.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { defaultCommandLimits, validateCommands, validateQueries, writeGetAnswer } from "../../src/wire/mod.ts";
import { stored } from "../kv/driver.ts";

const request: BenchRequest = {
  op: "put",
  consistency: "linearizable",
  inFlight: undefined,
  connections: 1,
  callers: undefined,
  rate: undefined,
  valueSize: 256,
  keyCount: 10_000,
  duration: 1000,
  warmup: 0,
  local: undefined,
  transport: undefined,
  loss: undefined,
  check: false,
};

test("the defaults of each loop", () => {
  expect(planOf(request)).toMatchObject({ inFlight: 128, loop: { kind: "window" } });
  expect(planOf({ ...request, callers: 7 })).toMatchObject({ inFlight: 7, loop: { kind: "callers" } });
  expect(planOf({ ...request, rate: 50 })).toMatchObject({ inFlight: 10_000, loop: { kind: "rate", perSecond: 50 } });
});

const conflicts: readonly Partial<BenchRequest>[] = [
  { callers: 3, rate: 5 },
  { callers: 3, inFlight: 5 },
  { inFlight: 3, connections: 4 },
  { consistency: "stale" },
  { check: true },
  { check: true, op: "mixed", consistency: "stale" },
  { check: true, op: "mixed", keyCount: 1_000_000 },
  { check: true, op: "mixed", valueSize: 4 },
  { transport: ["udp"] },
  { loss: [1] },
  { local: 3, loss: [1, 1] },
  { local: 3, transport: ["tcp", "tcp"] },
  { local: 1, loss: [1] },
];
for (const conflict of conflicts) {
  test(`refuses ${JSON.stringify(conflict)}`, () => {
    expect(() => planOf({ ...request, ...conflict })).toThrow(ProaError);
  });
}

test("rows for each transport and each rate of loss: what a process is asked for, and the table", () => {
  const asked = optionsOf({
    ...request,
    op: "mixed",
    inFlight: 7,
    local: 3,
    transport: ["udp"],
    loss: [0],
    check: true,
  });
  const line =
    "--op mixed --consistency linearizable --connections 1 --value-size 256 --key-count 10000 --duration 1000ms " +
    "--warmup 0ms --in-flight 7 --check";
  expect(asked.join(" ")).toBe(line);
  expect(optionsOf({ ...request, callers: 3 }).slice(-2)).toEqual(["--callers", "3"]);
  expect(optionsOf({ ...request, rate: 3 }).slice(-2)).toEqual(["--rate", "3"]);
  const report = benchJson(planOf(request), { tally: new Tally(), elapsedMs: 1000 });
  const row = { transport: "udp", loss_percent: 0.5, elections: 2, ...report, ops_per_s: 12_345, p50_us: 80 } as const;
  expect(rowsText("put", [row, { ...row, transport: "tcp", loss_percent: null, p99_us: 9999 }])).toBe(
    "TRANSPORT   LOSS  PUTS/S    P50       P99  ELECTIONS\n" +
      "udp        0.5 %  12,345  80 µs      0 µs          2\n" +
      "tcp            –  12,345  80 µs  10.00 ms          2\n",
  );
});

test("frames hold what a node accepts, on as many keys as were asked for", () => {
  const frames = new FrameMaker({ keyCount: 3, valueBytes: 10 }, null);
  const puts = frames.frame("put", 50);
  expect(validateCommands(puts.body, defaultCommandLimits)).toEqual({ ok: true, count: 50 });
  const keys = new Set(new TextDecoder("latin1").decode(puts.body).match(/bench\/\d{10}/g));
  expect([...keys].sort()).toEqual(["bench/0000000000", "bench/0000000001", "bench/0000000002"]);
  expect(validateQueries(frames.frame("get", 50).body)).toEqual({ ok: true, count: 50 });
  expect(validateCommands(frames.fill(998, 4).body, defaultCommandLimits)).toEqual({ ok: true, count: 4 });
});

/** The answer to one get that found `found`; 0: nothing. */
function answerTo(found: number): Uint8Array {
  const writer = new ByteWriter();
  const value = new Uint8Array(8);
  new DataView(value.buffer).setFloat64(0, found);
  const stamps = { createRevision: 1, modRevision: 1, version: 1, lease: 0 };
  writeGetAnswer(writer, 1, found === 0 ? null : stored({ ...stamps, value }));
  return writer.take();
}

/** Puts to one key, then asks for it: the number that is found decides whether that can be. */
function historyOf(found: (put: number) => number) {
  const history = new KeyHistory({ keyCount: 1, run: "x" });
  const frames = new FrameMaker({ keyCount: 1, valueBytes: 8 }, history);
  const put = frames.frame("put", 1);
  put.recorded[0]?.answered(null);
  const number = put.recorded[0]?.value ?? 0;
  frames.readAnswers(frames.frame("get", 1), answerTo(found(number)));
  return history.finish();
}

test("the check accepts what was put and finds what was lost", () => {
  expect(historyOf((put) => put)).toEqual({ operations: 2, keys: 1, undecided: 0, violations: [] });
  expect(historyOf(() => 0).violations).toEqual(["bench/x/1"]);
  expect(historyOf((put) => put + 1).violations).toEqual(["bench/x/1"]);
});

test("the check believes neither a refused put nor that a lost one happened", () => {
  const history = new KeyHistory({ keyCount: 1, run: "x" });
  const frames = new FrameMaker({ keyCount: 1, valueBytes: 8 }, history);
  frames.frame("put", 1).recorded[0]?.refused();
  frames.readAnswers(frames.frame("get", 1), answerTo(0));
  const lost = frames.frame("put", 1).recorded[0];
  lost?.lost();
  frames.readAnswers(frames.frame("get", 1), answerTo(0));
  frames.readAnswers(frames.frame("get", 1), answerTo(lost?.value ?? 0));
  expect(history.finish()).toEqual({ operations: 4, keys: 1, undecided: 0, violations: [] });
});

test("keys are exchanged, judged and forgotten while the run goes on", () => {
  const history = new KeyHistory({ keyCount: 2, run: "x" });
  for (let i = 0; i < 1000; i++) history.begin("put").answered(null);
  const { operations, keys } = history.finish();
  expect(operations).toBe(1000);
  expect(keys).toBeGreaterThanOrEqual(1000 / 64);
});

test("the report: exactly the fields of the contract, and the words for people", () => {
  const plan = planOf({ ...request, op: "mixed" });
  const tally = new Tally();
  tally.puts = 1000;
  tally.gets = 500;
  tally.latency.record(150, 1500);
  const measured = { tally, elapsedMs: 2000 };
  expect(benchJson(plan, measured)).toEqual({
    op: "mixed",
    consistency: "linearizable",
    value_bytes: 256,
    in_flight: 128,
    connections: 1,
    ops_per_s: 750,
    p50_us: 150,
    p90_us: 150,
    p99_us: 150,
    p999_us: 150,
    max_us: 150,
    ok: 1500,
    not_applied: 0,
    unknown: 0,
  });
  const text = benchText(plan, measured, { operations: 9, keys: 2, undecided: 0, violations: [] });
  for (const part of [/^count +1,500$/m, /^total ms +2,000$/m, /^puts\/s +500$/m, /^linearizable gets\/s +250$/m])
    expect(text).toMatch(part);
  expect(text).toMatch(/≤ 200 µs +100\.0 % +#{40}/);
  expect(text).toContain("linearizable: 9 requests on 2 keys");
  expect(progressText(plan, tally, { second: 1, seconds: 2, spanMs: 1000 })).toBe(
    "[##########..........] 1/2 s   1,000 puts/s   500 gets/s   p50 150 µs   p99 150 µs",
  );
});
