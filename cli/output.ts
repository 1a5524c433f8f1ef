/**
 * The only way to stdout and stderr. Writes are complete when they return, so that leaving right after never cuts a pipe;
 * `process.stdout` is not touched, because looking at it costs more than a whole `kv get`.
 */
import { fstatSync, statSync } from "node:fs";
import { errorCode, writeFully } from "./descriptors.ts";
import { ProaError } from "../src/lib/errors.ts";

export type OutputMode = "table" | "json" | "jsonl";

const utf8 = new TextEncoder();
const stdout = 1;
const stderr = 2;

/** Writes data to stdout, all of it. Ends the process with 0 when the reader has closed the pipe; throws LOCAL_RESOURCE. */
export function out(data: string | Uint8Array): void {
  if (!writeOut(bytesOf(data))) process.exit(0);
}

/** False when the reader has closed the pipe. */
function writeOut(bytes: Uint8Array): boolean {
  try {
    return writeFully(stdout, bytes);
  } catch (error) {
    const code = errorCode(error);
    if (code === null) throw error;
    const hint = "the command itself was done; see where its output goes";
    throw new ProaError("LOCAL_RESOURCE", `Cannot write the output: ${code}`, { hint, applied: "yes", cause: error });
  }
}

/** Writes text to stderr, all of it; a closed stderr is ignored, since there is nobody left to tell. */
export function err(text: string): void {
  writeFully(stderr, bytesOf(text));
}

/** Whether stdout is a terminal: a character device, and not the one that swallows everything. Asking `node:tty` loads half of the network code. */
export function stdoutIsTerminal(): boolean {
  const status = fstatSync(stdout);
  return status.isCharacterDevice() && status.rdev !== statSync("/dev/null", { throwIfNoEntry: false })?.rdev;
}

/** How the results of one command are to be shown. */
export class Output {
  readonly mode: OutputMode;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** Whether stdout takes colours. */
  readonly color: boolean;

  constructor(settings: Pick<Output, "mode" | "quiet" | "verbose" | "color">) {
    this.mode = settings.mode;
    this.quiet = settings.quiet;
    this.verbose = settings.verbose;
    this.color = settings.color;
  }

  /** Prints what was asked for: `value` as JSON, or `human` (which ends its own lines). */
  result(value: unknown, human: () => string): void {
    out(this.mode === "table" ? human() : jsonLine(value));
  }

  /** Prints that something was done; `--quiet` leaves the line for people out. */
  confirmation(value: unknown, human: string): void {
    if (this.mode === "table" && this.quiet) return;
    this.result(value, () => `${human}\n`);
  }

  /** Tells people, on stderr, what is going on; `--quiet` and JSON leave it out. */
  note(text: string): void {
    if (this.mode === "table" && !this.quiet) err(`${text}\n`);
  }

  /** Tells, on stderr, what only `--verbose` asks for. */
  trace(text: string): void {
    if (this.verbose) err(`proa: ${text}\n`);
  }

  /** `text` in the colour of a terminal, or as it is. */
  paint(style: Style, text: string): string {
    return this.color ? `\u001b[${codeOfStyle[style]}m${text}\u001b[0m` : text;
  }
}

const codeOfStyle = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33" } as const;

export type Style = keyof typeof codeOfStyle;

/** One JSON document on one line. Properties that are undefined are left out. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** Whether to use colours: as `--color` says, else on a terminal unless NO_COLOR is set or TERM is dumb. */
export function wantsColor(
  when: "auto" | "always" | "never",
  env: Readonly<Record<string, string | undefined>>,
  isTerminal: () => boolean,
): boolean {
  if (when !== "auto") return when === "always";
  if (env["NO_COLOR"] || env["TERM"] === "dumb") return false;
  return isTerminal();
}

function bytesOf(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? utf8.encode(data) : data;
}
