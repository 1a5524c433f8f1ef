/** The row that holds what a group has promised, and its checksum: a damaged vote would be a second one. */
import { crc32 } from "../lib/checksum.ts";
import { CorruptError } from "../lib/errors.ts";
import type { EntryId, GroupId, HardState, Index, Membership } from "../raft/mod.ts";
import type { SqliteRow, SqliteValue } from "../runtime/runtime.ts";

export interface GroupRow {
  readonly group: GroupId;
  readonly hardState: HardState;
  readonly boot: number;
  readonly membership: Membership;
  readonly compacted: EntryId;
  /** The log reaches at least to here: a shorter one has lost entries. Lags behind, because it is not written each time. */
  readonly lastIndexMin: Index;
}

export const selectGroup = "SELECT * FROM groups WHERE group_id = ?";

export const upsertGroup = `
  INSERT OR REPLACE INTO groups
    (group_id, term, vote, boot, membership, compacted_index, compacted_term, last_index_min, checksum)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** The parameters of {@link upsertGroup}. */
export function encodeGroup(row: GroupRow): readonly SqliteValue[] {
  const { group, hardState, boot, membership, compacted, lastIndexMin } = row;
  const { voters, learners } = membership;
  const cells = [
    group,
    hardState.term,
    hardState.vote,
    boot,
    JSON.stringify({ voters, learners }),
    compacted.index,
    compacted.term,
    lastIndexMin,
  ];
  return [...cells, cellsChecksum(cells)];
}

/** The row that {@link selectGroup} gave. Throws {@link CorruptError} unless every cell is as it was written. */
export function decodeGroup(group: GroupId, row: SqliteRow): GroupRow {
  const { term, vote, boot, membership, compacted_index, compacted_term, last_index_min, checksum } = row;
  const cells = [group, term, vote, boot, membership, compacted_index, compacted_term, last_index_min];
  if (cellsChecksum(cells) !== checksum) throw new CorruptError(`state of group ${group}: checksum mismatch`);
  return {
    group,
    hardState: { term: integer(term), vote: vote === null ? null : integer(vote) },
    boot: integer(boot),
    membership: JSON.parse(String(membership)) as Membership, // our own text, as the checksum proved
    compacted: { index: integer(compacted_index), term: integer(compacted_term) },
    lastIndexMin: integer(last_index_min),
  };
}

const utf8 = new TextEncoder();

function cellsChecksum(cells: readonly (SqliteValue | undefined)[]): number {
  return crc32(utf8.encode(JSON.stringify(cells)));
}

function integer(value: SqliteValue | undefined): number {
  if (typeof value !== "number") throw new CorruptError("a cell that must be a number is not");
  return value;
}
