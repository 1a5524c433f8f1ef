/**
 * The storage port on SQLite: a row for each entry, one transaction and one sync for each turn. Keeps nothing of the log
 * in memory but where it ends. What it cannot write or trust ends it for good (rule P7).
 */
import { join } from "node:path";
import { assert } from "../lib/assert.ts";
import { entryChecksum } from "../lib/checksum.ts";
import type {
  Entry,
  EntryKind,
  GroupId,
  Index,
  LogReader,
  Membership,
  Persist,
  Restored,
  Term,
} from "../raft/mod.ts";
import { SqliteError, type SqliteDatabase, type SqliteRow, type SqliteStatement } from "../runtime/runtime.ts";
import { lockDirectory, type DirectoryLocation } from "./directory_lock.ts";
import { decodeGroup, encodeGroup, selectGroup, upsertGroup, type GroupRow } from "./group_row.ts";
import { checkLog, damagedEntry } from "./log_check.ts";
import { databaseFile, diskError, openDatabase } from "./sqlite_database.ts";
import type { Storage } from "./storage.ts";
import { changesDisk, positionAfter, type Position } from "./write_rules.ts";

/**
 * Where the write-ahead log is copied into the database, in pages of 16 KiB: 4 MiB stall a turn for about 7 ms, 16 MiB for
 * 25 ms, and neither gains throughput.
 */
const walPagesMax = 256;

/** A group that was loaded. */
interface LoadedGroup {
  readonly group: GroupId;
  readonly boot: number;
  readonly membership: Membership;
  position: Position;
  /** What its row says: see {@link GroupRow}. */
  lastIndexMin: Index;
  /** Whether the next write renews `lastIndexMin`, though nothing else in the row changes. */
  rowIsDue: boolean;
}

/** Opens the store of `directory`, which must exist. Throws a `ProaError` with DATA_LOCKED, DATA_CORRUPT, DATA_FOREIGN, … */
export function openSqliteStorage(location: DirectoryLocation): SqliteStorage {
  const lock = lockDirectory(location);
  try {
    return new SqliteStorage({ lock, database: openDatabase(location), path: join(location.directory, databaseFile) });
  } catch (error) {
    lock.close();
    throw error;
  }
}

export class SqliteStorage implements Storage {
  onPersisted: (group: GroupId, seq: number) => void = () => undefined;
  private readonly lock: SqliteDatabase;
  private readonly database: SqliteDatabase;
  private readonly path: string;
  private readonly statements: ReturnType<typeof prepareAll>;
  private readonly groups = new Map<GroupId, LoadedGroup>();
  private confirming = false;
  /** Why this store cannot be used any more. A failure is kept, and thrown again at every later use. */
  private end: { readonly reason: unknown } | null = null;

  constructor(opened: { readonly lock: SqliteDatabase; readonly database: SqliteDatabase; readonly path: string }) {
    this.lock = opened.lock;
    this.database = opened.database;
    this.path = opened.path;
    this.statements = prepareAll(opened.database);
  }
}

function prepareAll(database: SqliteDatabase) {
  return {
    begin: database.prepare("BEGIN IMMEDIATE"),
    commit: database.prepare("COMMIT"),
  };
}
