/**
 * The bytes of the results of commands.
 *
 *     result   u8 status (0x80: a body follows), u53 revision, u53 modRevision, u32 changed, [u32 length, body]
 */
import { assert } from "../lib/assert.ts";
import { type ByteReader, u32At } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";

/** Bytes of one encoded result without its body. */
export const resultBytes = 21;

const statuses = [
  "ok",
  "preconditionFailed",
  "requestExpired",
  "requestUnborn",
  "leaseNotFound",
  "leaseExists",
  "tooManyLeases",
] as const;

export type ResultStatus = (typeof statuses)[number];

export interface CommandResult {
  /**
   * - `ok`: done, if only by finding nothing to do.
   * - `preconditionFailed`: it changed nothing, because `ifRevision` did not hold.
   * - `requestExpired`: a request with an id changed nothing now; nobody knows any more whether it did before.
   * - `requestUnborn`: a request with an id changed nothing, because its session began at an index that is still to come.
   * - `leaseNotFound`: it changed nothing, because a lease that it names does not exist; the body says which.
   * - `leaseExists`, `tooManyLeases`: it granted no lease, because there is one with this id, or no room.
   */
  readonly status: ResultStatus;
  /** The revision of the store after the command. */
  readonly revision: number;
  /** The mod revision of the key after the command; 0 if it does not exist, and for a range. */
  readonly modRevision: number;
  /** How many keys were created, overwritten or deleted. */
  readonly changed: number;
  /** What only this kind of command answers, for its own codec; a view. */
  readonly body?: Uint8Array | undefined;
}

const flagBody = 0x80;

export function writeResult(writer: ByteWriter, result: CommandResult): void {
  const { status, body } = result;
  const code = status === "ok" ? 0 : statuses.indexOf(status);
  writer.u8(body === undefined ? code : code | flagBody);
  writer.u53(result.revision);
  writer.u53(result.modRevision);
  writer.u32(result.changed);
  if (body === undefined) return;
  writer.u32(body.length);
  writer.bytes(body);
}

/** Throws {@link CorruptError}. */
export function readResult(reader: ByteReader): CommandResult {
  const first = reader.u8();
  const status = statuses[first & ~flagBody];
  if (status === undefined) throw new CorruptError(`result status ${first & ~flagBody}, which is not known`);
  const result = { status, revision: reader.u53(), modRevision: reader.u53(), changed: reader.u32() };
  return (first & flagBody) === 0 ? result : { ...result, body: reader.bytes(reader.u32()) };
}

/** Where `count` results end that begin at `start` of `results`, which {@link writeResult} wrote. */
export function resultsEnd(results: Uint8Array, start: number, count: number): number {
  let end = start;
  for (let i = 0; i < count; i++) {
    const hasBody = ((results[end] ?? 0) & flagBody) !== 0;
    end += resultBytes;
    if (hasBody) end += 4 + u32At(results, end);
  }
  assert(end <= results.length, "every command has one result");
  return end;
}
