import { describe, expect, test } from "bun:test";
import { Batcher } from "../../src/node/batcher.ts";
import { Company } from "../../src/node/company.ts";
import { defaultLimits } from "../../src/node/options.ts";

const limits = { ...defaultLimits, uncommittedProposalsMax: 3, batchBytesMin: 100, writeCompanyMs: 5 };

function batcherWith(bytes: number): Batcher {
  const batcher = new Batcher(1000);
  if (bytes > 0) batcher.add({ commands: new Uint8Array(bytes), count: 1 }, { count: 1, done: () => undefined });
  return batcher;
}

describe("few commands", () => {
  test("wait for nobody while no proposal is under way", () => {
    const company = new Company(limits);
    expect(company.waits(1, { batcher: batcherWith(10), underway: 0 })).toBe(false);
    expect(company.deadline).toBe(Infinity);
  });

  test("wait from when they came until they have waited long enough", () => {
    const company = new Company(limits);
    const batcher = batcherWith(10);
    expect(company.waits(1, { batcher, underway: 1 })).toBe(true);
    expect(company.deadline).toBe(6);
    expect(company.waits(5.9, { batcher, underway: 2 })).toBe(true);
    expect(company.deadline).toBe(6);
    expect(company.waits(6, { batcher, underway: 1 })).toBe(false);
    expect(company.deadline).toBe(Infinity);
    expect(company.waits(7, { batcher: batcherWith(10), underway: 1 })).toBe(true);
    expect(company.deadline).toBe(12);
  });

  test("wait for a commit alone while many proposals are under way, and it wakes nobody in vain", () => {
    const company = new Company(limits);
    const batcher = batcherWith(10);
    expect(company.waits(0, { batcher, underway: 2 })).toBe(true);
    expect(company.waits(1, { batcher, underway: 3 })).toBe(true);
    expect(company.deadline).toBe(Infinity);
    expect(company.waits(100, { batcher, underway: 3 })).toBe(true);
    expect(company.deadline).toBe(Infinity);
    expect(company.waits(101, { batcher, underway: 2 })).toBe(false);
  });
});

test("enough commands wait for nobody, and where there are none nobody waits", () => {
  const company = new Company(limits);
  for (const bytes of [0, 100]) {
    expect(company.waits(1, { batcher: batcherWith(bytes), underway: 5 })).toBe(false);
    expect(company.deadline).toBe(Infinity);
  }
});
