/** What waits to leave: its order, and what becomes of it when more is posted than can leave. */
import { expect, test } from "bun:test";
import { Lane } from "../../src/transport/lane.ts";

/** A lane whose frames live for 100 ms, in datagrams of 100 bytes. */
function shortLived(onGone: (isGivenUp: boolean) => void): Lane {
  return new Lane({
    isOrdered: true,
    lifeMs: 100,
    bodyBytesMax: 100,
    openBytesMax: 1_000_000,
    frameKeepingBytes: 0,
    onGone: (_bytes, isGivenUp) => {
      onGone(isGivenUp);
    },
  });
}

test("where more is posted than can leave, frames still arrive whole", () => {
  let arrived = 0;
  let givenUp = 0;
  const lane = shortLived((isGivenUp) => {
    if (isGivenUp) givenUp++;
    else arrived++;
  });
  const frame = new Uint8Array(1800);
  const pieces = lanePieces(frame);
  for (let now = 0; now < 5000; now++) {
    if (now % 15 === 0) lane.post(frame, now);
    const piece = lane.peek(now); // one leaves in each millisecond, and is acknowledged at once
    if (piece === null) continue;
    lane.shift(piece);
    lane.onArrived(piece, now);
  }
  expect(pieces).toBeGreaterThan(15);
  expect(givenUp > 0).toBe(true);
  expect(arrived).toBeGreaterThan(4000 / pieces);
});

test("a frame whose pieces arrive is not given up, however long it takes", () => {
  const ends: boolean[] = [];
  const lane = shortLived((isGivenUp) => ends.push(isGivenUp));
  lane.post(new Uint8Array(1800), 0);
  for (let now = 0; ends.length === 0 && now < 5000; now += 90) {
    const piece = lane.peek(now);
    if (piece === null) break;
    lane.shift(piece);
    lane.onArrived(piece, now);
  }
  expect(ends).toEqual([false]);
});

test("a frame of which no further piece arrives is given up", () => {
  const ends: boolean[] = [];
  const lane = shortLived((isGivenUp) => ends.push(isGivenUp));
  lane.post(new Uint8Array(1800), 0);
  for (const now of [0, 60]) {
    const piece = lane.peek(now);
    if (piece === null) throw new Error("it has more pieces");
    lane.shift(piece);
    lane.onArrived(piece, now);
  }
  expect(lane.peek(159)).not.toBe(null);
  expect(lane.peek(160)).toBe(null);
  expect(ends).toEqual([true]);
});

test("what was lost is given up with all else", () => {
  const ends: boolean[] = [];
  const lane = shortLived((isGivenUp) => ends.push(isGivenUp));
  const piece = lane.express(new Uint8Array(20), 0);
  lane.sendAgain(piece);
  lane.clear();
  expect(ends).toEqual([true]);
});

/** How many datagrams a frame takes here. */
function lanePieces(frame: Uint8Array): number {
  let count = 0;
  const lane = shortLived(() => undefined);
  lane.post(frame, 0);
  for (let piece = lane.peek(0); piece !== null; piece = lane.peek(0)) {
    lane.shift(piece);
    count++;
  }
  return count;
}
