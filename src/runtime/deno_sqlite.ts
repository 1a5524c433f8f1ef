/** The SQLite port on `node:sqlite`, as Deno has it. */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { SqliteDatabase, SqliteRow, SqliteStatement, SqliteValue } from "./runtime.ts";
import { copyRow, sqliteError } from "./sqlite_driver.ts";

/** Opens the database at `path`, creating it if there is none. Throws {@link SqliteError}. */
export function openDenoSqlite(path: string): SqliteDatabase {
  return new DenoDatabase(path);
}

class DenoDatabase implements SqliteDatabase {
  private readonly database: DatabaseSync;

  constructor(path: string) {
    this.database = translated(() => new DatabaseSync(path));
  }

  exec(sql: string): void {
    translated(() => {
      this.database.exec(sql);
    });
  }

  prepare(sql: string): SqliteStatement {
    return new DenoStatement(translated(() => this.database.prepare(sql)));
  }

  close(): void {
    translated(() => {
      this.database.close();
    });
  }
}

class DenoStatement implements SqliteStatement {
  constructor(private readonly statement: StatementSync) {}

  run(...parameters: readonly SqliteValue[]): void {
    translated(() => this.statement.run(...parameters));
  }

  get(...parameters: readonly SqliteValue[]): SqliteRow | null {
    const row = translated(() => this.statement.get(...parameters));
    return row === undefined ? null : copyRow(row);
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
    if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_SQLITE_ERROR") throw error;
    throw sqliteError(error, "errcode" in error && typeof error.errcode === "number" ? error.errcode : codeOf(error));
  }
}

/** SQLite's own texts of the failures that a caller distinguishes, with their codes. */
const codeOfText: readonly (readonly [text: string, code: number])[] = [
  ["database is locked", 5],
  ["disk I/O error", 10],
  ["database disk image is malformed", 11],
  ["database or disk is full", 13],
  ["unable to open database file", 14],
  ["file is not a database", 26],
];

/** Deno tells the code only of failures in a step; opening, preparing and `exec` leave nothing but the text. */
function codeOf(error: Error): number {
  return codeOfText.find(([text]) => error.message.startsWith(text))?.[1] ?? 1;
}
