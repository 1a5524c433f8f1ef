/**
 * Entries of one AppendEntries as bytes: a table of fixed rows, and the payloads back to back behind it, never re-encoded.
 * Refuses a batch that no correct leader sends (rule L14), before the core sees any of it.
 */
import { assert, unreachable } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { entryChecksum } from "../lib/checksum.ts";
import { CorruptError, UnknownVersionError } from "../lib/errors.ts";
import { decodeMembership } from "./membership_codec.ts";
import type { Entry, EntryId, EntryKind, Term } from "../raft/mod.ts";

/** A row of the table: term (8), kind (1), payload length (4), checksum (4). The index follows from the position. */
export const entryRowBytes = 17;

/** The entry part of a frame, checked by nobody but the checksum of the frame, which covers the table only. */
export interface EntryBytes {
  readonly table: Uint8Array;
  readonly payloads: Uint8Array;
}

/** Between which entry and which term a batch must fit: it starts right after `previous` and holds no term above `termMax`. */
export interface EntryBounds {
  readonly previous: EntryId;
  readonly termMax: Term;
}

/** Appends the rows of `entries`; their payloads must follow on the wire, in order. A batch that does not fit `bounds` is a bug. */
export function writeEntryTable(writer: ByteWriter, entries: readonly Entry[], bounds: EntryBounds): void {
  let { index, term } = bounds.previous;
  for (const entry of entries) {
    assert(entry.index === index + 1, "entries to send have a gap");
    assert(entry.term >= term && entry.term <= bounds.termMax, "terms of entries to send out of order");
    ({ index, term } = entry);
    writer.u53(entry.term);
    writer.u8(numberOfKind(entry.kind));
    writer.u32(entry.payload.length);
    writer.u32(entry.checksum);
  }
}

/** A batch, up to the first entry that was made by a newer program and means what this one cannot know (rule X4). */
export interface ReadEntries {
  readonly entries: readonly Entry[];
  /** What is wrong with the next entry; null when these are all. */
  readonly unreadable: string | null;
}

/**
 * Reads what {@link writeEntryTable} and the payloads say, all of both. The payloads of the result are views of
 * `bytes.payloads`. Throws {@link CorruptError} when the batch does not fit `bounds`, a payload its
 * checksum (rule P12), or a configuration is none.
 */
export function readEntries(bytes: EntryBytes, bounds: EntryBounds): ReadEntries {
  const rows = new ByteReader(bytes.table);
  const payloads = new ByteReader(bytes.payloads);
  const entries: Entry[] = [];
  let unreadable: string | null = null;
  let { index, term } = bounds.previous;
  if (term > bounds.termMax) throw new CorruptError("the previous entry is of a term above the message's");
  while (rows.remaining > 0) {
    index++;
    if (!Number.isSafeInteger(index)) throw new CorruptError("an index of 2^53 or more");
    const row = { term: rows.u53(), kind: rows.u8(), payloadLength: rows.u32(), checksum: rows.u32() };
    if (row.term < term || row.term > bounds.termMax) throw new CorruptError("terms of entries out of order");
    term = row.term;
    const payload = payloads.bytes(row.payloadLength);
    if (unreadable !== null) continue; // nothing is taken that follows what is not
    const kind = kindOfNumber(row.kind);
    if (kind === null) {
      unreadable = `an entry of kind ${row.kind}, and this proa knows only those up to ${lastKind}`;
      continue;
    }
    const entry = { index, term, kind, payload, checksum: row.checksum };
    if (entryChecksum(entry) !== entry.checksum) throw new CorruptError(`entry ${index} does not match its checksum`);
    unreadable = kind === "membership" ? newerMembership(payload) : null;
    if (unreadable === null) entries.push(entry);
  }
  if (payloads.remaining > 0) throw new CorruptError("more payload than the entries have");
  return { entries, unreadable };
}

/** A configuration would act at once: it is looked at before the core sees it. Returns what a newer program has made, in words. */
function newerMembership(payload: Uint8Array): string | null {
  try {
    decodeMembership(payload);
    return null;
  } catch (error) {
    if (error instanceof UnknownVersionError) return error.message;
    throw error;
  }
}

/** The greatest number of a kind. */
const lastKind = 3;

function numberOfKind(kind: EntryKind): number {
  switch (kind) {
    case "noop":
      return 1;
    case "commands":
      return 2;
    case "membership":
      return 3;
    default:
      return unreachable(kind);
  }
}

function kindOfNumber(kind: number): EntryKind | null {
  switch (kind) {
    case 1:
      return "noop";
    case 2:
      return "commands";
    case 3:
      return "membership";
    case 0:
      throw new CorruptError("an entry without a kind");
    default:
      return null;
  }
}
