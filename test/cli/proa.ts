/** Runs the command line from its source, on the runtime that runs the tests. */
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { run } from "../helpers/run.ts";
import type { Finished } from "../helpers/run.ts";
import { isRecord } from "../../src/client/json.ts";
import { runFile } from "../helpers/runtime.ts";

const entry = "bun" in process.versions ? "bun.ts" : "deno.ts";

/** The program and its first arguments. */
export const proaCommand: readonly [string, ...string[]] = [
  ...runFile,
  join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "cli", entry),
];

/** What runs without a demo and without settings of whoever runs the tests. */
export const cleanEnvironment: Readonly<Record<string, string | undefined>> = {
  PATH: process.env["PATH"],
  DENO_DIR: process.env["DENO_DIR"],
  XDG_STATE_HOME: "/nonexistent",
};

/** The end of `proa` with `args`. */
export function proa(
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly stdin?: string } = {},
): Promise<Finished> {
  const [program, ...before] = proaCommand;
  return run(program, [...before, ...args], { ...options, env: { ...cleanEnvironment, ...options.env } });
}

/** The object that `text` is in JSON. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(text);
  if (isRecord(value)) return value;
  throw new Error(`not an object: ${text}`);
}

/** The error that `stderr` holds, with `--json`. */
export function jsonError(stderr: string): Readonly<Record<string, unknown>> {
  const { error } = jsonObject(stderr);
  if (isRecord(error)) return error;
  throw new Error(`not an error: ${stderr}`);
}
