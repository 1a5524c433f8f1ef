/** Assertions that stay on in production. A failed one is a bug: nothing catches it, and the process stops. */

/** Thrown by {@link assert} and {@link unreachable}; never caught, so that a broken belief stops the process. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Stops the process with `message` unless `condition` holds. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** The default of an exhaustive switch: compiles only when every case is handled. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
