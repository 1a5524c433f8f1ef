import { describe, expect, test } from "bun:test";
import { Scratch } from "../../src/lib/scratch.ts";

const source = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);

describe("a scratch", () => {
  for (const [what, length] of [
    ["nothing", 0],
    ["a few bytes", 5],
    ["as many as are copied", 1024],
    ["more than are copied", 1025],
  ] as const) {
    test(`shows ${what} as an array of just that length`, () => {
      const scratch = new Scratch();
      expect(scratch.bytes(source, 30, 30 + length)).toEqual(source.slice(30, 30 + length));
    });
  }

  test("shows the same array again for the same length, and leaves the source alone", () => {
    const scratch = new Scratch();
    const before = source.slice();
    const first = scratch.bytes(source, 0, 100);
    scratch.bytes(source, 500, 700);
    expect(scratch.bytes(source, 200, 300)).toBe(first);
    expect(first).toEqual(source.slice(200, 300));
    expect(source).toEqual(before);
  });
});
