/**
 * The bytes of requests that take effect at most once, however often they arrive: commands under a name that stays the
 * same when they are sent again (rule C1).
 *
 *     body of "once"   u8 sessionLength, session, u53 born, u53 seq, commands
 *     body of result   the results of the commands
 */
import { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError, ProaError } from "../lib/errors.ts";
import { beginBodyCommand, endBodyCommand } from "./command_codec.ts";

/** The name of a request. No two different requests may have the same. */
export interface RequestId {
  /** An index that some node had applied when the session began. What is older than the store remembers is refused. */
  readonly born: number;
  /** Chosen by the client so that nobody else has the same: 1 to 64 letters, digits or underscores. */
  readonly session: string;
  /** Rises with each request of the session, from 1. */
  readonly seq: number;
}

export interface Once extends RequestId {
  /** A view. */
  readonly commands: Uint8Array;
}

const utf8 = new TextEncoder();
const ascii = new TextDecoder("latin1");
const sessionPattern = /^[A-Za-z0-9_]{1,64}$/;

/** Appends one command that stands for all of `commands`. */
export function writeOnce(writer: ByteWriter, { commands, ...id }: Once): void {
  const start = beginOnce(writer, id);
  writer.bytes(commands);
  endOnce(writer, start);
}

/** The same for commands that are appended behind this, up to {@link endOnce}, which takes what is returned. */
export function beginOnce(writer: ByteWriter, { born, session, seq }: RequestId): number {
  const start = beginBodyCommand(writer, "once");
  const name = utf8.encode(session);
  writer.u8(name.length);
  writer.bytes(name);
  writer.u53(born);
  writer.u53(seq);
  return start;
}

export const endOnce = endBodyCommand;

/** Throws {@link CorruptError}. The commands are not looked at. */
export function decodeOnce(body: Uint8Array): Once {
  const reader = new ByteReader(body);
  const session = ascii.decode(reader.bytes(reader.u8()));
  if (!sessionPattern.test(session)) throw new CorruptError("a session that has no name");
  return { session, born: reader.u53(), seq: reader.u53(), commands: reader.bytes(reader.remaining) };
}

/** `1042-k3J9x.7`: born, session and number; the number 1 is left out. */
export function requestIdText({ born, session, seq }: RequestId): string {
  return `${born}-${session}${seq === 1 ? "" : `.${seq}`}`;
}

/** The inverse of {@link requestIdText}; null for anything else. */
export function parseRequestId(text: string): RequestId | null {
  const match = /^(\d{1,16})-([A-Za-z0-9_]{1,64})(?:\.(\d{1,16}))?$/.exec(text);
  if (match === null) return null;
  const id = { born: Number(match[1]), session: match[2] ?? "", seq: Number(match[3] ?? 1) };
  return Number.isSafeInteger(id.born) && Number.isSafeInteger(id.seq) && id.seq > 0 ? id : null;
}

/** The error for a request whose result has this status; null if it was done. */
export function onceProblem(status: string): ProaError | null {
  switch (status) {
    case "requestExpired":
      return new ProaError("REQUEST_EXPIRED", "Cannot tell whether it took effect before: its request id is too old", {
        applied: "unknown",
        hint: "see what the key holds now, and decide again, with a new id",
      });
    case "requestUnborn":
      return new ProaError(
        "INVALID_REQUEST",
        "Cannot take the request id: it begins with an index that is not applied yet",
        {
          hint: "begin it with the X-Proa-Applied of any answer of this cluster",
        },
      );
    default:
      return null;
  }
}
