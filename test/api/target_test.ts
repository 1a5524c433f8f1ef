/** Request targets: paths and queries as they came, and every way in which a query can be wrong. */
import { expect, test } from "bun:test";
import {
  bytesParameter,
  choiceParameter,
  integerParameter,
  isFoldable,
  parseQuery,
  parseTarget,
} from "../../src/api/target.ts";

test("a target is taken from the URL as it stands", () => {
  expect(parseTarget("http://h:1/v1/kv/a//b/../c%2F?x=1?&y=/")).toEqual({
    path: "/v1/kv/a//b/../c%2F",
    query: "x=1?&y=/",
  });
  expect(parseTarget("http://[::1]:5001/")).toEqual({ path: "/", query: "" });
  expect(parseTarget("http://h")).toEqual({ path: "/", query: "" });
  expect(() => parseTarget("http://h/v1/kv/a#b")).toThrow("Cannot read the request target: it has a #");
});

test("a query has known names, each once", () => {
  expect([...parseQuery("a=1&&b=&c", ["a", "b", "c"])]).toEqual([
    ["a", "1"],
    ["b", ""],
    ["c", ""],
  ]);
  expect(() => parseQuery("a=1&a=1", ["a"])).toThrow("the query parameter a is given twice");
  expect(() => parseQuery("__proto__=1", ["a"])).toThrow('unknown query parameter "__proto__"');
});

test("an unknown name is answered with the nearest, or with all", () => {
  const hintFor = (query: string, known: readonly string[]): unknown => {
    try {
      parseQuery(query, known);
    } catch (error) {
      return error instanceof Error && "hint" in error ? error.hint : undefined;
    }
    return "accepted";
  };
  expect(hintFor("consistancy=stale", ["limit", "consistency"])).toBe("did you mean consistency?");
  expect(hintFor("wait=1", ["limit", "consistency"])).toBe("this request takes limit, consistency");
  expect(hintFor("wait=1", [])).toBe("this request takes none");
  expect(hintFor(`${"x".repeat(100_000)}=1`, ["limit"])).toBe("this request takes limit");
});

test("parameters are bytes, choices and integers", () => {
  const query = parseQuery("k=a%FF+%2B%00é&c=stale&n=12", ["k", "c", "n", "none"]);
  expect(bytesParameter(query, "k")).toEqual(Uint8Array.of(0x61, 0xff, 0x20, 0x2b, 0, 0xc3, 0xa9));
  expect(bytesParameter(query, "none")).toBeNull();
  expect(choiceParameter(query, "c", ["linearizable", "stale"])).toBe("stale");
  expect(() => choiceParameter(query, "n", ["a", "b"])).toThrow('the query parameter n is "12", not a or b');
  expect(integerParameter(query, "n", 12)).toBe(12);
  expect(() => integerParameter(query, "n", 11)).toThrow("not an integer from 1 to 11");
  for (const text of ["0", "-1", "1e3", "0x1", " 1", "1.0", "99999999999999999999"]) {
    expect(() => integerParameter(new Map([["n", text]]), "n", 1000)).toThrow("not an integer");
  }
});

test("paths that URL libraries fold are recognised", () => {
  for (const path of [".", "..", "a/../b", "a/.", "%2e", "a/%2E./b", "%2e%2E", "a\\b"])
    expect(isFoldable(path)).toBe(true);
  for (const path of ["", "a", "...", ".a", "a.", "a//b", "a%2F..%2Fb", "%2F"]) expect(isFoldable(path)).toBe(false);
});
