/** The errors that calls of the library end with when no node says how, and which of a node's are worth another try. */
import { ProaError } from "../lib/errors.ts";
import type { ErrorCode } from "../lib/errors.ts";
import type { Operation } from "./frame.ts";

/** What passes by itself, or is different elsewhere. */
export const passingCodes: ReadonlySet<ErrorCode> = new Set([
  "NO_LEADER",
  "NOT_LEADER",
  "NO_QUORUM",
  "OVERLOADED",
  "TRANSFERRING",
  "STOPPING",
  "REMOVED",
  "TOO_MANY_HOPS",
  "READ_TIMEOUT",
]);

const seeStatus = "see which nodes serve: proa cluster status";

export function unreachable(doing: string, tried: string): ProaError {
  return new ProaError("UNREACHABLE", `Cannot ${doing}: no node answers`, { hint: seeStatus, tried: [tried] });
}

export function nobodyServes(doing: string, tried: readonly string[]): ProaError {
  const [code, reason] = tried.some((line) => line.endsWith("it knows no leader"))
    ? (["NO_LEADER", "no node knows a leader"] as const)
    : (["UNREACHABLE", "no node answers"] as const);
  return new ProaError(code, `Cannot ${doing}: ${reason}`, { hint: seeStatus, tried });
}

export function unknownOutcome(doing: string, tried: readonly string[], cause?: unknown): ProaError {
  const text = `Cannot tell whether it took effect: ${doing} was sent, and no answer came`;
  const detail = { hint: "read before you write again", tried, ...(cause === undefined ? {} : { cause }) };
  return new ProaError("OUTCOME_UNKNOWN", text, detail);
}

/** The node did what was asked, but what it said about it cannot be read. */
export function damagedAnswer({ kind, doing }: Operation<unknown>, tried: string): ProaError {
  const applied = kind === "write" ? "unknown" : "no";
  return new ProaError("INTERNAL", `Cannot read the answer to ${doing}`, { applied, tried: [tried] });
}

/** Changes from `from` on are asked for, of a store that has not come as far. */
export function futureWatch(from: number, revision: number): ProaError {
  return new ProaError("FUTURE_REVISION", `Cannot watch from revision ${from}: the store is at revision ${revision}`, {
    hint: "it was made anew, or of an older snapshot, since that revision was seen: read what is there, and watch from then on",
    revision,
  });
}

export function closedError(doing: string): ProaError {
  return new ProaError("STOPPING", `Cannot ${doing}: the client was closed`);
}
