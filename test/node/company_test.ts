import { describe, expect, test } from "bun:test";
import { Batcher } from "../../src/node/batcher.ts";
import { Company } from "../../src/node/company.ts";
import { defaultLimits } from "../../src/node/options.ts";

const limits = { ...defaultLimits, uncommittedProposalsMax: 3, batchBytesMin: 100, writeCompanyMs: 5 };

/** One request. */
function batcherWith(bytes: number): Batcher {
  const batcher = new Batcher(1000);
  if (bytes > 0) arrive(batcher, bytes);
  return batcher;
}

function arrive(batcher: Batcher, bytes = 10): void {
  batcher.add({ commands: new Uint8Array(bytes), count: 1 }, { count: 1, done: () => undefined });
}

/** Proposes all that waits. */
function propose(company: Company, batcher: Batcher): void {
  company.onProposed(batcher.takeAll().length);
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

describe("after a commit few commands wait", () => {
  /** Two requests are under way, and `waiting` more have come when they are committed, at 10. */
  function afterCommit(waiting: number): { readonly company: Company; readonly batcher: Batcher } {
    const company = new Company(limits);
    const batcher = batcherWith(10);
    arrive(batcher);
    expect(company.waits(9, { batcher, underway: 0 })).toBe(false);
    propose(company, batcher);
    expect(company.waits(9, { batcher, underway: 1 })).toBe(false);
    for (let i = 0; i < waiting; i++) arrive(batcher);
    expect(company.waits(10, { batcher, underway: 0 })).toBe(waiting > 0);
    return { company, batcher };
  }

  for (const waiting of [0, 1, 3]) {
    test(`until those whom it answered have asked again, beside ${waiting} that came meanwhile`, () => {
      const { company, batcher } = afterCommit(waiting);
      arrive(batcher);
      expect(company.waits(11, { batcher, underway: 0 })).toBe(true);
      expect(company.deadline).toBe(15);
      arrive(batcher);
      expect(company.waits(12, { batcher, underway: 0 })).toBe(false);
      expect(company.deadline).toBe(Infinity);
    });
  }

  test("not for ever, if they do not ask again", () => {
    const { company, batcher } = afterCommit(1);
    expect(company.waits(14.9, { batcher, underway: 0 })).toBe(true);
    expect(company.waits(15, { batcher, underway: 0 })).toBe(false);
    propose(company, batcher);
    arrive(batcher);
    expect(company.waits(30, { batcher, underway: 0 })).toBe(false); // nothing was seen to be under way in between
  });

  test("one after the other not at all: who is alone waits for nobody", () => {
    const company = new Company(limits);
    const batcher = batcherWith(0);
    for (const now of [1, 2, 3, 30]) {
      arrive(batcher);
      expect(company.waits(now, { batcher, underway: 0 })).toBe(false);
      propose(company, batcher);
      expect(company.waits(now, { batcher, underway: 1 })).toBe(false);
      expect(company.waits(now + 0.5, { batcher, underway: 0 })).toBe(false);
    }
  });
});
