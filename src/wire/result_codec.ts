/**
 * The bytes of the results of commands.
 *
 *     result   u8 status, u53 revision, u53 modRevision, u32 changed
 */
import type { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";

/** Bytes of one encoded result. */
export const resultBytes = 21;

export interface CommandResult {
  /** `preconditionFailed`: the command changed nothing, because `ifRevision` did not hold. */
  readonly status: "ok" | "preconditionFailed";
  /** The revision of the store after the command. */
  readonly revision: number;
  /** The mod revision of the key after the command; 0 if it does not exist, and for a range. */
  readonly modRevision: number;
  /** How many keys were created, overwritten or deleted. */
  readonly changed: number;
}

export function writeResult(writer: ByteWriter, result: CommandResult): void {
  writer.u8(result.status === "ok" ? 0 : 1);
  writer.u53(result.revision);
  writer.u53(result.modRevision);
  writer.u32(result.changed);
}

/** Throws {@link CorruptError}. */
export function readResult(reader: ByteReader): CommandResult {
  const status = reader.u8();
  if (status > 1) throw new CorruptError(`result status ${status}, which is not known`);
  return {
    status: status === 0 ? "ok" : "preconditionFailed",
    revision: reader.u53(),
    modRevision: reader.u53(),
    changed: reader.u32(),
  };
}
