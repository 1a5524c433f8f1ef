/** The line form of transactions on the command line. */
import { expect, test } from "bun:test";
import { txnOfLines } from "../../cli/commands/kv_txn.ts";

function refusal(text: string): string {
  try {
    txnOfLines(text);
    return "accepted";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

test("lines become comparisons and operations", () => {
  const lines = [
    "# moves a to b",
    "",
    "if value a = one two",
    "if mod_revision a < 7",
    "if exists b",
    "if\tmissing\tkey with blanks",
    "then put b one two",
    "then\tput\tkey with blanks\t\\x00\\t",
    "then put-lease 7 c a b",
    "if lease c = 0",
    "then del a",
    "else get a",
    "else range b/",
    "else del-prefix c/",
  ].join("\n");
  expect(txnOfLines(lines)).toEqual({
    compare: [
      { key: "a", target: "value", is: "=", value: "one two" },
      { key: "a", target: "mod_revision", is: "<", number: 7 },
      { key: "b", exists: true },
      { key: "key with blanks", exists: false },
      { key: "c", target: "lease", is: "=", number: 0 },
    ],
    then: [
      { op: "put", key: "b", value: "one two" },
      { op: "put", key: "key with blanks", value: "\u0000\t" },
      { op: "put", lease: 7, key: "c", value: "a b" },
      { op: "del", key: "a" },
    ],
    else: [
      { op: "get", key: "a" },
      { op: "range", prefix: "b/" },
      { op: "del", prefix: "c/" },
    ],
  });
});

test("a line that says nothing is named", () => {
  expect(refusal("then put a 1\nput a 1")).toContain('line 2: it begins with "put"');
  expect(refusal("if version a = x")).toContain("line 1: version is compared with a whole number");
  expect(refusal("then put-lease x a b")).toContain("it is put-lease ID KEY VALUE, and an id is a number");
  expect(refusal("then get a b")).toContain("an operation is");
  expect(refusal("then put a \\q")).toContain("a backslash in the value");
});
