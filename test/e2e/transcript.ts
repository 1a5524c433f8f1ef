/**
 * Shell sessions as text, run by `sh` line for line and compared with what they say.
 *
 *     # A comment; blank lines separate.
 *     $ proa kv put a 1 --if-absent     a command; lines that begin with > go on with it
 *     ok rev=2                          what it writes to stdout
 *     ! proa: error: …                  what it writes to stderr
 *     = 6                               its exit status, 0 unless said
 *
 * Empty lines do not count. A … stands for anything within a line, and a line that is nothing else for any number of lines. All commands run in one
 * shell, in an empty directory. `UPDATE=1` writes what came into the file, where it is not as it says.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Finished, run } from "../helpers/run.ts";

export interface Step {
  /** Its first line in the file, from 1. */
  readonly line: number;
  readonly command: string;
  /** The lines that say what comes of it. */
  readonly expected: readonly string[];
}

/** The steps of a transcript, in order. */
export function stepsOf(text: string): readonly Step[] {
  const steps: { line: number; command: string; expected: string[] }[] = [];
  text.split("\n").forEach((line, at) => {
    const step = steps.at(-1);
    if (line.startsWith("$ ")) steps.push({ line: at + 1, command: line.slice(2), expected: [] });
    else if (line.startsWith("> ") && step !== undefined && step.expected.length === 0)
      step.command += `\n${line.slice(2)}`;
    else if (line !== "" && !line.startsWith("#")) step?.expected.push(line);
  });
  return steps;
}

/** Runs a transcript in `directory`. Returns, for each step that went another way, what it says and what came. */
export async function deviations(
  path: string,
  { directory, env }: { readonly directory: string; readonly env: Readonly<Record<string, string | undefined>> },
): Promise<readonly string[]> {
  const steps = stepsOf(readFileSync(path, "utf8"));
  const [home, results] = [join(directory, "home"), join(directory, "results")];
  for (const made of [home, results]) mkdirSync(made);
  const script = steps.map(({ command }, at) => {
    const [out, err, status] = ["out", "err", "status"].map((what) => `"$RESULTS/${at}.${what}"`);
    return `{ ${command}\n} >${out} 2>${err}\necho $? >${status}\n`;
  });
  writeFileSync(join(directory, "script"), script.join(""));
  const shell = await run("sh", [join(directory, "script")], { cwd: home, env: { ...env, RESULTS: results } });
  const actual = steps.map((_, at) => linesOf(results, at, shell));
  const wrong = steps.filter((step, at) => !fits(step.expected, actual[at] ?? []));
  if (process.env["UPDATE"] === "1") update(path, steps, actual);
  return wrong.map((step) => {
    const came = actual[steps.indexOf(step)] ?? [];
    return `${path}:${step.line}: $ ${step.command}\n  says\n${indented(step.expected)}\n  came\n${indented(came)}`;
  });
}

function indented(lines: readonly string[]): string {
  return lines.map((line) => `    ${line}`).join("\n");
}

/** What came of a step, as it would stand in a transcript. */
function linesOf(results: string, at: number, shell: Finished): readonly string[] {
  const read = (what: string): readonly string[] => {
    const text = readFileSync(join(results, `${at}.${what}`), "utf8");
    return text.split("\n").filter((line) => line !== "");
  };
  try {
    const [status = ""] = read("status");
    return [...read("out"), ...read("err").map((line) => `! ${line}`), ...(status === "0" ? [] : [`= ${status}`])];
  } catch {
    return [`! the shell has ended (${shell.status}): ${shell.stderr}`];
  }
}

function fits(expected: readonly string[], actual: readonly string[]): boolean {
  const pattern = expected.map((line) => {
    if (line === "…") return "(?:[^\\n]*\\n)*?";
    return `${line.split("…").map(escaped).join("[^\\n]*")}\\n`;
  });
  return new RegExp(`^${pattern.join("")}$`).test(actual.map((line) => `${line}\n`).join(""));
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/** Rewrites the steps that went another way. */
function update(path: string, steps: readonly Step[], actual: readonly (readonly string[])[]): void {
  const lines: (string | readonly string[])[] = readFileSync(path, "utf8").split("\n");
  steps.forEach((step, at) => {
    const came = actual[at] ?? [];
    if (fits(step.expected, came)) return;
    const first = step.line - 1 + step.command.split("\n").length;
    for (let offset = 0; offset < step.expected.length; offset++) lines[first + offset] = [];
    lines[first - 1] = [lines[first - 1] ?? "", ...came].flat();
  });
  writeFileSync(path, lines.flat().join("\n"));
}
