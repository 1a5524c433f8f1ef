/**
 * How a call of the client library can fail, as classes: what did not happen, and what nobody knows. The third end that
 * is not a success, a condition that does not hold, is no error but a value.
 */
import { ProaError } from "../lib/errors.ts";

/** It had no effect and will have none: it may be tried again, unless `code` says that it is wrong in itself. */
export class NotAppliedError extends ProaError {
  override readonly name = "NotAppliedError";
}

/**
 * A write was sent, and no answer came in time: it may have taken effect, or still take effect, or never. Its code is
 * REQUEST_EXPIRED where it was sent again so late that the store has forgotten whether it had.
 */
export class UnknownOutcomeError extends ProaError {
  override readonly name = "UnknownOutcomeError";
}

/** `error` as one of the two; `cause` is kept. */
export function outcomeError(error: ProaError): NotAppliedError | UnknownOutcomeError {
  const { code, message, hint, applied, tried, revision, cause } = error;
  const detail = {
    ...(hint === undefined ? {} : { hint }),
    ...(revision === undefined ? {} : { revision }),
    ...(cause === undefined ? {} : { cause }),
    applied,
    tried,
  };
  return applied === "no" ? new NotAppliedError(code, message, detail) : new UnknownOutcomeError(code, message, detail);
}
