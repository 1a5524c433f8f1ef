/** Writes docs/cli.md from the table of commands: `bun scripts/generate_cli_docs.ts`. A test compares the two. */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "../cli/command.ts";
import { commands } from "../cli/commands/index.ts";
import { environmentTwin, globalOptions } from "../cli/context.ts";
import { argumentRows, globalRows, groupSummaries, optionRows, usageLine } from "../cli/help.ts";
import type { Row } from "../cli/help.ts";

/** Where the manual belongs. */
export const manualPath = join(dirname(dirname(fileURLToPath(import.meta.url))), "docs", "cli.md");

/** The whole manual, as Markdown. */
export function cliManual(): string {
  const groups = [...new Set(commands.map(({ path }) => path[0] ?? ""))];
  return `${[introduction, globals(), exitCodes, output, ...groups.map(groupSection)].join("\n\n")}\n`;
}

const introduction = `# The command line

<!-- Made by scripts/generate_cli_docs.ts from the table of commands. -->

\`proa help\`, \`proa help kv\` and \`proa help kv put\` (or \`proa kv put --help\`) show what is written here.`;

function globals(): string {
  const twins = Object.keys(globalOptions).flatMap((name) => {
    const variable = environmentTwin(name);
    return variable === null ? [] : [`\`${variable}\``];
  });
  return `## Global options

They stand before or after the command.

${optionTable(globalRows())}

${twins.join(", ")} stand for the flags of the same name; \`PROA_QUIET\` and \`PROA_VERBOSE\` are \`1\` or \`0\`. A flag wins over the environment, and
the environment over the default. \`NO_COLOR\` is respected. \`.env\` files are never read, and proxies for the web are never used.

Durations are written \`150ms\`, \`2s\`, \`1.5s\`, \`5m\`, \`1h\`.`;
}

const exitCodes = `## Exit status

| status | meaning | what a script does |
|---|---|---|
| 0 | done, or the condition is true; also when the reader closed the pipe | goes on |
| 1 | internal error | reports a bug |
| 2 | usage or configuration is invalid | fixes the call |
| 3 | not applied: unreachable, no leader, no quorum, refused, overloaded, too large | retries safely |
| 4 | outcome unknown: sent, and no answer came | looks before it repeats |
| 5 | key or object not found | normal branch |
| 6 | precondition failed (\`--if-absent\`, \`--if-rev\`); JSON has the current revision, 0 where the key does not exist | normal branch |
| 7 | a check says no (\`cluster status --check\`) | alerts |
| 8 | not authorised | fixes credentials |
| 9 | local resource: port busy, data directory locked or foreign, disk full, corrupt log | calls the operator |
| 124 | \`wait\` ran out of time | |
| 130, 143 | ended by SIGINT, SIGTERM | |`;

const output = `## Output

Data goes to stdout, everything else to stderr. \`--output json\` prints one JSON document on one line, \`--output jsonl\` a line for each
element of a list; names of fields never change their meaning. Bytes are a string where they are valid UTF-8, else base64 in a field with
\`_b64\` behind its name.

An error is a line \`proa: error: …\`, with what was tried in parentheses where endpoints were asked, and a line \`hint: …\` that says what to
do next. In JSON it is one object on stderr:

    {"error":{"code":"NO_LEADER","exit":3,"message":"…","hint":"…","applied":"no","tried":["127.0.0.1:5001: connection refused"]}}

\`applied\` says whether the command took effect: \`no\`, \`unknown\` or \`yes\`.

Reads are asked of one endpoint after another until \`--timeout\`. Writes go to a node that says it is ready, and are repeated only where a node
says that nothing was applied. When the connections to all endpoints are refused, there is nobody to wait for, and a command fails at once;
\`proa wait\` waits.`;

function groupSection(group: string): string {
  const members = commands.filter(({ path }) => path[0] === group);
  const heading = `## proa ${group}`;
  if (members.length === 1 && members[0]?.path.length === 1) return verbSection(members[0], heading);
  const summary = groupSummaries[group];
  const parts = members.map((command) => verbSection(command, `### proa ${command.path.join(" ")}`));
  return [heading, ...(summary === undefined ? [] : [`${summary}.`]), ...parts].join("\n\n");
}

function verbSection(command: Command, heading: string): string {
  const { summary, description, examples, options } = command;
  const args = argumentRows(command);
  const rows = optionRows(options);
  return [
    heading,
    `${summary}.${description === undefined ? "" : ` ${description}`}`,
    `    ${usageLine(command)}`,
    ...(args.length === 0 ? [] : [table("argument", args)]),
    ...(rows.length === 0 ? [] : [optionTable(rows)]),
    "Examples:",
    examples.map(({ command: line, does }) => `    # ${does}\n    ${line}`).join("\n"),
  ].join("\n\n");
}

function optionTable(rows: readonly Row[]): string {
  return table(
    "option",
    rows.map(([term, meaning]): Row => [term.trim(), meaning]),
  );
}

function table(title: string, rows: readonly Row[]): string {
  const lines = rows.map(([term, meaning]) => `| \`${term}\` | ${meaning.replaceAll("|", "\\|")} |`);
  return [`| ${title} | meaning |`, "|---|---|", ...lines].join("\n");
}

if (import.meta.main) writeFileSync(manualPath, cliManual());
