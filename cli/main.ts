/** The life of one command line: parse, run, and end the process with the exit status that product users rely on. */
import { commands } from "./commands/index.ts";
import { version } from "./commands/version.ts";
import { createContext, resolveGlobals } from "./context.ts";
import type { Context, Environment, GlobalInput } from "./context.ts";
import { errorReport } from "./error_report.ts";
import { helpCommand, parseCommandLine } from "./framework.ts";
import type { Invocation } from "./framework.ts";
import { helpPage } from "./help.ts";
import { err, out } from "./output.ts";
import { exitOfSignal } from "./stop_signals.ts";
import { unreachable } from "../src/lib/assert.ts";
import { ProaError } from "../src/lib/errors.ts";
import type { Runtime } from "../src/runtime/runtime.ts";

/** Runs the command line of this process and ends it; never returns. */
export async function main(runtime: Runtime): Promise<never> {
  for (const name of proxyVariables) Reflect.deleteProperty(process.env, name);
  const argv = process.argv.slice(2);
  const env = process.env;
  const json = wantsJson(argv, env);
  const fail = (error: unknown): never => {
    const report = errorReport(error, json);
    err(report.text);
    process.exit(report.exit);
  };
  endWhereNobodyElseDoes(fail);
  try {
    await runInvocation(parseCommandLine(argv, commands), { runtime, env, startedAt: performance.now(), json });
  } catch (error) {
    fail(error);
  }
  process.exit(0);
}

/** What signals and stray errors mean for a command that does not listen to them itself. */
function endWhereNobodyElseDoes(fail: (error: unknown) => never): void {
  const events = {
    SIGINT: () => process.exit(exitOfSignal.SIGINT),
    SIGTERM: () => process.exit(exitOfSignal.SIGTERM),
    uncaughtException: fail,
    unhandledRejection: fail,
  };
  for (const [event, end] of Object.entries(events)) {
    process.on(event, (value: unknown) => {
      if (process.listenerCount(event) === 1) end(value);
    });
  }
}

/** Nodes are asked directly: behind a proxy for the web nobody could tell an unsent request from a lost one. */
const proxyVariables = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

interface Surroundings {
  readonly runtime: Runtime;
  readonly env: Environment;
  readonly startedAt: number;
  /** Whether stderr is read by a program. */
  readonly json: boolean;
}

async function runInvocation(invocation: Invocation, around: Surroundings): Promise<void> {
  const contextOf = (globals: GlobalInput): Context =>
    createContext({ ...around, globals: resolveGlobals(globals, around.env) });
  switch (invocation.kind) {
    case "run":
      return invocation.command.run(invocation.input, contextOf(invocation.globals));
    case "version":
      return version.run({ args: {}, options: {} }, contextOf(invocation.globals));
    case "help":
      out(knownPage(invocation.path));
      return;
    case "missingVerb":
      if (!around.json) err(`${knownPage(invocation.path)}\n`);
      throw missingVerb(invocation.path);
    default:
      return unreachable(invocation);
  }
}

function knownPage(path: readonly string[]): string {
  const page = helpPage(path, commands);
  if (page !== null) return page;
  parseCommandLine(path, commands); // says which word is unknown, and what is like it
  throw new ProaError("USAGE", `Cannot explain proa ${path.join(" ")}: there is no such command`, {
    hint: "see proa help",
  });
}

function missingVerb(path: readonly string[]): ProaError {
  const missing = path.length === 0 ? "command" : "verb";
  return new ProaError("USAGE", `Cannot run ${["proa", ...path].join(" ")}: a ${missing} is missing`, {
    hint: `see ${helpCommand(path)}`,
  });
}

/** Whether errors are to be JSON: asked of the raw words, because the command line itself may be what is wrong. */
function wantsJson(argv: readonly string[], env: Environment): boolean {
  const words = argv.slice(0, argv.includes("--") ? argv.indexOf("--") : undefined).join(" ");
  if (/(^| )--json( |$)/.test(words)) return true;
  const format = / (?:-o|--output)[ =]?(table|jsonl?)(?: |$)/.exec(` ${words}`)?.[1] ?? env["PROA_OUTPUT"];
  return format === "json" || format === "jsonl";
}
