/** Compares the fields that a test names, and lets the others be. */
import { expect } from "bun:test";

export function expectFields(actual: unknown, expected: Readonly<Record<string, unknown>>): void {
  const found = new Map<string, unknown>(typeof actual === "object" && actual !== null ? Object.entries(actual) : []);
  expect(Object.fromEntries(Object.keys(expected).map((name) => [name, found.get(name)]))).toEqual(expected);
}
