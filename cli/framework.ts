/**
 * Reads a command line with commander, by the table of commands. The only file that knows commander: it takes options
 * and arguments apart as texts; what they mean, and every word that a user reads, comes from the table and from help.ts.
 */
import { Argument, Command as Parser, Option } from "@commander-js/extra-typings";
import type { CommanderError, CommandUnknownOpts } from "@commander-js/extra-typings";
import { InvalidValueError, kebabCase } from "./command.ts";
import type { ArgumentSpecs, Command, Input, OptionSpec, OptionSpecs } from "./command.ts";
import { globalOptions } from "./context.ts";
import type { GlobalInput } from "./context.ts";
import { assert } from "../src/lib/assert.ts";
import { ProaError } from "../src/lib/errors.ts";

/** What a command line asks for. */
export type Invocation =
  | {
      readonly kind: "run";
      readonly command: Command;
      readonly input: Input<ArgumentSpecs, OptionSpecs>;
      readonly globals: GlobalInput;
    }
  /** Help for `path`: a verb, a group, or everything where it is empty. May name nothing that exists. */
  | { readonly kind: "help"; readonly path: readonly string[] }
  | { readonly kind: "version"; readonly globals: GlobalInput }
  /** A group was named, and no verb of it. */
  | { readonly kind: "missingVerb"; readonly path: readonly string[] };

/** Takes `argv` (without the program itself) apart. Throws USAGE, with a suggestion where something similar exists. */
export function parseCommandLine(argv: readonly string[], table: readonly Command[]): Invocation {
  const decisions: (() => Invocation)[] = [];
  const group = table.filter(({ path }) => path[0] === argv[0]);
  const root = buildParser(group.length > 0 ? group : table, (decision) => decisions.push(decision)); // a small tree is made faster
  try {
    root.parse(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    decisions.push(() => invocationOfStop(error));
  }
  const [decision] = decisions;
  if (root.getOptionValue("version") !== undefined) return { kind: "version", globals: readGlobals(root) };
  assert(decision !== undefined, "commander runs an action or says why not");
  return decision();
}

/** The parser of the whole table; it calls `decide` with what a command line turns out to ask for. */
function buildParser(table: readonly Command[], decide: (decision: () => Invocation) => void): CommandUnknownOpts {
  const root = newParser([]);
  addOptions(root, globalOptions);
  for (const command of table) {
    const parser = newParser(command.path);
    addArguments(parser, command.args);
    addOptions(parser, command.options);
    const group = groupOf(root, command.path);
    parser.action(() => {
      if (group !== root) takeOver(group, parser, command.path);
      decide(() => ({ kind: "run", command, input: readInput(command, parser), globals: readGlobals(root) }));
    });
    group.addCommand(parser);
  }
  const help = newParser(["help"]).argument("[words...]");
  help.action(() => {
    decide(() => ({ kind: "help", path: help.args }));
  });
  root.addCommand(help);
  return root;
}

/** Commander wants to leave: for help, or because the command line is wrong. */
class Stopped extends Error {
  readonly path: readonly string[];
  readonly parser: CommandUnknownOpts;
  readonly reason: CommanderError;

  constructor(at: { readonly path: readonly string[]; readonly parser: CommandUnknownOpts }, reason: CommanderError) {
    super(reason.message);
    this.path = at.path;
    this.parser = at.parser;
    this.reason = reason;
  }
}

/** A parser for the words of `path` that prints nothing and leaves only by throwing {@link Stopped}. */
function newParser(path: readonly string[]): CommandUnknownOpts {
  const parser: CommandUnknownOpts = new Parser(path.at(-1) ?? "proa");
  return parser
    .helpCommand(false)
    .configureHelp({ formatHelp: () => "" })
    .configureOutput(silence)
    .exitOverride((reason) => {
      throw new Stopped({ path, parser }, reason);
    });
}

/** Replaces every function of commander that writes, or that touches `process.stdout`, which is slow to load. */
const silence = {
  writeOut: () => undefined,
  writeErr: () => undefined,
  getOutHelpWidth: () => 80,
  getErrHelpWidth: () => 80,
  getOutHasColors: () => false,
  getErrHasColors: () => false,
};

/** The parser of the group that a verb belongs to, made when it is the first of its group. */
function groupOf(root: CommandUnknownOpts, path: readonly string[]): CommandUnknownOpts {
  const [group] = path;
  if (group === undefined || path.length === 1) return root;
  const known = root.commands.find((parser) => parser.name() === group);
  if (known !== undefined) return known;
  const parser = newParser([group]);
  root.addCommand(parser);
  return parser;
}

/**
 * A verb that others stand below, as `demo up` below `demo`, takes every option that it knows from anywhere on the line:
 * hands `verb` those that it has too, and refuses the others, so that none is ignored.
 */
function takeOver(group: CommandUnknownOpts, verb: CommandUnknownOpts, path: readonly string[]): void {
  for (const taken of group.options) {
    const name = taken.attributeName();
    const texts: unknown = group.getOptionValue(name);
    if (texts === undefined) continue;
    if (verb.options.some((own) => own.attributeName() === name)) {
      verb.setOptionValue(name, texts);
      continue;
    }
    throw new ProaError("USAGE", `Cannot read the command line: unknown option '${taken.long ?? taken.flags}'`, {
      hint: `see ${helpCommand(path)}`,
    });
  }
}

function addArguments(parser: CommandUnknownOpts, specs: ArgumentSpecs): void {
  for (const [name, { arity }] of Object.entries(specs)) {
    const title = kebabCase(name);
    parser.addArgument(
      new Argument(arity === "required" ? `<${title}>` : arity === "optional" ? `[${title}]` : `[${title}...]`),
    );
  }
}

/** Every option collects the texts it was given, in order; a flag collects an empty text each time. */
function addOptions(parser: CommandUnknownOpts, specs: OptionSpecs): void {
  for (const [name, spec] of Object.entries(specs)) {
    const collect = (text: string, before: readonly string[] | undefined): readonly string[] => [
      ...(before ?? []),
      text,
    ];
    parser.addOption(new Option(optionFlags(name, spec)).preset("").argParser(collect));
  }
}

/** `-q, --quiet` or `--if-rev <revision>`: how an option is written, for commander and in help. */
export function optionFlags(name: string, spec: OptionSpec<unknown>): string {
  const short = spec.short === null ? "" : `-${spec.short}, `;
  const value =
    spec.placeholder === null ? "" : spec.valueOptional ? ` [${spec.placeholder}]` : ` <${spec.placeholder}>`;
  return `${short}--${kebabCase(name)}${value}`;
}

function invocationOfStop({ path, parser, reason }: Stopped): Invocation {
  if (reason.code === "commander.helpDisplayed") return { kind: "help", path };
  if (reason.code === "commander.help") return { kind: "missingVerb", path };
  const [mistake = "", suggestion] = reason.message.replace(/^error: /, "").split("\n");
  const similar = /^\(Did you mean (.+)\?\)$/.exec(suggestion ?? "")?.[1];
  const told = reason.code === "commander.excessArguments" ? excessOf(parser) : mistake;
  throw new ProaError("USAGE", `Cannot read the command line: ${told}`, {
    hint: `${similar === undefined ? "see" : `did you mean ${similar}? See`} ${helpCommand(path)}`,
  });
}

/** More words than a command takes; the first is an unknown verb where the command has verbs. */
function excessOf(parser: CommandUnknownOpts): string {
  const { args, commands, registeredArguments } = parser;
  const excess = args[registeredArguments.length] ?? "";
  return commands.length > 0 ? `unknown command '${excess}'` : `unexpected argument '${excess}'`;
}

/** The command that explains `path`. */
export function helpCommand(path: readonly string[]): string {
  return ["proa help", ...path].join(" ");
}

function readInput(command: Command, parser: CommandUnknownOpts): Input<ArgumentSpecs, OptionSpecs> {
  const { path, options } = command;
  const args: Record<string, unknown> = {};
  Object.entries(command.args).forEach(([name, spec], at) => {
    const typed = parser.args.slice(at, spec.arity === "rest" ? undefined : at + 1);
    args[name] = readValue({ path, label: `<${kebabCase(name)}>`, typed }, (texts) => spec.read(texts));
  });
  return { args, options: readOptions({ path, specs: options }, parser) };
}

function readGlobals(root: CommandUnknownOpts): GlobalInput {
  return readOptions({ path: [], specs: globalOptions }, root);
}

function readOptions<O extends OptionSpecs>(
  { path, specs }: { readonly path: readonly string[]; readonly specs: O },
  parser: CommandUnknownOpts,
): Input<ArgumentSpecs, O>["options"] {
  const values = Object.entries(specs).map(([name, spec]) => {
    const collected: unknown = parser.getOptionValue(name);
    const typed = Array.isArray(collected) ? collected.map(String) : [];
    return [name, readValue({ path, label: `--${kebabCase(name)}`, typed }, (texts) => spec.read(texts))];
  });
  return Object.fromEntries(values) as Input<ArgumentSpecs, O>["options"]; // each value comes from the spec of its name
}

function readValue<T>(
  source: { readonly path: readonly string[]; readonly label: string; readonly typed: readonly string[] },
  read: (texts: readonly string[]) => T,
): T {
  try {
    return read(source.typed);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw new ProaError(
      "USAGE",
      `Cannot use ${source.label} ${JSON.stringify(source.typed.at(-1))}: ${error.message}`,
      {
        hint: `see ${helpCommand(source.path)}`,
      },
    );
  }
}
