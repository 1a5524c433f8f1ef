/**
 * The parts of an InstallSnapshot as bytes. A configuration has no bound that a head could hold, so it travels as a payload
 * in front of the chunk; both are covered by one checksum, for a chunk is believed no less carefully than an entry (rule P12).
 */
import { crc32 } from "../lib/checksum.ts";
import { CorruptError } from "../lib/errors.ts";
import type { InstallSnapshot } from "../raft/mod.ts";
import { decodeMembership, encodeMembership } from "./membership_codec.ts";
import type { Field, FieldReader } from "./msgpack.ts";

/** The configuration and the chunk, which is not copied. */
export function chunkPayloads({ membership, chunk }: InstallSnapshot): readonly Uint8Array[] {
  return [encodeMembership(membership), chunk];
}

/** The fields of the head, in their order, but for the term. */
export function fieldsOfChunk(message: InstallSnapshot): readonly Field[] {
  const { session, snapshot, bytes, offset } = message;
  const [membership, chunk] = [encodeMembership(message.membership), message.chunk];
  return [session, snapshot.index, snapshot.term, bytes, offset, membership.length, crc32(chunk, crc32(membership))];
}

/** Reads what the two functions above say. The chunk is a view of `payloads`. Throws {@link CorruptError}. */
export function readChunk(
  fields: FieldReader,
  payloads: Uint8Array,
): Pick<InstallSnapshot, "session" | "snapshot" | "bytes" | "offset" | "membership" | "chunk"> {
  const session = fields.integer();
  const snapshot = { index: fields.integer(), term: fields.integer() };
  const bytes = fields.integer();
  const offset = fields.integer();
  const membershipBytes = fields.integer();
  if (fields.integer() !== crc32(payloads)) throw new CorruptError("a chunk does not match its checksum");
  if (membershipBytes > payloads.length) throw new CorruptError("a configuration longer than its frame");
  const membership = decodeMembership(payloads.subarray(0, membershipBytes));
  const chunk = payloads.subarray(membershipBytes);
  if (chunk.length === 0 || offset + chunk.length > bytes) throw new CorruptError("a chunk that is not of its image");
  return { session, snapshot, bytes, offset, membership, chunk };
}
