/** What is told about a failure, and the exit status that goes with it. Every failure of every command ends here. */
import { ProaError } from "../src/lib/errors.ts";
import { jsonLine } from "./output.ts";

export interface ErrorReport {
  /** For stderr. */
  readonly text: string;
  readonly exit: number;
}

/**
 * The report of anything that was thrown: for people one line with what went wrong and what was tried, and one with what
 * to do. What is not a `ProaError` is a bug: it is told with its stack.
 */
export function errorReport(thrown: unknown, json: boolean): ErrorReport {
  const error = thrown instanceof ProaError ? thrown : bugReport(thrown);
  if (json) return { text: jsonLine(error.toJSON()), exit: error.exit };
  const tried = error.tried.length === 0 ? "" : ` (${error.tried.map(oneLine).join("; ")})`;
  const hint = error.hint === undefined ? "" : `hint: ${oneLine(error.hint)}\n`;
  const stack = thrown === error ? "" : stackOf(thrown);
  return { text: `proa: error: ${oneLine(error.message)}${tried}\n${hint}${stack}`, exit: error.exit };
}

function bugReport(thrown: unknown): ProaError {
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return new ProaError("INTERNAL", `Cannot go on: ${reason}`, {
    hint: "this is a bug in proa; please report it with the output of proa version and what follows",
    applied: "unknown",
    cause: thrown,
  });
}

function stackOf(thrown: unknown): string {
  return thrown instanceof Error && thrown.stack !== undefined ? `${thrown.stack}\n` : "";
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, "; ");
}
