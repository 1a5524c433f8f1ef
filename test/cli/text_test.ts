/** What people read: tables, escaped bytes, help pages, errors. */
import { describe, expect, test } from "bun:test";
import { commands } from "../../cli/commands/index.ts";
import { errorReport } from "../../cli/error_report.ts";
import { escapeBytes, unescapeText } from "../../cli/escape.ts";
import { helpPage } from "../../cli/help.ts";
import { typedBound, typedKey } from "../../cli/key_encoding.ts";
import { displayWidth, table } from "../../cli/table.ts";
import { typedValue } from "../../cli/typed_value.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { jsonError } from "./proa.ts";

const utf8 = new TextEncoder();

test("a table aligns its columns and ends its lines with text", () => {
  const columns = [{ title: "ID" }, { title: "COUNT", align: "right" }, { title: "STATE" }] as const;
  expect(
    table(columns, [
      ["1", "7", "\u001b[31mgone\u001b[0m"],
      ["22", "123456", ""],
    ]),
  ).toBe("ID   COUNT  STATE\n1        7  \u001b[31mgone\u001b[0m\n22  123456\n");
  expect(table(columns, [])).toBe("ID  COUNT  STATE\n");
  expect(displayWidth("\u001b[1m–\u001b[0m")).toBe(1);
});

describe("bytes on a line", () => {
  for (const [name, bytes, line] of [
    ["text as it is", utf8.encode("grüße/日本 x"), "grüße/日本 x"],
    ["control characters", utf8.encode("a\n\t\u001b[31m\0"), "a\\x0a\\x09\\x1b[31m\\x00"],
    [
      "what reorders or hides text",
      utf8.encode("a\u202eb\u200b\u2028"),
      "a\\xe2\\x80\\xaeb\\xe2\\x80\\x8b\\xe2\\x80\\xa8",
    ],
    ["a backslash", utf8.encode("\\x00"), "\\\\x00"],
    ["bytes that are no text", Uint8Array.of(0x61, 0xff, 0x5c, 0x0a), "a\\xff\\\\\\x0a"],
    ["nothing", new Uint8Array(), ""],
  ] as const) {
    test(name, () => {
      expect(escapeBytes(bytes)).toBe(line);
      expect(unescapeText(line)).toEqual(new Uint8Array(bytes));
    });
  }
});

test("what is no escape is not guessed", () => {
  expect(unescapeText(String.raw`a\tb\n\r`)).toEqual(utf8.encode("a\tb\n\r"));
  for (const text of ["\\", String.raw`\q`, String.raw`\x1`, String.raw`\xgg`]) expect(unescapeText(text)).toBeNull();
});

describe("help", () => {
  test("lists what there is", () => {
    const page = helpPage([], commands) ?? "";
    for (const word of ["kv", "leader", "cluster", "wait", "node", "demo", "version", "--endpoints", "--help"])
      expect(page).toContain(`${word} `);
  });

  test("lists the verbs of a group", () => {
    const page = helpPage(["kv"], commands) ?? "";
    for (const verb of ["put", "get", "del", "ls"]) expect(page).toContain(`\n  ${verb} `);
  });

  test("shows a verb with arguments, options and examples", () => {
    const page = helpPage(["kv", "put"], commands) ?? "";
    for (const part of [
      "proa kv put <key> <value> [options]",
      "  key ",
      "--if-absent ",
      "--if-rev <revision>",
      "proa kv put greeting hello",
    ]) {
      expect(page).toContain(part);
    }
  });

  test("exists for every command and fits a terminal", () => {
    for (const { path } of commands) {
      const page = helpPage(path, commands) ?? "";
      expect(page.startsWith("proa")).toBe(false);
      for (const line of page.split("\n").filter((text) => !text.startsWith("  proa "))) {
        expect([line, line.length <= 100]).toEqual([line, true]);
      }
    }
  });

  test("does not exist for what does not exist", () => {
    expect(helpPage(["kv", "gte"], commands)).toBe(null);
    expect(helpPage(["kv", "get", "x"], commands)).toBe(null);
  });
});

describe("an error", () => {
  const error = new ProaError("NO_LEADER", "Cannot put a: no leader", {
    hint: "wait:\n  proa wait leader",
    tried: ["h:1: no leader", "h:2: refused"],
  });

  test("is a line with what was tried, and a hint", () => {
    expect(errorReport(error, false)).toEqual({
      text: "proa: error: Cannot put a: no leader (h:1: no leader; h:2: refused)\nhint: wait:; proa wait leader\n",
      exit: 3,
    });
    expect(errorReport(new ProaError("USAGE", "Cannot"), false)).toEqual({ text: "proa: error: Cannot\n", exit: 2 });
  });

  test("is one object in JSON", () => {
    const { text, exit } = errorReport(error, true);
    expect(exit).toBe(3);
    expect(text.endsWith("\n")).toBe(true);
    expect(JSON.parse(text)).toEqual({
      error: {
        code: "NO_LEADER",
        exit: 3,
        message: "Cannot put a: no leader",
        hint: "wait:\n  proa wait leader",
        applied: "no",
        tried: ["h:1: no leader", "h:2: refused"],
      },
    });
  });

  test("that nobody expected is a bug, told with its stack", () => {
    const { text, exit } = errorReport(new RangeError("odd"), false);
    expect(exit).toBe(1);
    expect(text).toContain("proa: error: Cannot go on: odd\nhint: this is a bug");
    expect(text).toContain("text_test.ts");
    expect(jsonError(errorReport("thrown text", true).text)["code"]).toBe("INTERNAL");
  });
});

test("an argument that is not UTF-8 is refused, because the runtime has already lost its bytes", () => {
  for (const typed of [
    () => typedValue("\uFFFD"),
    () => typedKey({ text: "a\uFFFD", encoding: "text", verb: "put" }),
    () => typedBound({ text: "\uFFFD", encoding: "text", verb: "list" }),
  ])
    expect(typed).toThrow("not valid UTF-8");
  expect(typedKey({ text: "%FF", encoding: "percent", verb: "put" })).toEqual(Uint8Array.of(0xff));
  expect(typedValue("é")).toEqual(Uint8Array.of(0xc3, 0xa9));
});
