/**
 * The few errors that reach a user, each with a code that scripts may test and the exit status of `proa`.
 * Expected outcomes inside the node are values, never these; bugs are assertions.
 */

/** Bytes that are not what they claim to be: from the network they are dropped and counted, from our own disk they are fatal. */
export class CorruptError extends Error {
  override readonly name = "CorruptError";
}

/** Bytes that a newer program may have written: they are whole, and nobody here can say what they mean (rule X4). */
export class UnknownVersionError extends CorruptError {}

/** Whether the command that failed took effect: the first thing that a caller who thinks of retrying must know. */
export type Applied = "no" | "unknown" | "yes";

/** Every code that an error of the CLI or of the service port can carry, with its exit status. */
export const exitOfCode = {
  INTERNAL: 1,
  USAGE: 2,
  INVALID_REQUEST: 2,
  UNREACHABLE: 3,
  NO_LEADER: 3,
  NOT_LEADER: 3,
  NO_QUORUM: 3,
  OVERLOADED: 3,
  TRANSFERRING: 3,
  TRANSFER_REFUSED: 3,
  MEMBERSHIP_REFUSED: 3,
  MEMBERSHIP_BUSY: 3,
  NOT_CAUGHT_UP: 3,
  TOO_LARGE: 3,
  TOO_MANY_HOPS: 3,
  TOO_MANY_LEASES: 3,
  STOPPING: 3,
  REMOVED: 3,
  READ_TIMEOUT: 3,
  OUTCOME_UNKNOWN: 4,
  LOCK_LOST: 4,
  LEASE_LOST: 4,
  NOT_FOUND: 5,
  LEASE_NOT_FOUND: 5,
  COMPACTED: 5,
  FUTURE_REVISION: 5,
  PRECONDITION_FAILED: 6,
  LEASE_EXISTS: 6,
  REQUEST_EXPIRED: 6,
  CHECK_FAILED: 7,
  UNAUTHORIZED: 8,
  PORT_BUSY: 9,
  DATA_LOCKED: 9,
  DATA_FOREIGN: 9,
  DATA_CORRUPT: 9,
  DISK_FAILED: 9,
  LOCAL_RESOURCE: 9,
  WAIT_TIMEOUT: 124,
} as const;

export type ErrorCode = keyof typeof exitOfCode;

/** What an error tells beyond its message. */
export interface ErrorDetail {
  /** The next thing to do, naming a command where there is one. */
  readonly hint?: string;
  /** Default: "unknown" for OUTCOME_UNKNOWN, else "no". */
  readonly applied?: Applied;
  /** What was attempted, one line each: endpoints with what they answered. */
  readonly tried?: readonly string[];
  /** The current revision of the key, where a precondition failed; the nearest that can be read, where that one cannot be. */
  readonly revision?: number;
  /** With which the same request can be sent again, so that it takes effect at most once. */
  readonly requestId?: string;
  readonly cause?: unknown;
}

/** An error with a code, for the user. `message` has the form "Cannot <do>: <reason>", without a full stop. */
export class ProaError extends Error {
  override readonly name: string = "ProaError";
  readonly code: ErrorCode;
  readonly exit: number;
  readonly hint: string | undefined;
  readonly applied: Applied;
  readonly tried: readonly string[];
  readonly revision: number | undefined;
  readonly requestId: string | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.exit = exitOfCode[code];
    this.hint = detail.hint;
    this.applied = detail.applied ?? (code === "OUTCOME_UNKNOWN" ? "unknown" : "no");
    this.tried = detail.tried ?? [];
    this.revision = detail.revision;
    this.requestId = detail.requestId;
  }

  /** The object that the CLI prints with `--json` and that the service port answers with. */
  toJSON(): { error: Record<string, unknown> } {
    const { code, exit, message, hint, applied, tried, revision, requestId } = this;
    return { error: { code, exit, message, hint, applied, tried, revision, request_id: requestId } };
  }
}
