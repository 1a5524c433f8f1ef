/**
 * The lock on a data directory: one process at a time, released by the operating system when its holder dies. It is
 * SQLite's lock on an empty file, because a runtime offers no other, and a file of its own, so that nothing else in the
 * directory is read or written before it is held.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ProaError } from "../lib/errors.ts";
import { SqliteError, type Runtime, type SqliteDatabase } from "../runtime/runtime.ts";

export interface DirectoryLocation {
  readonly runtime: Pick<Runtime, "openSqlite">;
  /** Must exist, but for {@link directoryInUse}. */
  readonly directory: string;
}

export const lockFile = "lock";

export interface DirectoryLock {
  release(): void;
}

/** Every lock that is held. Runtimes close databases that nobody refers to, and a lock must not end by such an accident. */
const held = new Set<SqliteDatabase>();

/** Takes the lock, until it is released or the process ends. Throws DATA_LOCKED while somebody holds it, be it this process. */
export function lockDirectory(location: DirectoryLocation): DirectoryLock {
  const lock = tryLock(location);
  if (lock !== null) return lock;
  throw new ProaError("DATA_LOCKED", `Cannot open ${location.directory}: another process holds it`, {
    hint: `a node runs on this directory: stop it with "proa node stop --data ${location.directory}", or choose another one`,
  });
}

/** Whether a process holds the directory now. Takes the lock for a moment if none does; creates nothing. */
export function directoryInUse(location: DirectoryLocation): boolean {
  if (!existsSync(join(location.directory, lockFile))) return false;
  const lock = tryLock(location);
  lock?.release();
  return lock === null;
}

function tryLock({ runtime, directory }: DirectoryLocation): DirectoryLock | null {
  const database = openLockFile({ runtime, directory });
  try {
    database.exec("PRAGMA journal_mode = MEMORY"); // or a journal file would lie beside the lock
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (error instanceof SqliteError && error.code === "SQLITE_BUSY") return null;
    throw error;
  }
  held.add(database);
  return {
    release: () => {
      held.delete(database);
      database.close();
    },
  };
}

function openLockFile({ runtime, directory }: DirectoryLocation): SqliteDatabase {
  try {
    return runtime.openSqlite(join(directory, lockFile));
  } catch (cause) {
    if (!(cause instanceof SqliteError)) throw cause;
    throw new ProaError("LOCAL_RESOURCE", `Cannot open ${directory}: its lock file cannot be opened`, {
      hint: "the directory must be writable for the user that runs the node",
      cause,
    });
  }
}
