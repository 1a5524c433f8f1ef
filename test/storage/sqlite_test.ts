import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { SqliteError } from "../../src/runtime/runtime.ts";
import { openDatabase } from "../../src/storage/sqlite_database.ts";
import { openSqlite } from "../helpers/runtime.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { compactionConformance } from "./compaction_conformance.ts";
import { storageConformance } from "./conformance.ts";
import { databaseName, openStorage, runSql, sqliteWorld, walName } from "./sqlite_world.ts";
import { entryOf, group, readAll, threeVoters, Writer } from "./writes.ts";

storageConformance("SQLite storage", sqliteWorld);
compactionConformance("SQLite storage", sqliteWorld);

describe("SQLite storage: the file", () => {
  test("P9: every pragma that durability rests on is in force", () =>
    inTempDirectory((directory) => {
      for (const life of ["new", "again"]) {
        const database = openDatabase({ runtime: { openSqlite }, directory });
        const pragma = (name: string): unknown => database.prepare(`PRAGMA ${name}`).get()?.[name];
        expect(
          ["journal_mode", "synchronous", "locking_mode", "page_size", "wal_autocheckpoint"].map(pragma),
          life,
        ).toEqual(["wal", 2, "exclusive", 16384, 0]);
        database.close();
      }
    }));

  test("a file with other pages, of somebody else or of a newer format is refused", () =>
    inTempDirectory((directory) => {
      runSql(directory, "PRAGMA page_size = 4096; CREATE TABLE t (x)");
      expect(() => openStorage(directory)).toThrow("raft.db has page_size 4096, not 16384");
      runSql(directory, "PRAGMA journal_mode = DELETE; PRAGMA page_size = 16384; VACUUM");
      expect(() => openStorage(directory)).toThrow("raft.db was not written by proa");
      runSql(directory, "DROP TABLE t; VACUUM");
      openStorage(directory).close();
      runSql(directory, "UPDATE meta SET value = '3' WHERE name = 'format'");
      expect(() => openStorage(directory)).toThrow("raft.db has format 3, and this proa knows only 2");
    }));

  test("rows can be read with SQL", () =>
    inTempDirectory((directory) => {
      const storage = openStorage(directory);
      storage.load(group, threeVoters);
      new Writer(storage).append({ term: 2, vote: 3 }, [entryOf({ index: 1, term: 2, kind: "noop" })]);
      storage.close();
      const database = openSqlite(join(directory, databaseName));
      expect(database.prepare("SELECT group_id, idx, term, kind FROM entries").all()).toEqual([
        { group_id: 0, idx: 1, term: 2, kind: "noop" },
      ]);
      expect(database.prepare("SELECT term, vote, boot, membership FROM groups").get()).toEqual({
        term: 2,
        vote: 3,
        boot: 1,
        membership: JSON.stringify(threeVoters),
      });
      database.close();
    }));

  test("nobody else may open the directory or the database", () =>
    inTempDirectory((directory) => {
      const storage = openStorage(directory);
      expect(() => openStorage(directory)).toThrow(`Cannot open ${directory}: another process holds it`);
      const other = openSqlite(join(directory, databaseName));
      let refusal: unknown = null;
      try {
        other.prepare("SELECT * FROM entries").all();
      } catch (error) {
        refusal = error;
      }
      other.close();
      expect(refusal instanceof SqliteError && refusal.code).toBe("SQLITE_BUSY");
      storage.close();
      const holder = openSqlite(join(directory, databaseName));
      holder.exec("BEGIN EXCLUSIVE");
      expect(() => openStorage(directory)).toThrow("another process holds raft.db");
      holder.close();
      openStorage(directory).close();
    }));

  test("the write-ahead log stays bounded", () =>
    inTempDirectory((directory) => {
      const storage = openStorage(directory);
      storage.load(group, threeVoters);
      const writer = new Writer(storage);
      const payload = new Uint8Array(512 * 1024);
      let walBytesMax = 0;
      for (let index = 1; index <= 40; index++) {
        const hardState = index === 1 ? { term: 1, vote: null } : null;
        writer.write({ hardState, entries: [entryOf({ index, term: 1, payload })] });
        walBytesMax = Math.max(walBytesMax, statSync(join(directory, walName)).size);
      }
      expect(walBytesMax).toBeLessThan(6 * 1024 * 1024);
      expect(statSync(join(directory, databaseName)).size).toBeGreaterThan(16 * 1024 * 1024);
      expect(readAll(storage, 40).length).toBe(40);
      storage.close();
    }));
});
