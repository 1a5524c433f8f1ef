/** Which global flags hold: flag, environment, default. */
import { expect, test } from "bun:test";
import { resolveGlobals } from "../../cli/context.ts";
import type { GlobalInput, Globals } from "../../cli/context.ts";
import { wantsColor } from "../../cli/output.ts";
import { ProaError } from "../../src/lib/errors.ts";

const noFlags: GlobalInput = {
  endpoints: undefined,
  output: undefined,
  json: false,
  timeout: undefined,
  quiet: false,
  verbose: false,
  color: undefined,
  version: false,
};

const defaults: Globals = {
  endpoints: null,
  output: "table",
  timeoutMs: null,
  quiet: false,
  verbose: false,
  color: "auto",
};

const environment = {
  PROA_ENDPOINTS: "a:1,b:2",
  PROA_OUTPUT: "jsonl",
  PROA_TIMEOUT: "2s",
  PROA_QUIET: "1",
  PROA_VERBOSE: "yes",
  PROA_COLOR: "never",
};

test("without flags and environment the defaults hold", () => {
  expect(resolveGlobals(noFlags, {})).toEqual(defaults);
  const empty = Object.fromEntries(Object.keys(environment).map((name) => [name, ""]));
  expect(resolveGlobals(noFlags, empty)).toEqual(defaults);
});

test("the environment holds where no flag is given", () => {
  expect(resolveGlobals(noFlags, environment)).toEqual({
    endpoints: ["a:1", "b:2"],
    output: "jsonl",
    timeoutMs: 2000,
    quiet: true,
    verbose: true,
    color: "never",
  });
});

test("a flag wins over the environment", () => {
  const flags: GlobalInput = {
    ...noFlags,
    endpoints: ["c:3"],
    output: "table",
    timeout: 7,
    quiet: true,
    color: "always",
  };
  expect(resolveGlobals(flags, { ...environment, PROA_QUIET: "0", PROA_VERBOSE: "0" })).toEqual({
    endpoints: ["c:3"],
    output: "table",
    timeoutMs: 7,
    quiet: true,
    verbose: false,
    color: "always",
  });
  expect(resolveGlobals({ ...noFlags, json: true }, environment).output).toBe("json");
});

test("what is wrong in the environment is named", () => {
  for (const [name, value] of [
    ["PROA_TIMEOUT", "soon"],
    ["PROA_OUTPUT", "xml"],
    ["PROA_ENDPOINTS", "a"],
    ["PROA_QUIET", "maybe"],
    ["PROA_COLOR", "red"],
  ] as const) {
    expect(() => resolveGlobals(noFlags, { [name]: value })).toThrow(`Cannot use ${name}=${value}: expected`);
  }
});

test("--json and another format contradict each other", () => {
  expect(resolveGlobals({ ...noFlags, json: true, output: "json" }, {}).output).toBe("json");
  expect(() => resolveGlobals({ ...noFlags, json: true, output: "table" }, {})).toThrow(ProaError);
});

test("colours are for terminals, unless somebody says otherwise", () => {
  const [yes, no] = [() => true, () => false];
  expect([wantsColor("auto", {}, yes), wantsColor("auto", {}, no)]).toEqual([true, false]);
  expect([wantsColor("always", { NO_COLOR: "1" }, no), wantsColor("never", {}, yes)]).toEqual([true, false]);
  expect([wantsColor("auto", { NO_COLOR: "1" }, yes), wantsColor("auto", { TERM: "dumb" }, yes)]).toEqual([
    false,
    false,
  ]);
  expect(wantsColor("auto", { NO_COLOR: "" }, yes)).toBe(true);
});
