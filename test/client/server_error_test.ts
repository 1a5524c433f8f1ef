/** Errors and reports of nodes, read from bytes that may be anything. */
import { expect, test } from "bun:test";
import { parseNodeReport } from "../../src/client/node_status.ts";
import { parseServerError } from "../../src/client/server_error.ts";
import { report } from "../cli/reports.ts";

function bytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

test("an error is passed on as it is", () => {
  const error = {
    code: "PRECONDITION_FAILED",
    exit: 6,
    message: "Cannot put: it exists",
    hint: "get it",
    applied: "no",
    tried: ["a"],
    revision: 4,
  };
  const parsed = parseServerError(bytes({ error }), 412);
  expect(parsed?.toJSON()).toEqual({ error });
});

test("a code that only a newer node knows keeps its meaning for scripts", () => {
  const codes = [503, 504, 403, 418, 500].map(
    (status) => parseServerError(bytes({ error: { code: "NEW", message: "m" } }), status)?.code,
  );
  expect(codes).toEqual(["NO_LEADER", "OUTCOME_UNKNOWN", "UNAUTHORIZED", "INVALID_REQUEST", "INTERNAL"]);
  expect(parseServerError(bytes({ error: { code: "toString", message: "m" } }), 503)?.code).toBe("NO_LEADER");
});

test("what is no error is none", () => {
  for (const value of [null, 7, [], {}, { error: "x" }, { error: { code: "NO_LEADER" } }]) {
    expect(parseServerError(bytes(value), 503)).toBe(null);
  }
  expect(parseServerError(Uint8Array.of(0xff), 503)).toBe(null);
});

test("a report needs every field that is looked at", () => {
  const whole = report({ id: 1, role: "leader", term: 3, leader: 1 });
  expect(parseNodeReport(bytes(whole))).toEqual(whole);
  for (const name of Object.keys(whole)) {
    const { [name]: removed, ...rest } = whole as unknown as Record<string, unknown>;
    expect([name, removed === undefined, parseNodeReport(bytes(rest))]).toEqual([name, false, null]);
  }
  expect(parseNodeReport(bytes({ ...whole, peers: [{ id: 2 }] }))).toBe(null);
  expect(parseNodeReport(bytes({ ...whole, term: "3" }))).toBe(null);
});
