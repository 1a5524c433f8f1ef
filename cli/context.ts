/** What every command is given beside its own input: the global flags as they hold now, and the machine it runs on. */
import type { OutputMode } from "./output.ts";
import type { Runtime } from "../src/runtime/runtime.ts";
import { flag, InvalidValueError, option } from "./command.ts";
import type { Input, OptionSpec } from "./command.ts";
import { Output, stdoutIsTerminal, wantsColor } from "./output.ts";
import { choice, duration, endpoint, list, switchText } from "./parsers.ts";
import { ProaError } from "../src/lib/errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Context {
  readonly runtime: Runtime;
  readonly env: Environment;
  readonly globals: Globals;
  readonly output: Output;
  /** When the whole command must be over, on the clock of `performance.now()`: `--timeout`, else 5 s, after the start. */
  readonly deadline: number;
}

/** The global flags after flag > environment > default. */
export interface Globals {
  /** `host:port` each; null when nobody named any. */
  readonly endpoints: readonly string[] | null;
  readonly output: OutputMode;
  /** Null when nobody said: then {@link timeoutMsDefault}, unless the command has a default of its own. */
  readonly timeoutMs: number | null;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly color: "auto" | "always" | "never";
}

/** How long a command may take unless said otherwise. */
export const timeoutMsDefault = 5000;

/** The global flags. All but `--json`, `--version` and `--help` have a twin in the environment. */
export const globalOptions = {
  endpoints: option("list", list(",", endpoint), "service ports to talk to, as host:port,…", {
    short: "e",
    defaultText: "a running demo, else 127.0.0.1:5001,:5002,:5003",
  }),
  output: option("format", choice("table", "json", "jsonl"), "table, json or jsonl", {
    short: "o",
    defaultText: "table",
  }),
  json: flag("the same as --output json"),
  timeout: option("duration", duration, "how long the whole command may take, such as 150ms, 2s, 5m", {
    defaultText: "5s",
  }),
  quiet: flag("leave out confirmations and notes", "q"),
  verbose: flag("tell on stderr which endpoint is asked and what it says", "v"),
  color: option("when", choice("auto", "always", "never"), "auto, always or never", { defaultText: "auto" }),
  version: flag("print the version and leave", "V"),
} as const;

export type GlobalInput = Input<Record<never, never>, typeof globalOptions>["options"];

/** The name of the environment variable that stands for a global flag. */
export function environmentTwin(name: string): string | null {
  return ["json", "version"].includes(name) ? null : `PROA_${name.toUpperCase()}`;
}

/** Decides what holds. Throws USAGE for a wrong value in the environment, or for flags that contradict each other. */
export function resolveGlobals(input: GlobalInput, env: Environment): Globals {
  if (input.json && input.output !== undefined && input.output !== "json") {
    throw new ProaError("USAGE", `Cannot print in two formats: --json and --output ${input.output}`, {
      hint: "leave one of them out",
    });
  }
  return {
    endpoints: input.endpoints ?? fromEnvironment(globalOptions.endpoints, "endpoints", env) ?? null,
    output: input.json ? "json" : (input.output ?? fromEnvironment(globalOptions.output, "output", env) ?? "table"),
    timeoutMs: input.timeout ?? fromEnvironment(globalOptions.timeout, "timeout", env) ?? null,
    quiet: input.quiet || switchOf("quiet", env),
    verbose: input.verbose || switchOf("verbose", env),
    color: input.color ?? fromEnvironment(globalOptions.color, "color", env) ?? "auto",
  };
}

/** The context of a command that starts at `startedAt` on the clock of `performance.now()`. */
export function createContext(options: {
  readonly runtime: Runtime;
  readonly env: Environment;
  readonly globals: Globals;
  readonly startedAt: number;
}): Context {
  const { runtime, env, globals, startedAt } = options;
  const color = globals.output === "table" && wantsColor(globals.color, env, stdoutIsTerminal);
  const output = new Output({ mode: globals.output, quiet: globals.quiet, verbose: globals.verbose, color });
  return { runtime, env, globals, output, deadline: startedAt + (globals.timeoutMs ?? timeoutMsDefault) };
}

function fromEnvironment<T>(spec: OptionSpec<T>, name: string, env: Environment): T | undefined {
  const variable = environmentTwin(name);
  const value = variable === null ? undefined : env[variable];
  if (variable === null || value === undefined || value === "") return undefined;
  return readVariable(variable, value, (text) => spec.read([text]));
}

function switchOf(name: string, env: Environment): boolean {
  const variable = `PROA_${name.toUpperCase()}`;
  return readVariable(variable, env[variable] ?? "", switchText);
}

/** Reads what a variable of the environment says. Throws USAGE that names it. */
export function readVariable<T>(variable: string, value: string, read: (text: string) => T): T {
  try {
    return read(value);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw new ProaError("USAGE", `Cannot use ${variable}=${value}: ${error.message}`, {
      hint: `correct it, or run: unset ${variable}`,
    });
  }
}
