/** The SQLite port on `bun:sqlite`. */
import { Database, SQLiteError, type Statement } from "bun:sqlite";
import type { SqliteDatabase, SqliteRow, SqliteStatement, SqliteValue } from "./runtime.ts";
import { copyRow, sqliteError } from "./sqlite_driver.ts";

/** Opens the database at `path`, creating it if there is none. Throws {@link SqliteError}. */
export function openBunSqlite(path: string): SqliteDatabase {
  return new BunDatabase(path);
}

class BunDatabase implements SqliteDatabase {
  private readonly database: Database;
  private readonly statements: Statement[] = [];

  constructor(path: string) {
    this.database = translated(() => new Database(path));
  }

  exec(sql: string): void {
    translated(() => this.database.run(sql));
  }

  prepare(sql: string): SqliteStatement {
    const statement = translated(() => this.database.prepare(sql));
    this.statements.push(statement);
    return new BunStatement(statement);
  }

  /** A statement that is left keeps the connection open in secret, and with it the lock on the file: each is finalized first. */
  close(): void {
    for (const statement of this.statements) statement.finalize();
    this.statements.length = 0;
    translated(() => {
      this.database.close(true);
    });
  }
}

class BunStatement implements SqliteStatement {
  constructor(private readonly statement: Statement) {}

  run(...parameters: readonly SqliteValue[]): void {
    translated(() => this.statement.run(...parameters));
  }

  get(...parameters: readonly SqliteValue[]): SqliteRow | null {
    const row = translated(() => this.statement.get(...parameters));
    return row === null || row === undefined ? null : copyRow(row);
  }

  all(...parameters: readonly SqliteValue[]): readonly SqliteRow[] {
    return translated(() => this.statement.all(...parameters)).map(copyRow);
  }
}

/** Runs `operation`; an error of SQLite becomes the port's, any other is a bug and passes. */
function translated<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw error instanceof SQLiteError ? sqliteError(error, error.errno) : error;
  }
}
