/** The check of linearizability against histories whose verdict is known, and against trying every order. */
import { describe, expect, test } from "bun:test";
import { type Random, seededRandom } from "../../src/lib/random.ts";
import { checkLinearizability, type Operation, type Verdict } from "../../src/sim/linearizability.ts";
import { type KeyInput, keyModel } from "../../src/sim/registers.ts";

type Call = Operation<KeyInput>;

/** From `call` to `returned`, a put of `next` that succeeded; a later moment than all others is "never returned". */
function put(call: number, returned: number, next: number): Call {
  return write(call, returned, { next });
}

function write(call: number, returned: number, input: Partial<KeyInput & { kind: "write" }>): Call {
  return {
    call,
    returned,
    input: { kind: "write", ifValue: null, next: 0, outcome: "ok", existed: null, seen: null, ...input },
  };
}

/** A write whose client never heard of it. */
function unknown(call: number, next: number, ifValue: number | null = null): Call {
  return write(call, Infinity, { next, ifValue, outcome: "unknown" });
}

function read(call: number, returned: number, value: number): Call {
  return { call, returned, input: { kind: "read", value } };
}

function verdict(calls: readonly Call[], stepsMax = 10_000): Verdict {
  return checkLinearizability(keyModel, calls, stepsMax);
}

const good: Readonly<Record<string, readonly Call[]>> = {
  "nothing happens": [],
  "one after the other": [put(1, 2, 7), read(3, 4, 7), put(5, 6, 8), read(7, 8, 8)],
  "a read beside a write sees the old value": [put(1, 2, 7), put(3, 6, 8), read(4, 5, 7)],
  "a read beside a write sees the new value": [put(1, 2, 7), put(3, 6, 8), read(4, 5, 8)],
  "writes side by side come in either order": [put(1, 4, 7), put(2, 3, 8), read(5, 6, 7)],
  "readers side by side see a write in turn": [put(1, 8, 7), read(2, 4, 7), read(3, 5, 0), read(6, 7, 7)],
  "an unknown write is seen": [put(1, 2, 7), unknown(3, 8), read(4, 5, 8), read(6, 7, 8)],
  "an unknown write is never seen": [put(1, 2, 7), unknown(3, 8), read(4, 5, 7), read(6, 7, 7)],
  "an unknown write takes effect late": [unknown(1, 8), put(2, 3, 7), read(4, 5, 7), read(6, 7, 8)],
  "an unknown write is overwritten unseen": [put(1, 2, 7), unknown(3, 8), read(4, 5, 7), put(6, 7, 9), read(8, 9, 9)],
  "an unknown write explains a failed condition": [
    put(1, 2, 7),
    unknown(3, 8),
    write(4, 5, { next: 9, ifValue: 7, outcome: "failed" }),
  ],
  "an unknown write explains that a key existed": [unknown(1, 8), write(2, 3, { existed: true }), read(4, 5, 0)],
  "one of two conditions holds": [
    put(1, 2, 7),
    write(3, 6, { next: 8, ifValue: 7 }),
    write(4, 5, { next: 9, ifValue: 7, outcome: "failed", seen: 8 }),
    read(7, 8, 8),
  ],
  "a key is made, deleted and made again": [
    write(1, 2, { next: 7, ifValue: 0 }),
    write(3, 4, { existed: true }),
    write(5, 6, { existed: false }),
    write(7, 8, { next: 9, ifValue: 0 }),
    read(9, 10, 9),
  ],
};

const bad: Readonly<Record<string, readonly Call[]>> = {
  "a stale read": [put(1, 2, 7), put(3, 4, 8), read(5, 6, 7)],
  "a read from the future": [read(1, 2, 7), put(3, 4, 7)],
  "a dirty read: nobody wrote that": [put(1, 2, 7), read(3, 4, 8)],
  "a lost update": [put(1, 2, 7), write(3, 6, { next: 8, ifValue: 7 }), write(4, 5, { next: 9, ifValue: 7 })],
  "a write that vanishes": [put(1, 2, 7), read(3, 4, 7), read(5, 6, 0)],
  "new, then old": [put(1, 2, 7), put(3, 10, 8), read(4, 5, 8), read(6, 7, 7)],
  "two readers disagree on an order": [put(1, 10, 7), put(2, 11, 8), read(3, 4, 7), read(5, 6, 8), read(7, 8, 7)],
  "writes against real time": [put(1, 2, 7), put(3, 4, 8), read(5, 6, 8), read(7, 8, 7)],
  "an unknown write is seen and vanishes": [put(1, 2, 7), unknown(3, 8), read(4, 5, 8), read(6, 7, 7)],
  "an unknown write is seen before it was asked for": [read(1, 2, 8), unknown(3, 8)],
  "an unknown write takes effect twice": [unknown(1, 8), read(2, 3, 8), put(4, 5, 7), read(6, 7, 7), read(8, 9, 8)],
  "an unknown write whose condition never held": [put(1, 2, 7), unknown(3, 8, 6), read(4, 5, 8)],
  "a condition fails although it held": [put(1, 2, 7), write(3, 4, { next: 8, ifValue: 7, outcome: "failed" })],
  "a condition holds although it cannot": [put(1, 2, 7), write(3, 4, { next: 8, ifValue: 0 })],
  "a failed condition saw what was not there": [
    put(1, 2, 7),
    write(3, 4, { next: 9, ifValue: 6, outcome: "failed", seen: 8 }),
  ],
  "a failed write is seen": [put(1, 2, 7), write(3, 4, { next: 9, ifValue: 6, outcome: "failed" }), read(5, 6, 9)],
  "a delete finds nothing where something is": [put(1, 2, 7), write(3, 4, { existed: false })],
  "a deleted key comes back": [put(1, 2, 7), write(3, 4, { existed: true }), read(5, 6, 7)],
};

describe("linearizable", () => {
  for (const [name, calls] of Object.entries(good)) test(name, () => expect(verdict(calls)).toBe("linearizable"));
});

describe("not linearizable", () => {
  for (const [name, calls] of Object.entries(bad)) test(name, () => expect(verdict(calls)).toBe("violation"));
});

test("a search that takes too long is given up", () => {
  const calls = Array.from({ length: 12 }, (_, position) => put(1 + position, 100 + position, 1 + position));
  const impossible = [...calls, read(200, 201, 99)];
  expect(verdict(impossible, 50)).toBe("undecided");
  expect(verdict(impossible, 1_000_000)).toBe("violation");
});

test("a long history with few calls side by side takes few steps", () => {
  const calls: Call[] = [];
  for (let round = 0; round < 300; round++) {
    const start = 10 * round;
    calls.push(
      put(start, start + 5, round + 1),
      put(start + 1, start + 4, 1000 + round),
      read(start + 6, start + 7, round + 1),
    );
  }
  expect(verdict(calls, 5000)).toBe("linearizable");
});

test("the verdict is that of trying every order", () => {
  const random = seededRandom(1);
  const counts = { linearizable: 0, violation: 0 };
  for (let round = 0; round < 3000; round++) {
    const calls = randomCalls(random);
    const expected = someOrderFits(calls) ? "linearizable" : "violation";
    counts[expected]++;
    const found = verdict(calls);
    if (found !== expected) throw new Error(`${found} instead of ${expected}: ${JSON.stringify(calls)}`);
  }
  expect(counts.linearizable).toBeGreaterThan(500);
  expect(counts.violation).toBeGreaterThan(500);
});

/** Up to six calls on three values, side by side as chance will have it. */
function randomCalls(random: Random): readonly Call[] {
  const count = random.integer(2, 6);
  const moments = Array.from({ length: 2 * count }, (_, moment) => ({ moment, order: random.next() }))
    .sort((a, b) => a.order - b.order)
    .map(({ moment }) => moment);
  return Array.from({ length: count }, (_, position) => {
    const [a = 0, b = 0] = moments.slice(2 * position, 2 * position + 2);
    const call = Math.min(a, b);
    const returned = Math.max(a, b);
    const value = random.integer(0, 2);
    const next = random.integer(0, 2);
    switch (random.integer(0, 4)) {
      case 0:
        return read(call, returned, value);
      case 1:
        return put(call, returned, next);
      case 2:
        return write(call, returned, { next, ifValue: value });
      case 3:
        return write(call, returned, { next, ifValue: value, outcome: "failed" });
      default:
        return unknown(call, next, random.next() < 0.5 ? value : null);
    }
  });
}

/** Whether some order of the calls keeps to real time and to what the calls report; tries them all. */
function someOrderFits(calls: readonly Call[], state = keyModel.initial): boolean {
  if (calls.every(({ returned }) => returned === Infinity)) return true;
  return calls.some((first) => {
    if (calls.some((other) => other.returned < first.call)) return false;
    const after = keyModel.step(state, first.input);
    return (
      after !== null &&
      someOrderFits(
        calls.filter((other) => other !== first),
        after,
      )
    );
  });
}
