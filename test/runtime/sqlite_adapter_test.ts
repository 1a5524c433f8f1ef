import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SqliteError, type SqliteDatabase, type SqliteValue } from "../../src/runtime/runtime.ts";
import { openSqlite } from "../helpers/runtime.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";

/** The code of the SqliteError that `operation` throws. */
function codeOf(operation: () => unknown): string {
  try {
    operation();
  } catch (error) {
    if (error instanceof SqliteError) return error.code;
    throw error;
  }
  return "nothing thrown";
}

function withDatabase(body: (database: SqliteDatabase, path: string) => void): Promise<void> {
  return inTempDirectory((directory) => {
    const path = join(directory, "test.db");
    const database = openSqlite(path);
    try {
      body(database, path);
    } finally {
      database.close();
    }
  });
}

describe("SQLite adapter", () => {
  const view = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4);
  const cells: readonly (readonly [value: SqliteValue, type: string])[] = [
    [0, "integer"],
    [-1, "integer"],
    [2 ** 31, "integer"],
    [2 ** 32 + 1, "integer"],
    [Number.MAX_SAFE_INTEGER, "integer"],
    ["", "text"],
    ["grüße \u{1f600}", "text"],
    [null, "null"],
    [new Uint8Array(0), "blob"],
    [view, "blob"],
    [new Uint8Array(300_000).fill(7), "blob"],
  ];

  for (const [i, [value, type]] of cells.entries()) {
    test(`cell ${i} of type ${type} comes back as it went in`, () =>
      withDatabase((database) => {
        database.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, i INTEGER, s TEXT, b BLOB) STRICT");
        const column = typeof value === "number" ? "i" : typeof value === "string" ? "s" : "b";
        database.prepare(`INSERT INTO t (id, ${column}) VALUES (?, ?)`).run(1, value);
        const row = database.prepare(`SELECT ${column} AS value, typeof(${column}) AS type FROM t`).get();
        expect(row).toEqual({ value, type });
      }));
  }

  test("rows are plain objects in order, and null stands for none", () =>
    withDatabase((database) => {
      database.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')");
      const select = database.prepare("SELECT * FROM t WHERE id >= ? ORDER BY id");
      expect(select.all(1)).toEqual([
        { id: 1, name: "a" },
        { id: 2, name: "b" },
      ]);
      expect(select.all(3)).toEqual([]);
      expect(select.get(1)).toEqual({ id: 1, name: "a" });
      expect(select.get(3)).toBeNull();
      expect(Object.getPrototypeOf(select.get(2)) === Object.prototype).toBe(true);
    }));

  test("a blob that was read belongs to the reader", () =>
    withDatabase((database) => {
      database.exec("CREATE TABLE t (b BLOB); INSERT INTO t VALUES (x'0102')");
      const select = database.prepare("SELECT b FROM t");
      const first = select.get()?.["b"];
      if (first instanceof Uint8Array) first.fill(0);
      expect(select.get()).toEqual({ b: new Uint8Array([1, 2]) });
    }));

  test("a statement that was not read to its end holds nothing up", () =>
    withDatabase((database) => {
      database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1), (2), (3)");
      expect(database.prepare("SELECT id FROM t").get()).toEqual({ id: 1 });
      expect(database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()).toEqual({ busy: 0, log: 0, checkpointed: 0 });
    }));

  test("closing releases the file although statements are left", () =>
    withDatabase((other, path) => {
      const database = openSqlite(path);
      const begin = database.prepare("BEGIN EXCLUSIVE");
      begin.run();
      expect(codeOf(() => other.exec("BEGIN EXCLUSIVE"))).toBe("SQLITE_BUSY");
      expect(codeOf(() => other.prepare("BEGIN EXCLUSIVE").run())).toBe("SQLITE_BUSY");
      expect(codeOf(() => other.prepare("SELECT * FROM sqlite_schema").all())).toBe("SQLITE_BUSY");
      database.close();
      other.exec("BEGIN EXCLUSIVE");
    }));

  test("errors carry primary codes", () =>
    withDatabase((database) => {
      database.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB); INSERT INTO t (id) VALUES (1)");
      expect(codeOf(() => database.exec("nonsense"))).toBe("SQLITE_ERROR");
      expect(codeOf(() => database.prepare("SELECT * FROM missing"))).toBe("SQLITE_ERROR");
      expect(codeOf(() => database.prepare("INSERT INTO t (id) VALUES (?)").run(1))).toBe("SQLITE_CONSTRAINT");
      database.exec("PRAGMA max_page_count = 2");
      expect(codeOf(() => database.prepare("INSERT INTO t (b) VALUES (?)").run(new Uint8Array(99_999)))).toBe(
        "SQLITE_FULL",
      );
      expect(codeOf(() => database.exec("INSERT INTO t (b) VALUES (zeroblob(99999))"))).toBe("SQLITE_FULL");
    }));

  test("files that are no database, damaged or out of reach are told apart", () =>
    inTempDirectory((directory) => {
      const path = join(directory, "test.db");
      expect(codeOf(() => openSqlite(join(directory, "missing", "test.db")))).toBe("SQLITE_CANTOPEN");
      const database = openSqlite(path);
      database.exec("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
      database.close();
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.fill(0xff, 4096)); // the page of the table
      const damaged = openSqlite(path);
      expect(codeOf(() => damaged.prepare("SELECT * FROM t").all())).toBe("SQLITE_CORRUPT");
      damaged.close();
      writeFileSync(path, "no database, but text ".repeat(100));
      const text = openSqlite(path);
      expect(codeOf(() => text.exec("PRAGMA journal_mode = WAL"))).toBe("SQLITE_NOTADB");
      expect(codeOf(() => text.prepare("SELECT * FROM t"))).toBe("SQLITE_NOTADB");
      text.close();
    }));

  test("an error keeps its cause", () =>
    withDatabase((database) => {
      let caught: unknown;
      try {
        database.exec("nonsense");
      } catch (error) {
        caught = error;
      }
      expect(caught instanceof SqliteError && caught.cause instanceof Error).toBe(true);
    }));
});
