/** How a run fails: something that must always hold did not. Everything else that is thrown in a run is one, too, unless it is part of the plan. */
import { AssertionError } from "../lib/assert.ts";

/** A check of the simulator failed. */
export class ViolationError extends Error {
  override readonly name = "ViolationError";

  /** `invariant` is the name of the broken rule, such as `I4`. */
  constructor(
    readonly invariant: string,
    message: string,
  ) {
    super(message);
  }
}

/** Ends the run unless `condition` holds. */
export function check(condition: boolean, invariant: string, message: () => string): asserts condition {
  if (!condition) throw new ViolationError(invariant, message());
}

/** Why a run failed. Two runs with the same `invariant` failed for the same reason, as far as one can tell. */
export interface Failure {
  readonly invariant: string;
  readonly message: string;
  /** Where it was thrown, for whoever repairs it. */
  readonly stack: string;
}

/** What was thrown in a run, as a failure. */
export function failureOf(thrown: unknown): Failure {
  if (!(thrown instanceof Error)) return { invariant: "thrown", message: String(thrown), stack: "" };
  const { message, stack = "" } = thrown;
  if (thrown instanceof ViolationError) return { invariant: thrown.invariant, message, stack };
  const named = /\(([A-Z]\d+)\)/.exec(message)?.[1];
  if (named !== undefined) return { invariant: named, message, stack };
  return {
    invariant: thrown instanceof AssertionError ? `assertion: ${message}` : `${thrown.name}: ${message}`,
    message,
    stack,
  };
}
