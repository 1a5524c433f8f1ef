/**
 * A data directory as it lies on disk, for tools: what can be read is shown, what cannot is named, and nothing is ever
 * written there. SQLite changes what it opens (it moves its write-ahead log into the database), so it gets a copy. While
 * a node runs no copy is a moment of the log, and the directory is refused.
 */
import { constants, copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CorruptError, ProaError } from "../lib/errors.ts";
import type { Entry, GroupId, Index } from "../raft/mod.ts";
import { SqliteError, type SqliteDatabase, type SqliteRow } from "../runtime/runtime.ts";
import { lockDirectory, lockFile, type DirectoryLocation } from "./directory_lock.ts";
import { explainingFileErrors } from "./files.ts";
import {
  decodeEntry,
  decodeGroup,
  indexIn,
  placeOf,
  placesOf,
  selectEntries,
  selectFirst,
  selectLast,
  type GroupRow,
} from "./rows.ts";
import { databaseFile, upgradeTables } from "./sqlite_database.ts";

/** One place of the log: the entry, or why there is none that can be believed. */
export type InspectedEntry =
  | { readonly index: Index; readonly entry: Entry }
  | { readonly index: Index; readonly entry: null; readonly problem: string };

export interface InspectedLocation extends DirectoryLocation {
  /** Where the copy may lie while it is looked at: a directory for temporary files. */
  readonly scratch: string;
}

/** How many entries are read at once. */
const batchMax = 256;

/** Runs `look` on a copy of the log in `directory`. Throws a `ProaError`: NOT_FOUND, DATA_LOCKED, DATA_CORRUPT or LOCAL_RESOURCE. */
export function inspectDirectory<T>(location: InspectedLocation, look: (log: StoredLog) => T): T {
  const { runtime, directory, scratch } = location;
  if (!existsSync(join(directory, databaseFile))) {
    throw new ProaError("NOT_FOUND", `Cannot read the log in ${directory}: there is no ${databaseFile}`, {
      hint: "name the directory that a node was started with as --data",
    });
  }
  const copy = mkdtempSync(join(scratch, "proa-log-"));
  try {
    copyLog(location, copy);
    const database = runtime.openSqlite(join(copy, databaseFile));
    try {
      upgradeTables(database);
      return look(new StoredLog(database));
    } finally {
      database.close();
    }
  } catch (error) {
    if (!(error instanceof SqliteError)) throw error;
    throw new ProaError("DATA_CORRUPT", `Cannot read the log in ${directory}: ${error.message}`, {
      hint: "the file is no database, or too damaged to be opened: replace the node by one with a new id",
      cause: error,
    });
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Copies the log of a directory that no node writes to. */
function copyLog({ runtime, directory }: DirectoryLocation, copy: string): void {
  // Taking the lock would make the file where there is none, and then no node has ever been here.
  const lock = existsSync(join(directory, lockFile)) ? lockDirectory({ runtime, directory }) : null;
  try {
    explainingFileErrors(`copy the log in ${directory} to ${copy}`, () => {
      for (const name of [databaseFile, `${databaseFile}-wal`]) {
        const path = join(directory, name);
        if (existsSync(path)) copyFileSync(path, join(copy, name), constants.COPYFILE_FICLONE);
      }
    });
  } finally {
    lock?.release();
  }
}

/** What a database holds, without believing it. */
export class StoredLog {
  constructor(private readonly database: SqliteDatabase) {}

  /** What SQLite itself finds wrong with its file; empty if nothing is. */
  damages(): readonly string[] {
    const rows = this.rows("PRAGMA integrity_check(10)");
    return rows.flatMap((row) => {
      const text = String(Object.values(row)[0]);
      return text === "ok" ? [] : [`${databaseFile}: ${text}`];
    });
  }

  /** The identity of the node that the file was written for; null if it says nothing. */
  get owner(): string | null {
    const value = this.first("SELECT value FROM meta WHERE name = 'owner'")?.["value"];
    return typeof value === "string" ? value : null;
  }

  /** The groups that have state or entries. */
  get groups(): readonly GroupId[] {
    const rows = this.rows("SELECT group_id AS id FROM groups UNION SELECT group_id FROM entries ORDER BY id");
    return rows.map((row) => Number(row["id"]));
  }

  /** The state of a group; null if it has none. Throws {@link CorruptError} when it is damaged. */
  state(group: GroupId): GroupRow | null {
    const row = this.first("SELECT * FROM groups WHERE group_id = ?", group);
    return row === null ? null : decodeGroup(group, row);
  }

  /** Where the log must begin and end, as far as anything on disk tells. */
  bounds(group: GroupId): { readonly first: Index; readonly last: Index } {
    let row: GroupRow | null = null;
    try {
      row = this.state(group);
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error; // then only the entries tell
    }
    const first = this.end(group, selectFirst) ?? 1;
    const last = this.end(group, selectLast) ?? 0;
    return {
      first: row === null ? Math.max(1, first) : row.compacted.index + 1,
      last: Math.max(row?.lastIndexMin ?? 0, row?.compacted.index ?? 0, last),
    };
  }

  /** Null where there is no entry, or none that can be read: then {@link damages} tells why. */
  private end(group: GroupId, sql: string): Index | null {
    try {
      return indexIn(group, this.first(sql, ...placesOf(group)));
    } catch (error) {
      if (!(error instanceof SqliteError)) throw error;
      return null;
    }
  }

  /** Every place from `from` to `to`, both included. */
  *entries(group: GroupId, range: { readonly from: Index; readonly to: Index }): Iterable<InspectedEntry> {
    for (let from = range.from; from <= range.to; from += batchMax) {
      yield* this.batch(group, { from, to: Math.min(range.to, from + batchMax - 1) });
    }
  }

  private batch(group: GroupId, { from, to }: { readonly from: Index; readonly to: Index }): readonly InspectedEntry[] {
    try {
      const rows = new Map(
        this.rows(selectEntries, placeOf(group, from), placeOf(group, to)).map((row) => [row["idx"], row]),
      );
      return Array.from({ length: to - from + 1 }, (_, at) => inspect(group, from + at, rows.get(from + at)));
    } catch (error) {
      if (!(error instanceof SqliteError)) throw error;
      if (from === to) return [{ index: from, entry: null, problem: error.message }];
      // Which of them is it?
      return Array.from({ length: to - from + 1 }, (_, at) =>
        this.batch(group, { from: from + at, to: from + at }),
      ).flat();
    }
  }

  private first(sql: string, ...parameters: readonly number[]): SqliteRow | null {
    return this.database.prepare(sql).get(...parameters);
  }

  private rows(sql: string, ...parameters: readonly number[]): readonly SqliteRow[] {
    return this.database.prepare(sql).all(...parameters);
  }
}

function inspect(group: GroupId, index: Index, row: SqliteRow | undefined): InspectedEntry {
  try {
    return { index, entry: decodeEntry(group, index, row) };
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    return { index, entry: null, problem: error.message.replace(/^entry \d+ of group \d+: /, "") };
  }
}
