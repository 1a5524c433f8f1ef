import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Entry } from "../../src/raft/mod.ts";
import { SqliteError } from "../../src/runtime/runtime.ts";
import { inspectDirectory } from "../../src/storage/mod.ts";
import { openDatabase } from "../../src/storage/sqlite_database.ts";
import { openSqlite } from "../helpers/runtime.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { compactionConformance } from "./compaction_conformance.ts";
import { storageConformance } from "./conformance.ts";
import { databaseName, openStorage, runSql, sqliteWorld, walName } from "./sqlite_world.ts";
import { entriesOf, entryOf, group, readAll, threeVoters, Writer, writeOf } from "./writes.ts";

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
      runSql(directory, "UPDATE meta SET value = '4' WHERE name = 'format'");
      expect(() => openStorage(directory)).toThrow("raft.db has format 4, and this proa knows only 3");
    }));

  test("a file of the layout before is taken over, with all that is in it and all that was cut off", () =>
    inTempDirectory((directory) => {
      const storage = openStorage(directory);
      const groups = [0, 1, 511];
      for (const id of groups) storage.load(id, threeVoters);
      const log = entriesOf({ from: 1, to: 40, term: 1 });
      storage.persist(groups.map((id) => writeOf(1, { group: id, hardState: { term: 1, vote: 2 }, entries: log })));
      storage.persist(groups.map((id) => writeOf(2, { group: id, truncateFrom: 31 })));
      storage.close();
      runSql(directory, asBefore);
      expect(inspected(directory)).toEqual(log.slice(0, 30));
      const upgraded = openStorage(directory);
      for (const id of groups) {
        expect(upgraded.load(id, threeVoters)).toMatchObject({
          lastIndex: 30,
          boot: 2,
          hardState: { term: 1, vote: 2 },
        });
        expect(upgraded.reader(id).entries({ from: 1, to: 30, bytesMax: Infinity })).toEqual(log.slice(0, 30));
      }
      upgraded.close();
      const database = openSqlite(join(directory, databaseName));
      expect(database.prepare("SELECT value FROM meta WHERE name = 'format'").get()).toEqual({ value: "3" });
      const indexes = database.prepare("SELECT name FROM sqlite_schema WHERE tbl_name = 'entries' AND type = 'index'");
      expect(indexes.all()).toEqual([]);
      database.close();
    }));

  test("what one group deletes, at either end of its log, is none of another's", () =>
    inTempDirectory((directory) => {
      const storage = openStorage(directory);
      const groups = [0, 1, 2];
      for (const id of groups) storage.load(id, threeVoters);
      const entries = entriesOf({ from: 1, to: 20, term: 1 });
      const hardState = { term: 1, vote: 1 };
      storage.persist(groups.map((id) => writeOf(1, { group: id, hardState, entries })));
      const compaction = {
        compacted: { index: 10, term: 1 },
        snapshot: { index: 15, term: 1 },
        membership: threeVoters,
      };
      storage.persist([writeOf(2, { group: 1, truncateFrom: 18, compaction })]);
      for (let seq = 3; seq < 20; seq++)
        storage.persist([writeOf(seq, { group: 1, hardState: { term: seq, vote: 1 } })]);
      storage.close();
      const again = openStorage(directory);
      for (const id of groups) {
        const { compacted: before, lastIndex } = again.load(id, threeVoters);
        expect([before.index, lastIndex]).toEqual(id === 1 ? [10, 17] : [0, 20]);
      }
      again.close();
      const database = openSqlite(join(directory, databaseName));
      const rows = database.prepare("SELECT count(*) AS count FROM entries GROUP BY group_id ORDER BY group_id").all();
      expect(rows).toEqual([{ count: 20 }, { count: 7 }, { count: 20 }]);
      database.close();
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

/** Makes of the tables what they were in the layout before. */
const asBefore = `
  ALTER TABLE entries RENAME TO newer;
  CREATE TABLE entries (
    group_id INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    term INTEGER NOT NULL,
    kind TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (group_id, idx)
  ) STRICT;
  INSERT INTO entries SELECT group_id, idx, term, kind, checksum, payload FROM newer;
  DROP TABLE newer;
  UPDATE meta SET value = '2' WHERE name = 'format';`;

/** What tools find of the first group. */
function inspected(directory: string): readonly (Entry | null)[] {
  return inspectDirectory({ runtime: { openSqlite }, directory, scratch: tmpdir() }, (log) => {
    const { first, last } = log.bounds(group);
    return [...log.entries(group, { from: first, to: last })].map(({ entry }) => entry);
  });
}
