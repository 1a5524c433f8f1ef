/** How large keys, values and the bounds of ranges may be. Checked where a request is made and where it enters; apply trusts the log. */
import { ProaError } from "../lib/errors.ts";

/** The longest key, in bytes. Every node must agree, or what one accepts another could not serve. */
export const keyBytesMax = 8192;

/** A bound may be one byte longer than a key: the longest key with a zero byte behind it starts the page that follows it. */
export const rangeBoundBytesMax = keyBytesMax + 1;

export interface CommandLimits {
  /** The longest value, in bytes. */
  readonly valueBytesMax: number;
}

export const defaultCommandLimits: CommandLimits = { valueBytesMax: 1024 * 1024 };

/** Why a batch is refused before it can do anything; the code is that of the error which says so. */
export interface Refused {
  readonly ok: false;
  readonly code: "TOO_LARGE" | "INVALID_REQUEST";
  /** "Cannot <do>: <reason>", naming the limit where one is exceeded. */
  readonly message: string;
}

/** The check of a whole batch: how many commands or queries it holds, or why it is refused. */
export type BatchCheck = { readonly ok: true; readonly count: number } | Refused;

export function refused(code: Refused["code"], message: string): Refused {
  return { ok: false, code, message };
}

/** What is wrong with a key of `length` bytes, for `action` ("put", "get"); null if nothing. */
export function keyProblem(action: string, length: number): Refused | null {
  if (length === 0) return refused("INVALID_REQUEST", `Cannot ${action}: the key is empty`);
  return lengthProblem(`Cannot ${action}: the key`, length, { bytesMax: keyBytesMax });
}

/** What is wrong with the `bound` ("start" or "end") of a range of `length` bytes; null if nothing. Empty means unbounded. */
export function boundProblem(action: string, bound: "start" | "end", length: number): Refused | null {
  return lengthProblem(`Cannot ${action}: the ${bound} of the range`, length, { bytesMax: rangeBoundBytesMax });
}

/** What is wrong with a value of `length` bytes; null if nothing. */
export function valueProblem(action: string, length: number, limits: CommandLimits): Refused | null {
  return lengthProblem(`Cannot ${action}: the value`, length, { bytesMax: limits.valueBytesMax });
}

/** Throws what is wrong as a {@link ProaError}: for encoders, which must not write what no decoder accepts. */
export function refuse(problem: Refused | null): void {
  if (problem !== null) throw new ProaError(problem.code, problem.message);
}

function lengthProblem(subject: string, length: number, limit: { readonly bytesMax: number }): Refused | null {
  if (length <= limit.bytesMax) return null;
  return refused("TOO_LARGE", `${subject} has ${length} bytes, the limit is ${limit.bytesMax}`);
}
