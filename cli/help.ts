/** Help pages, made of the table of commands: everything, a group, or one verb. Text only; who prints it decides where. */
import type { Command, OptionSpecs } from "./command.ts";
import { kebabCase } from "./command.ts";
import { globalOptions } from "./context.ts";
import { optionFlags } from "./framework.ts";

/** What the first words of commands stand for, in the order in which they are listed. A word that is a verb itself is not here. */
export const groupSummaries: Readonly<Record<string, string>> = {
  kv: "Read and write keys",
  leader: "Show the leader, or hand leadership over",
  cluster: "Look at the whole cluster",
  wait: "Wait until something is true",
  node: "Run a node of a cluster",
  snapshot: "Save the whole store, and make a new cluster of it",
  config: "The settings of a node as a file",
  demo: "Run a cluster of three nodes on this machine",
};

/** The help page of `path`; null when no command begins with it. */
export function helpPage(path: readonly string[], table: readonly Command[]): string | null {
  const below = table.filter((command) => path.every((word, at) => command.path[at] === word));
  const verb = below.find((command) => command.path.length === path.length);
  const others = below.filter((command) => command !== verb);
  if (below.length === 0) return null;
  if (path.length === 0) return rootPage(table);
  return verb === undefined ? groupPage(path, others) : verbPage(verb, others);
}

/** `proa kv put <key> <value> [options]`. */
export function usageLine(command: Command): string {
  const args = Object.entries(command.args).map(([name, { arity }]) => {
    const title = kebabCase(name);
    return arity === "required" ? `<${title}>` : arity === "optional" ? `[${title}]` : `[${title}...]`;
  });
  const options = Object.keys(command.options).length > 0 ? ["[options]"] : [];
  return ["proa", ...command.path, ...args, ...options].join(" ");
}

function rootPage(table: readonly Command[]): string {
  const groups = Object.entries(groupSummaries).filter(([group]) => table.some(({ path }) => path[0] === group));
  const alone = table.filter(({ path }) => path.length === 1 && !(path[0] !== undefined && path[0] in groupSummaries));
  return sections(
    "proa: a replicated key-value store on Raft, and the tools around it",
    section("Usage", [["proa <command> [arguments] [options]", ""]]),
    section("Commands", [...groups, ...alone.map(({ path, summary }): Row => [path.join(" "), summary])]),
    section("Global options", globalRows()),
    "Global options stand before or after the command. Help for a command: proa help <command>",
  );
}

function groupPage(path: readonly string[], commands: readonly Command[]): string {
  return sections(
    groupSummaries[path[0] ?? ""] ?? "",
    section("Usage", [[`proa ${path.join(" ")} <verb> [arguments] [options]`, ""]]),
    section("Verbs", verbRows(commands)),
    `Help for a verb: proa help ${path.join(" ")} <verb>. Global options: proa help`,
  );
}

function verbPage(command: Command, below: readonly Command[]): string {
  return sections(
    wrap(command.summary, 0),
    command.description === undefined ? "" : wrap(command.description, 0),
    section("Usage", [[usageLine(command), ""]]),
    section("Arguments", argumentRows(command)),
    section("Options", optionRows(command.options)),
    section("Verbs", verbRows(below)),
    section(
      "Examples",
      command.examples.map((example) => [example.command, example.does]),
    ),
    "Global options: proa help",
  );
}

/** A term and what it means, as one line of a help page. */
export type Row = readonly [term: string, meaning: string];

function verbRows(commands: readonly Command[]): readonly Row[] {
  return commands.map(({ path, summary }) => [path.slice(1).join(" "), summary]);
}

/** One row for each option. */
export function optionRows(specs: OptionSpecs): readonly Row[] {
  return Object.entries(specs).map(([name, spec]) => {
    const indent = spec.short === null ? "    " : "";
    const standard = spec.defaultText === null ? "" : ` (default: ${spec.defaultText})`;
    return [indent + optionFlags(name, spec), spec.description + standard];
  });
}

/** The global options, with `--help`, which the parser treats on its own. */
export function globalRows(): readonly Row[] {
  return [...optionRows(globalOptions), ["-h, --help", "show help for what stands before it, and leave"]];
}

/** One row for each argument. */
export function argumentRows(command: Command): readonly Row[] {
  return Object.entries(command.args).map(([name, { description }]) => [kebabCase(name), description]);
}

const columnsMax = 100;
/** A term longer than this does not push the column of meanings to the right: its meaning goes on the next line. */
const termColumnsMax = 36;

function section(title: string, rows: readonly Row[]): string {
  if (rows.length === 0) return "";
  const width = Math.max(0, ...rows.map(([term]) => term.length).filter((length) => length <= termColumnsMax));
  const lines = rows.map(([term, meaning]) => {
    if (meaning === "") return `  ${term}`;
    if (term.length > width) return `  ${term}\n      ${wrap(meaning, 6)}`;
    return `  ${term.padEnd(width)}  ${wrap(meaning, width + 4)}`;
  });
  return [`${title}:`, ...lines].join("\n");
}

/** `text` in lines of at most {@link columnsMax} columns, all but the first indented by `indent`. */
function wrap(text: string, indent: number): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && indent + line.length + 1 + word.length <= columnsMax)
      lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join(`\n${" ".repeat(indent)}`);
}

function sections(...parts: readonly string[]): string {
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}
