/** What the two SQLite adapters share: the names of result codes, and rows as plain objects. Opens nothing. */
import { assert } from "../lib/assert.ts";
import { SqliteError, type SqliteRow, type SqliteValue } from "./runtime.ts";

/** The primary result codes of SQLite, each at its number. */
const codeNames =
  "OK ERROR INTERNAL PERM ABORT BUSY LOCKED NOMEM READONLY INTERRUPT IOERR CORRUPT NOTFOUND FULL CANTOPEN PROTOCOL EMPTY SCHEMA TOOBIG CONSTRAINT MISMATCH MISUSE NOLFS AUTH FORMAT RANGE NOTADB".split(
    " ",
  );

/** The error that callers of the port see for a failure with the (extended) result code `resultCode`. */
export function sqliteError(cause: Error, resultCode: number): SqliteError {
  const name = codeNames[resultCode & 0xff] ?? "ERROR";
  return new SqliteError(`SQLITE_${name}`, `${cause.message} (SQLite result ${resultCode})`, { cause });
}

/** The row as an object of ours. Blobs are not copied: both drivers make a new one for each row. */
export function copyRow(row: unknown): SqliteRow {
  assert(typeof row === "object" && row !== null, "a row must be an object");
  const copy: Record<string, SqliteValue> = {};
  for (const [column, value] of Object.entries(row)) {
    assert(isSqliteValue(value), "a cell must be text, a number, a blob or null");
    copy[column] = value;
  }
  return copy;
}

function isSqliteValue(value: unknown): value is SqliteValue {
  return value === null || typeof value === "string" || typeof value === "number" || value instanceof Uint8Array;
}
