/**
 * Exclusive locks between processes, which the operating system releases when their holder dies. They are SQLite's
 * locks, because a runtime offers no others; a lock file never holds data.
 */
import { SqliteError, type Runtime } from "../runtime/runtime.ts";

export interface Lock {
  release(): void;
}

type Locks = Pick<Runtime, "openSqlite">;

/** Takes the lock that `path` stands for, creating the file; null while somebody else, or this process, holds it. */
export function tryLock(runtime: Locks, path: string): Lock | null {
  const database = runtime.openSqlite(path);
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (isBusy(error)) return null;
    throw error;
  }
  return {
    release: () => {
      database.close();
    },
  };
}

function isBusy(error: unknown): boolean {
  return error instanceof SqliteError && error.code.startsWith("SQLITE_BUSY");
}
