/** Values as they are typed, and what is refused. */
import { describe, expect, test } from "bun:test";
import { choice, duration, endpoint, integer, list, switchText, text } from "../../cli/parsers.ts";

describe("a duration", () => {
  for (const [typed, millis] of [
    ["1ms", 1],
    ["150ms", 150],
    ["2s", 2000],
    ["1.5s", 1500],
    ["5m", 300_000],
    ["24h", 86_400_000],
  ] as const) {
    test(`${typed} is ${millis} ms`, () => {
      expect(duration(typed)).toBe(millis);
    });
  }

  for (const typed of ["", "5", "5x", "-1s", "0s", "0.5ms", "1 s", "s", "25h", "1e3s", ".5s", "１s"]) {
    test(`"${typed}" is none`, () => {
      expect(() => duration(typed)).toThrow("expected a duration");
    });
  }
});

test("an integer has a range", () => {
  const parse = integer(1, 9);
  expect([parse("1"), parse("9"), parse("07")]).toEqual([1, 9, 7]);
  for (const typed of ["0", "10", "-1", "1.0", "1e0", "", "x", " 1"])
    expect(() => parse(typed)).toThrow("expected an integer from 1 to 9");
  expect(() => integer(1)("0")).toThrow("expected an integer of at least 1");
  expect(() => integer(1)("99999999999999999")).toThrow("expected an integer of at least 1");
  expect(() => integer(1)("9007199254740993")).toThrow("expected an integer of at least 1");
});

test("a choice is one of its words", () => {
  expect(choice("json", "table")("json")).toBe("json");
  expect(() => choice("json", "table")("JSON")).toThrow("expected one of json, table");
});

test("a list has no empty elements", () => {
  expect(list(",", text)("a, b,c")).toEqual(["a", "b", "c"]);
  for (const typed of ["", "a,", ",a", "a,,b"]) expect(() => list(",", text)(typed)).toThrow('separated by ","');
  expect(() => list(",", integer(1))("1,x")).toThrow("expected an integer");
});

test("a switch in the environment is on or off", () => {
  expect(["1", "true", "YES", "0", "false", "no", ""].map(switchText)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
  expect(() => switchText("on")).toThrow("expected 1 or 0");
});

test("an endpoint is a host and a port", () => {
  for (const typed of ["127.0.0.1:5001", "localhost:1", "node-1.example_net:65535", "[::1]:5001"])
    expect(endpoint(typed)).toBe(typed);
  for (const typed of [
    "",
    "5001",
    ":5001",
    "host",
    "host:",
    "host:0",
    "host:65536",
    "::1:5001",
    "http://host:5001",
    "host:5001/x",
    "a b:1",
    "u@host:1",
  ]) {
    expect(() => endpoint(typed)).toThrow("expected host:port");
  }
});
