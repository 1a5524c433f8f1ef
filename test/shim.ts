/**
 * The part of `bun:test` that our tests use, on node:test and node:assert, so that Deno runs the same files (deno.json
 * maps the name to this file). Hooks are left out: node:test on Deno has none.
 */
import assert from "node:assert/strict";
import { test as nodeTest } from "node:test";
import { inspect } from "node:util";

type Body = () => void | Promise<void>;
type Declare = (name: string, body: Body, timeoutMs?: number) => void;

/** The names of the groups around what is being declared. */
const groups: string[] = [];

/** A group is only a prefix of names, so that the runner counts tests and nothing else. */
export function describe(name: string, body: () => void): void {
  groups.push(name);
  body();
  groups.pop();
}

function declare(skip: boolean): Declare {
  return (name, body, timeoutMs) => {
    const options = timeoutMs === undefined ? { skip } : { skip, timeout: timeoutMs };
    void nodeTest([...groups, name].join(" > "), options, () => body());
  };
}

export const test = Object.assign(declare(false), {
  skip: declare(true),
  skipIf: (condition: boolean): Declare => declare(condition),
});

/** What a function or promise must throw: any error, one whose message contains or matches, or one of a class. */
type Thrown = string | RegExp | Error | (new (...args: never[]) => unknown);

interface Matchers {
  toBe(expected: unknown): void;
  toEqual(expected: unknown): void;
  toStrictEqual(expected: unknown): void;
  toThrow(expected?: Thrown): void;
  toBeGreaterThan(bound: number): void;
  toBeGreaterThanOrEqual(bound: number): void;
  toBeLessThan(bound: number): void;
  toBeLessThanOrEqual(bound: number): void;
  toContain(element: unknown): void;
  toMatch(expected: string | RegExp): void;
  toMatchObject(expected: object): void;
  toHaveLength(length: number): void;
  toBeInstanceOf(type: new (...args: never[]) => unknown): void;
  toBeNull(): void;
  toBeUndefined(): void;
  toBeDefined(): void;
  toBeTruthy(): void;
  toBeFalsy(): void;
}

interface Expectation extends Matchers {
  readonly not: Matchers;
  readonly rejects: { toThrow(expected?: Thrown): Promise<void> };
}

export function expect(actual: unknown, message?: string): Expectation {
  return {
    ...matchers(actual, true, message),
    not: matchers(actual, false, message),
    rejects: {
      async toThrow(expected) {
        const outcome = await settled(actual);
        check(throwsAs(outcome, expected), true, message ?? `${show(actual)} rejects with ${show(expected)}`);
      },
    },
  };
}

function matchers(actual: unknown, positive: boolean, message: string | undefined): Matchers {
  const verify = (holds: boolean, relation: string, expected?: unknown): void => {
    const claim = `expected ${show(actual)} ${positive ? "" : "not "}${relation} ${show(expected)}`;
    check(holds, positive, message === undefined ? claim : `${message}: ${claim}`);
  };
  return {
    toBe: (expected) => verify(Object.is(actual, expected), "to be", expected),
    toEqual: (expected) => compare(comparable(actual), comparable(expected), positive),
    toStrictEqual: (expected) => compare(actual, expected, positive),
    toThrow: (expected) => verify(throwsAs(called(actual), expected), "to throw", expected),
    toBeGreaterThan: (bound) => verify(numberOf(actual) > bound, ">", bound),
    toBeGreaterThanOrEqual: (bound) => verify(numberOf(actual) >= bound, ">=", bound),
    toBeLessThan: (bound) => verify(numberOf(actual) < bound, "<", bound),
    toBeLessThanOrEqual: (bound) => verify(numberOf(actual) <= bound, "<=", bound),
    toContain: (element) => verify(contains(actual, element), "to contain", element),
    toMatch: (expected) => verify(typeof actual === "string" && matches(actual, expected), "to match", expected),
    toMatchObject: (expected) => verify(matchesPart(actual, expected), "to match", expected),
    toHaveLength: (length) => verify(lengthOf(actual) === length, "to have length", length),
    toBeInstanceOf: (type) => verify(actual instanceof type, "to be an instance of", type.name),
    toBeNull: () => verify(actual === null, "to be", null),
    toBeUndefined: () => verify(actual === undefined, "to be", undefined),
    toBeDefined: () => verify(actual !== undefined, "to be defined"),
    toBeTruthy: () => verify(Boolean(actual), "to be truthy"),
    toBeFalsy: () => verify(!actual, "to be falsy"),
  };
}

/** Whether `actual` has everything that `expected` has, and perhaps more. */
function matchesPart(actual: unknown, expected: unknown): boolean {
  if (typeof expected !== "object" || expected === null) return Object.is(actual, expected);
  if (typeof actual !== "object" || actual === null) return false;
  return Object.entries(expected).every(([name, value]) => matchesPart(Reflect.get(actual, name), value));
}

function check(holds: boolean, positive: boolean, claim: string): void {
  if (holds !== positive) assert.fail(claim);
}

/** Fails with a message that shows where the two differ. */
function compare(actual: unknown, expected: unknown, positive: boolean): void {
  if (positive) assert.deepStrictEqual(actual, expected);
  else assert.notDeepStrictEqual(actual, expected);
}

/** The value as `toEqual` sees it: classes, buffer types and properties that are undefined make no difference. */
function comparable(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value;
  if (value instanceof Date || value instanceof RegExp) return value;
  if (value instanceof Error) return { message: value.message };
  if (Array.isArray(value)) return value.map(comparable);
  if (value instanceof Set) return new Set([...value].map(comparable));
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [comparable(key), comparable(item)]));
  const defined = Object.entries(value).filter(([, property]) => property !== undefined);
  return Object.fromEntries(defined.map(([name, property]) => [name, comparable(property)]));
}

/** Null when nothing was thrown, else what was. */
type Outcome = { readonly error: unknown } | null;

function called(actual: unknown): Outcome {
  assert(isFunction(actual), "toThrow needs a function");
  try {
    actual();
    return null;
  } catch (error) {
    return { error };
  }
}

async function settled(actual: unknown): Promise<Outcome> {
  try {
    await (isFunction(actual) ? actual() : actual);
    return null;
  } catch (error) {
    return { error };
  }
}

function isFunction(value: unknown): value is () => unknown {
  return typeof value === "function";
}

function throwsAs(outcome: Outcome, expected: Thrown | undefined): boolean {
  if (outcome === null) return false;
  if (expected === undefined) return true;
  if (typeof expected === "function") return outcome.error instanceof expected;
  const message = outcome.error instanceof Error ? outcome.error.message : String(outcome.error);
  return expected instanceof Error ? message === expected.message : matches(message, expected);
}

function matches(text: string, expected: string | RegExp): boolean {
  return typeof expected === "string" ? text.includes(expected) : expected.test(text);
}

function contains(actual: unknown, element: unknown): boolean {
  if (typeof actual === "string") return typeof element === "string" && actual.includes(element);
  assert(typeof actual === "object" && actual !== null && Symbol.iterator in actual, "toContain needs an iterable");
  return Array.from(actual as Iterable<unknown>).includes(element);
}

function numberOf(actual: unknown): number {
  assert(typeof actual === "number", `${show(actual)} is not a number`);
  return actual;
}

function lengthOf(actual: unknown): unknown {
  if (typeof actual === "string") return actual.length;
  return typeof actual === "object" && actual !== null && "length" in actual ? actual.length : undefined;
}

function show(value: unknown): string {
  return inspect(value, { depth: 4 });
}
