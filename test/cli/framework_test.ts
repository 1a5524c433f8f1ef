/** How command lines are taken apart, on a table of our own and on the real one. */
import { describe, expect, test } from "bun:test";
import { command, flag, option, optional, optionOr, optionWithBare, required, rest } from "../../cli/command.ts";
import type { Command } from "../../cli/command.ts";
import { commands } from "../../cli/commands/index.ts";
import { parseCommandLine } from "../../cli/framework.ts";
import { duration, integer, text } from "../../cli/parsers.ts";
import { splitWords } from "../../cli/words.ts";
import { ProaError } from "../../src/lib/errors.ts";

const nothing = (): Promise<void> => Promise.resolve();

const table: readonly Command[] = [
  command({
    path: ["box", "put"],
    summary: "Put",
    args: { key: required(text, ""), value: optional(text, ""), more: rest(integer(0), "") },
    options: {
      ifRev: option("revision", integer(1), ""),
      force: flag("", "f"),
      level: optionOr("level", integer(1), "3", ""),
      watch: optionWithBare("interval", duration, "1s", ""),
    },
    examples: [],
    run: nothing,
  }),
  command({ path: ["box", "get"], summary: "Get", args: {}, options: {}, examples: [], run: nothing }),
  command({ path: ["lab"], summary: "Lab", args: {}, options: {}, examples: [], run: nothing }),
  command({ path: ["lab", "up"], summary: "Up", args: {}, options: {}, examples: [], run: nothing }),
];

/** The command, arguments and options that a line means. */
function meaning(...argv: readonly string[]): unknown {
  const invocation = parseCommandLine(argv, table);
  if (invocation.kind !== "run") return invocation.kind === "version" ? "version" : [invocation.kind, invocation.path];
  const { args, options } = invocation.input;
  return { path: invocation.command.path.join(" "), args, options };
}

function globalsOf(...argv: readonly string[]): Record<string, unknown> {
  const invocation = parseCommandLine(argv, table);
  if (invocation.kind !== "run") throw new Error(invocation.kind);
  return { ...invocation.globals };
}

function mistake(...argv: readonly string[]): readonly [message: string, hint: string | undefined] {
  try {
    parseCommandLine(argv, table);
  } catch (error) {
    if (error instanceof ProaError && error.code === "USAGE" && error.exit === 2) return [error.message, error.hint];
    throw error;
  }
  throw new Error("it was accepted");
}

const defaults = { ifRev: undefined, force: false, level: 3, watch: undefined };

describe("a command line", () => {
  test("gives arguments and options their types", () => {
    expect(meaning("box", "put", "k", "v", "1", "2", "--if-rev", "7", "-f", "--level=5", "--watch", "2s")).toEqual({
      path: "box put",
      args: { key: "k", value: "v", more: [1, 2] },
      options: { ifRev: 7, force: true, level: 5, watch: 2000 },
    });
  });

  test("leaves out what may be left out", () => {
    expect(meaning("box", "put", "k")).toEqual({
      path: "box put",
      args: { key: "k", value: undefined, more: [] },
      options: defaults,
    });
    expect(meaning("box", "put", "k", "--watch")).toEqual({
      path: "box put",
      args: { key: "k", value: undefined, more: [] },
      options: { ...defaults, watch: 1000 },
    });
  });

  test("takes the last of an option that is given twice", () => {
    expect(meaning("box", "put", "k", "--level", "4", "--level", "5")).toEqual({
      path: "box put",
      args: { key: "k", value: undefined, more: [] },
      options: { ...defaults, level: 5 },
    });
  });

  test("ends its options at --, wherever they stand", () => {
    for (const argv of [
      ["box", "put", "--", "-k", "--force"],
      ["--json", "box", "put", "--", "-k", "--force"],
      ["box", "put", "--level", "3", "--", "-k", "--force"],
      ["box", "--quiet", "put", "--", "-k", "--force"],
    ]) {
      expect(meaning(...argv)).toEqual({
        path: "box put",
        args: { key: "-k", value: "--force", more: [] },
        options: defaults,
      });
    }
  });

  test("may have negative numbers and a lone dash as values", () => {
    expect(meaning("box", "put", "k", "-5")).toEqual({
      path: "box put",
      args: { key: "k", value: "-5", more: [] },
      options: defaults,
    });
    expect(meaning("box", "put", "k", "-")).toEqual({
      path: "box put",
      args: { key: "k", value: "-", more: [] },
      options: defaults,
    });
  });

  test("has its global flags before, between or behind its words", () => {
    for (const argv of [
      ["--timeout", "2s", "-e", "h:1,h:2", "-q", "box", "get"],
      ["box", "--timeout=2s", "-qe", "h:1,h:2", "get"],
      ["box", "get", "--timeout", "2s", "--endpoints", "h:1,h:2", "--quiet"],
    ]) {
      expect(globalsOf(...argv)).toEqual({
        endpoints: ["h:1", "h:2"],
        timeout: 2000,
        quiet: true,
        verbose: false,
        json: false,
        output: undefined,
        color: undefined,
        version: false,
      });
    }
  });

  test("asks for help or the version", () => {
    expect(meaning("--help")).toEqual(["help", []]);
    expect(meaning("help")).toEqual(["help", []]);
    expect(meaning("box", "-h")).toEqual(["help", ["box"]]);
    expect(meaning("box", "put", "--help")).toEqual(["help", ["box", "put"]]);
    expect(meaning("box", "put", "k", "-h")).toEqual(["help", ["box", "put"]]);
    expect(meaning("help", "box", "put")).toEqual(["help", ["box", "put"]]);
    expect(meaning("-V")).toBe("version");
    expect(meaning("box", "--version")).toBe("version");
  });

  test("may lack a verb", () => {
    expect(meaning()).toEqual(["missingVerb", []]);
    expect(meaning("box")).toEqual(["missingVerb", ["box"]]);
    expect(meaning("box", "--json")).toEqual(["missingVerb", ["box"]]);
    expect(meaning("lab")).toEqual({ path: "lab", args: {}, options: {} });
    expect(meaning("lab", "up")).toEqual({ path: "lab up", args: {}, options: {} });
  });
});

describe("a mistake", () => {
  const cases: readonly (readonly [argv: readonly string[], reason: string, hint: string])[] = [
    [["bix", "put"], "unknown command 'bix'", "did you mean box? See proa help"],
    [["box", "pt"], "unknown command 'pt'", "did you mean put? See proa help box"],
    [["box", "xyzzy"], "unknown command 'xyzzy'", "see proa help box"],
    [["lab", "upp"], "unknown command 'upp'", "see proa help lab"],
    [["box", "put", "k", "--froce"], "unknown option '--froce'", "did you mean --force? See proa help box put"],
    [["box", "get", "--jsn"], "unknown option '--jsn'", "did you mean --json? See proa help box get"],
    [["box", "put", "k", "-x"], "unknown option '-x'", "see proa help box put"],
    [["box", "put"], "missing required argument 'key'", "see proa help box put"],
    [["box", "get", "k"], "unexpected argument 'k'", "see proa help box get"],
    [["box", "put", "k", "--if-rev"], "option '--if-rev <revision>' argument missing", "see proa help box put"],
  ];
  for (const [argv, reason, hint] of cases) {
    test(argv.join(" "), () => {
      expect(mistake(...argv)).toEqual([`Cannot read the command line: ${reason}`, hint]);
    });
  }

  test("in a value names the option or argument", () => {
    expect(mistake("box", "put", "k", "--if-rev", "x")).toEqual([
      'Cannot use --if-rev "x": expected an integer of at least 1',
      "see proa help box put",
    ]);
    expect(mistake("box", "put", "k", "v", "x")[0]).toBe('Cannot use <more> "x": expected an integer of at least 0');
    expect(mistake("box", "get", "--timeout", "5")).toEqual([
      'Cannot use --timeout "5": expected a duration such as 150ms, 2s or 5m',
      "see proa help",
    ]);
  });
});

describe("the table of commands", () => {
  test("names every command once, and no option twice", () => {
    const paths = commands.map(({ path }) => path.join(" "));
    expect(new Set(paths).size).toBe(paths.length);
    for (const { path, options } of commands) {
      const shorts = Object.values(options).flatMap(({ short }) => short ?? []);
      expect([path, new Set(shorts).size]).toEqual([path, shorts.length]);
    }
  });

  for (const { path, examples, summary, description } of commands) {
    test(`explains ${path.join(" ")} with examples that parse`, () => {
      expect(examples.length).toBeGreaterThan(0);
      expect(summary.endsWith(".")).toBe(false);
      if (description !== undefined) expect(description.endsWith(".")).toBe(true);
      const lines = examples.flatMap(({ command: line }) => commandsIn(line));
      expect(lines.some((words) => path.every((word, at) => words[at] === word))).toBe(true);
      for (const words of lines) expect([words, parseCommandLine(words, commands).kind]).toEqual([words, "run"]);
    });
  }
});

/** What an example gives to `proa`, each time that it calls it. */
function commandsIn(line: string): readonly (readonly string[])[] {
  return line
    .split(/&&|\|\||\||;(?![0-9])|\n/)
    .map((part) => splitWords(part.trim().replace(/ >>? .*$/, "")))
    .filter(([program]) => program === "proa")
    .map((words) => words.slice(1));
}
