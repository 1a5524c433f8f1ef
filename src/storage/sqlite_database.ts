/**
 * The SQLite file of a data directory: how it is opened, what its tables are, and what its failures mean to an operator.
 * Knows no rule of Raft.
 */
import { join } from "node:path";
import { ProaError } from "../lib/errors.ts";
import { SqliteError, type SqliteDatabase, type SqliteValue } from "../runtime/runtime.ts";
import type { DirectoryLocation } from "./directory_lock.ts";
import { placesOfGroup } from "./rows.ts";
import { damagedWalFrame } from "./wal_scan.ts";

export const databaseFile = "raft.db";

/** The layout of the tables below. A greater number in a file means that a newer program wrote it. */
const format = 3;
/** The layout before it, in which a group and an index found a row by way of a tree of their own. */
const formatWithIndex = 2;

/**
 * What every promise to other nodes rests on (rule P9), in the order in which it must be set: nobody else may open the
 * file, each commit is synced (WAL with FULL), and checkpoints run when we say so, because SQLite keeps quiet about the
 * failures of those that it starts itself. Large pages suit large payloads.
 */
const pragmas: readonly (readonly [name: string, value: string | number])[] = [
  ["locking_mode", "exclusive"],
  ["page_size", 16384],
  ["journal_mode", "wal"],
  ["synchronous", 2],
  ["wal_autocheckpoint", 0],
];

/**
 * Found by `place` (see {@link placeOf}), which SQLite keeps no tree beside the table for: a small commit writes one page and not
 * two. Payloads come last, so that no other column lies behind their overflow pages.
 */
const entriesTable = `
  CREATE TABLE entries (
    place INTEGER PRIMARY KEY,
    group_id INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    term INTEGER NOT NULL,
    kind TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    payload BLOB NOT NULL
  ) STRICT;`;

const schema = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE groups (
    group_id INTEGER PRIMARY KEY,
    term INTEGER NOT NULL,
    vote INTEGER,
    boot INTEGER NOT NULL,
    membership TEXT NOT NULL,
    compacted_index INTEGER NOT NULL,
    compacted_term INTEGER NOT NULL,
    snapshot_index INTEGER NOT NULL,
    snapshot_term INTEGER NOT NULL,
    last_index_min INTEGER NOT NULL,
    checksum INTEGER NOT NULL
  ) STRICT;
  ${entriesTable}
  INSERT INTO meta VALUES ('format', '${format}');`;

/** Opens the database of a directory whose lock is held, creating its tables if there are none. */
export function openDatabase({ runtime, directory }: DirectoryLocation): SqliteDatabase {
  const path = join(directory, databaseFile);
  const damaged = damagedWalFrame(`${path}-wal`);
  if (damaged !== null) {
    throw new ProaError(
      "DATA_CORRUPT",
      `Cannot open ${directory}: frame ${damaged} of ${databaseFile}-wal is damaged`,
      {
        hint: corruptHint,
      },
    );
  }
  let database: SqliteDatabase | null = null;
  try {
    database = runtime.openSqlite(path);
    configure(database, directory);
    prepareTables(database, directory);
    return database;
  } catch (error) {
    database?.close();
    throw diskError(`open ${directory}`, error);
  }
}

/** SQLite's failure in words for the operator. Anything else is a bug, or explained already, and is returned as it is. */
export function diskError(action: string, cause: unknown): unknown {
  if (!(cause instanceof SqliteError)) return cause;
  const message = `Cannot ${action}: ${cause.message}`;
  switch (cause.code) {
    case "SQLITE_BUSY":
      return new ProaError("DATA_LOCKED", `Cannot ${action}: another process holds ${databaseFile}`, {
        hint: `close every program that reads ${databaseFile}, then try again`,
        cause,
      });
    case "SQLITE_CORRUPT":
    case "SQLITE_NOTADB":
      return new ProaError("DATA_CORRUPT", message, { hint: corruptHint, cause });
    case "SQLITE_CANTOPEN":
    case "SQLITE_PERM":
    case "SQLITE_READONLY":
      return new ProaError("LOCAL_RESOURCE", message, {
        hint: "the directory and its files must be writable for the user that runs the node",
        cause,
      });
    default:
      return new ProaError("DISK_FAILED", message, {
        hint: "the node stopped before it promised anything that is not on disk; see to the disk or free space, then start it again",
        cause,
      });
  }
}

/** What to do about a log that lost bytes it had promised to keep. */
const corruptHint =
  "the log of this node cannot be trusted any more: keep the directory for inspection and replace the node by one with a new id";

/** Sets each pragma and reads it back: SQLite ignores what it does not know or cannot do, without an error. */
function configure(database: SqliteDatabase, directory: string): void {
  database.exec("PRAGMA busy_timeout = 0");
  for (const [name, value] of pragmas) {
    database.exec(`PRAGMA ${name} = ${value}`);
    const found = database.prepare(`PRAGMA ${name}`).get()?.[name];
    if (found === value) continue;
    const difference = `${name} ${String(found)}, not ${value}`;
    throw new ProaError("DATA_FOREIGN", `Cannot open ${directory}: ${databaseFile} has ${difference}`, {
      hint: `only proa may create ${databaseFile}`,
    });
  }
}

/**
 * Gives each entry its place in a file of the layout before this one; leaves any other as it is. One transaction: a power cut
 * leaves the one layout or the other.
 */
export function upgradeTables(database: SqliteDatabase): void {
  if (formatOf(database) !== String(formatWithIndex)) return;
  database.exec(`
    BEGIN IMMEDIATE;
    ALTER TABLE entries RENAME TO entries_with_index;
    ${entriesTable}
    INSERT INTO entries SELECT group_id * ${placesOfGroup} + idx, * FROM entries_with_index NOT INDEXED;
    DROP TABLE entries_with_index;
    UPDATE meta SET value = '${format}' WHERE name = 'format';
    COMMIT;`);
}

function formatOf(database: SqliteDatabase): SqliteValue | undefined {
  return database.prepare("SELECT value FROM meta WHERE name = 'format'").get()?.["value"];
}

/** All tables come with one transaction: a file has the whole layout or none of it. */
function prepareTables(database: SqliteDatabase, directory: string): void {
  const tables = database.prepare("SELECT count(*) AS count FROM sqlite_schema").get()?.["count"];
  if (tables === 0) {
    database.exec(`BEGIN IMMEDIATE; ${schema} COMMIT;`);
    return;
  }
  const isOurs = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get() !== null;
  if (isOurs) upgradeTables(database);
  const found = isOurs ? formatOf(database) : undefined;
  if (found === String(format)) return;
  const reason =
    found === undefined ? "was not written by proa" : `has format ${String(found)}, and this proa knows only ${format}`;
  throw new ProaError("DATA_FOREIGN", `Cannot open ${directory}: ${databaseFile} ${reason}`, {
    hint: "start it with the version of proa that wrote it, or choose another directory",
  });
}
