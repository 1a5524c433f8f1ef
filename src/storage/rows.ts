/** The rows of `raft.db` and back: what is read is believed only if its checksum holds. */
import { assert } from "../lib/assert.ts";
import { crc32, entryChecksum } from "../lib/checksum.ts";
import { CorruptError } from "../lib/errors.ts";
import type { Entry, EntryId, EntryKind, GroupId, HardState, Index, Membership } from "../raft/mod.ts";
import type { SqliteRow, SqliteValue } from "../runtime/runtime.ts";
import { damagedEntry } from "./log_reading.ts";

/** All that a group has promised, and its configuration. Has a checksum, because a damaged vote would be a second one. */
export interface GroupRow {
  readonly group: GroupId;
  readonly hardState: HardState;
  readonly boot: number;
  /** The configuration at `compacted`. */
  readonly membership: Membership;
  readonly compacted: EntryId;
  readonly snapshot: EntryId;
  /** The log reaches at least to here: if it does not, it has lost entries. Lags behind, for it is not written each time. */
  readonly lastIndexMin: Index;
}

export const selectGroup = "SELECT * FROM groups WHERE group_id = ?";

export const replaceGroup = `
  INSERT OR REPLACE INTO groups
    (group_id, term, vote, boot, membership, compacted_index, compacted_term, snapshot_index, snapshot_term,
     last_index_min, checksum)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** More than a group has in its life, at a million a second for half a year; the places of 512 groups are integers of JavaScript. */
export const placesOfGroup = 2 ** 44;

/** Where an entry is found. */
export function placeOf(group: GroupId, index: Index): number {
  assert(index < placesOfGroup, "an index within the places of its group");
  const place = group * placesOfGroup + index;
  assert(Number.isSafeInteger(place), "a group that has places");
  return place;
}

/** By places, both included. */
export const selectEntries = `
  SELECT idx, term, kind, checksum, payload FROM entries WHERE place BETWEEN ? AND ? ORDER BY place`;

/** The first entry between two places, and the last. */
export const selectFirst = "SELECT min(place) AS place FROM entries WHERE place BETWEEN ? AND ?";
export const selectLast = "SELECT max(place) AS place FROM entries WHERE place BETWEEN ? AND ?";

/** The index of what {@link selectFirst} or {@link selectLast} gave for all places of `group`; null for no entry. */
export function indexIn(group: GroupId, row: SqliteRow | null): Index | null {
  const place = row?.["place"];
  return typeof place === "number" ? place - placeOf(group, 0) : null;
}

/** The parameters of {@link selectFirst} and {@link selectLast} for the whole log of `group`. */
export function placesOf(group: GroupId): readonly [number, number] {
  return [placeOf(group, 0), placeOf(group, placesOfGroup - 1)];
}

/** Between two places, both included. */
export const deleteEntries = "DELETE FROM entries WHERE place BETWEEN ? AND ?";

export const insertEntry = `
  INSERT INTO entries (place, group_id, idx, term, kind, checksum, payload) VALUES (?, ?, ?, ?, ?, ?, ?)`;

/** The parameters of {@link replaceGroup}. */
export function encodeGroup(row: GroupRow): readonly SqliteValue[] {
  const { group, hardState, boot, membership, compacted, snapshot, lastIndexMin } = row;
  const { term, vote } = hardState;
  const members = JSON.stringify(membership);
  const places = [compacted.index, compacted.term, snapshot.index, snapshot.term, lastIndexMin];
  const cells = [group, term, vote, boot, members, ...places];
  return [...cells, cellsChecksum(cells)];
}

/** What {@link selectGroup} gave. Throws {@link CorruptError} unless every cell is as it was written. */
export function decodeGroup(group: GroupId, row: SqliteRow): GroupRow {
  const { term, vote, boot, membership, checksum } = row;
  const { compacted_index, compacted_term, snapshot_index, snapshot_term, last_index_min } = row;
  const places = [compacted_index, compacted_term, snapshot_index, snapshot_term, last_index_min];
  const cells = [group, term, vote, boot, membership, ...places];
  if (cellsChecksum(cells) !== checksum) throw new CorruptError(`state of group ${group}: checksum mismatch`);
  return {
    group,
    hardState: { term: integer(term), vote: vote === null ? null : integer(vote) },
    boot: integer(boot),
    membership: { ...olderMembership, ...(JSON.parse(String(membership)) as Membership) }, // our own text, as the checksum proves
    compacted: { index: integer(compacted_index), term: integer(compacted_term) },
    snapshot: { index: integer(snapshot_index), term: integer(snapshot_term) },
    lastIndexMin: integer(last_index_min),
  };
}

/** The parameters of {@link insertEntry}. */
export function encodeEntry(group: GroupId, entry: Entry): readonly SqliteValue[] {
  return [placeOf(group, entry.index), group, entry.index, entry.term, entry.kind, entry.checksum, entry.payload];
}

/** The row of {@link selectEntries} where `index` must be. Throws {@link CorruptError} naming it if anything is wrong. */
export function decodeEntry(group: GroupId, index: Index, row: SqliteRow | undefined): Entry {
  if (row?.["idx"] !== index) throw damagedEntry(group, index, "missing");
  const { term, kind, checksum, payload } = row;
  if (typeof term !== "number" || !isEntryKind(kind) || !(payload instanceof Uint8Array)) {
    throw damagedEntry(group, index, "malformed");
  }
  const found = entryChecksum({ index, term, kind, payload });
  if (found !== checksum) throw damagedEntry(group, index, "checksum mismatch");
  return { index, term, kind, payload, checksum: found };
}

function isEntryKind(value: SqliteValue | undefined): value is EntryKind {
  return value === "commands" || value === "noop" || value === "membership";
}

/** What the text of a configuration lacks that was written before directories had numbers. */
export const olderMembership: Pick<Membership, "directories"> = { directories: [] };

const utf8 = new TextEncoder();

function cellsChecksum(cells: readonly (SqliteValue | undefined)[]): number {
  return crc32(utf8.encode(JSON.stringify(cells)));
}

function integer(value: SqliteValue | undefined): number {
  if (typeof value !== "number") throw new CorruptError("a cell that must be a number is none");
  return value;
}
