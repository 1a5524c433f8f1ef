import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CorruptError, ProaError } from "../../src/lib/errors.ts";
import { seededRandom } from "../../src/lib/random.ts";
import type { GroupId } from "../../src/raft/mod.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { copyDirectory, databaseName, flipBit, logIn, openStorage, runSql, walName } from "./sqlite_world.ts";
import { entriesOf, entryOf, group, readAll, threeVoters, Writer, writeOf } from "./writes.ts";

/** A closed directory with 20 entries of term 1 and 20 of term 2; entry 30 is large. */
function written(root: string): string {
  const directory = join(root, "whole");
  mkdirSync(directory);
  const storage = openStorage(directory);
  storage.load(group, threeVoters);
  const writer = new Writer(storage);
  writer.append({ term: 1, vote: 2 }, entriesOf({ from: 1, to: 20, term: 1 }));
  writer.append({ term: 2, vote: 3 }, entriesOf({ from: 21, to: 29, term: 2 }));
  writer.write({ entries: [entryOf({ index: 30, term: 2, payload: new Uint8Array(100_000).fill(1) })] });
  writer.write({ entries: entriesOf({ from: 31, to: 40, term: 2 }) });
  storage.close();
  return directory;
}

const wholeLog = "t2 1×20 2×20";

describe("SQLite storage: damage", () => {
  const payloadOf17 = "(SELECT hex(payload) FROM entries WHERE idx = 17)";
  const damages: readonly (readonly [what: string, sql: string, message: string])[] = [
    [
      "a bit of a payload",
      `UPDATE entries SET payload = unhex('64' || substr(${payloadOf17}, 3)) WHERE idx = 17`,
      "entry 17 of group 0: checksum mismatch",
    ],
    [
      "a bit of a large payload",
      "UPDATE entries SET payload = CAST(substr(payload, 1, 99999) || x'03' AS BLOB) WHERE idx = 30",
      "entry 30 of group 0: checksum mismatch",
    ],
    [
      "a payload that lost its end",
      "UPDATE entries SET payload = substr(payload, 1, 3) WHERE idx = 17",
      "entry 17 of group 0: checksum mismatch",
    ],
    [
      "a checksum",
      "UPDATE entries SET checksum = checksum + 1 WHERE idx = 40",
      "entry 40 of group 0: checksum mismatch",
    ],
    ["a term", "UPDATE entries SET term = 2 WHERE idx = 17", "entry 17 of group 0: checksum mismatch"],
    ["a kind", "UPDATE entries SET kind = 'noop' WHERE idx = 1", "entry 1 of group 0: checksum mismatch"],
    ["a kind that does not exist", "UPDATE entries SET kind = 'other' WHERE idx = 1", "entry 1 of group 0: malformed"],
    [
      "two entries exchanged",
      "UPDATE entries SET place = -place, idx = -idx WHERE idx IN (16, 17); UPDATE entries SET place = 33 + place, idx = 33 + idx WHERE idx < 0",
      "entry 16 of group 0: checksum mismatch",
    ],
    [
      "two places exchanged",
      "UPDATE entries SET place = -place WHERE idx IN (16, 17); UPDATE entries SET place = 33 + place WHERE place < 0",
      "entry 16 of group 0: missing",
    ],
    ["the first entry missing", "DELETE FROM entries WHERE idx = 1", "entry 1 of group 0: missing"],
    ["an entry missing", "DELETE FROM entries WHERE idx = 17", "entry 17 of group 0: missing"],
    ["the last entry missing", "DELETE FROM entries WHERE idx = 40", "entry 40 of group 0: missing"],
    ["the tail missing", "DELETE FROM entries WHERE idx > 4", "entry 5 of group 0: missing"],
    ["a lower stored term", "UPDATE groups SET term = 1", "state of group 0: checksum mismatch"],
    ["another vote", "UPDATE groups SET vote = 1", "state of group 0: checksum mismatch"],
    ["a vote gone", "UPDATE groups SET vote = NULL", "state of group 0: checksum mismatch"],
    ["a boot forgotten", "UPDATE groups SET boot = 0", "state of group 0: checksum mismatch"],
    [
      "another configuration",
      "UPDATE groups SET membership = replace(membership, '3', '4')",
      "state of group 0: checksum mismatch",
    ],
    ["the state gone", "DELETE FROM groups", "entry 1 of group 0: term 1 is above the stored term 0"],
  ];
  for (const [what, sql, message] of damages) {
    test(`P12: ${what} is refused and named`, () =>
      inTempDirectory((root) => {
        const directory = written(root);
        runSql(directory, sql);
        const storage = openStorage(directory);
        let error: unknown = null;
        try {
          storage.load(group, threeVoters);
        } catch (thrown) {
          error = thrown;
        }
        expect(error instanceof CorruptError ? error.message : error).toBe(message);
        // Whatever comes later: this store votes no more.
        expect(() => storage.load(group, threeVoters)).toThrow(message);
        expect(() => storage.persist([])).toThrow(message);
        storage.close();
      }));
  }

  test("P12: damage that comes after the load is found when the entry is read", () =>
    inTempDirectory((directory) => {
      const payloads = [0xab, 0xcd].map((byte) => new Uint8Array(3_000_000).fill(byte)); // more than SQLite caches
      const first = openStorage(directory);
      first.load(group, threeVoters);
      const entries = payloads.map((payload, i) => entryOf({ index: i + 1, term: 1, payload }));
      new Writer(first).append({ term: 1, vote: null }, entries);
      first.close();
      const storage = openStorage(directory);
      storage.load(group, threeVoters);
      const path = join(directory, databaseName);
      const pastFirstPages = 40 * 16384; // those are in the cache
      flipBit(path, readFileSync(path).indexOf(new Uint8Array(1000).fill(0xab), pastFirstPages));
      expect(() => readAll(storage, 1)).toThrow("entry 1 of group 0: checksum mismatch");
      storage.close();
    }));

  test("P12: a page of the file that is lost is refused, naming the first entry on it", () =>
    inTempDirectory((root) => {
      const directory = written(root);
      losePage(directory, "entry 17 of term 1");
      const storage = openStorage(directory);
      expect(() => storage.load(group, threeVoters)).toThrow("entry 1 of group 0: database disk image is malformed");
      storage.close();
    }));

  test("P12: before entries leave the write-ahead log, a row vouches for their number", () =>
    inTempDirectory((root) => {
      const { storage, cutOff } = live(root);
      const writer = new Writer(storage);
      writer.append({ term: 1, vote: 1 }, [entryOf({ index: 1, term: 1 })]);
      writer.write({ entries: entriesOf({ from: 2, to: 9, term: 1 }) });
      const payload = new Uint8Array(5_000_000);
      writer.write({ entries: [entryOf({ index: 10, term: 1, payload })] });
      writer.write({ entries: [entryOf({ index: 11, term: 1 })] });
      const cut = cutOff();
      runSql(cut, "DELETE FROM entries WHERE idx > 10");
      expect(() => logIn(cut)).toThrow("entry 11 of group 0: missing");
    }));

  test("P12: a table that lost its newest entries is refused, whenever its pages left the write-ahead log", () =>
    inTempDirectory((root) => {
      const { storage, cutOff } = live(root);
      const writer = new Writer(storage);
      writer.append({ term: 1, vote: 1 }, entriesOf({ from: 1, to: 30, term: 1 }));
      const payload = new Uint8Array(5_000_000); // enough to make everything leave the write-ahead log with the next write
      writer.write({ entries: [entryOf({ index: 31, term: 1, payload })] });
      writer.write({ entries: [entryOf({ index: 32, term: 1 })] });
      const cut = cutOff();
      rmSync(join(cut, walName));
      expect(logIn(copied(cut, join(root, "whole")))).toBe("t1 1×32");
      const path = join(cut, databaseName);
      const bytes = readFileSync(path);
      let leaf = 0; // the page that is a leaf of a table and has 32 rows
      while (leaf < bytes.length && !(bytes[leaf] === 0x0d && bytes.readUInt16BE(leaf + 3) === 32)) leaf += 16384;
      bytes.writeUInt16BE(31, leaf + 3);
      writeFileSync(path, bytes);
      expect(() => logIn(cut)).toThrow("entry 32 of group 0: missing");
    }));

  test("P12: before entries leave the write-ahead log, a row vouches for those of groups, too, that have written nothing since", () =>
    inTempDirectory((root) => {
      const [quiet, busy] = [group, 1];
      const { storage, cutOff } = live(root, [quiet, busy]);
      const quietLog = entriesOf({ from: 1, to: 5, term: 1 });
      const hardState = { term: 1, vote: 1 };
      storage.persist([writeOf(1, { group: quiet, hardState, entries: quietLog.slice(0, 4) })]);
      storage.persist([writeOf(1, { group: busy, hardState })]);
      storage.persist([writeOf(2, { group: quiet, entries: quietLog.slice(4) })]);
      const payload = new Uint8Array(3_000_000);
      for (let index = 1; index <= 3; index++)
        storage.persist([writeOf(index + 1, { group: busy, entries: [entryOf({ index, term: 1, payload })] })]);
      const cut = cutOff();
      runSql(cut, "DELETE FROM entries WHERE group_id = 0 AND idx = 5");
      expect(() => logIn(cut)).toThrow("entry 5 of group 0: missing");
    }));

  test("P12: a last page that is lost is refused, though no row knows of what was on it", () =>
    inTempDirectory((root) => {
      const { storage, cutOff } = live(root);
      const writer = new Writer(storage);
      writer.append({ term: 1, vote: 1 }, entriesOf({ from: 1, to: 3, term: 1 }));
      const payload = new Uint8Array(10_000).fill(7);
      writer.write({ entries: [4, 5, 6].map((index) => entryOf({ index, term: 1, payload })) });
      const cut = cutOff();
      runSql(cut, "SELECT 1"); // which takes all into the file, and tells no row
      expect(logIn(copied(cut, join(root, "whole")))).toBe("t1 1×6");
      losePage(cut, payload);
      expect(() => logIn(cut)).toThrow("malformed");
    }));

  test("P12: whatever bit of the file rots, the log is refused or whole", () =>
    inTempDirectory((root) => {
      const directory = written(root);
      const bytes = statSync(join(directory, databaseName)).size;
      const random = seededRandom(7);
      let refused = 0;
      for (let i = 0; i < 100; i++) {
        const offset = random.integer(0, bytes - 1);
        const rotten = join(root, `rotten${i}`);
        copyDirectory(directory, rotten);
        flipBit(join(rotten, databaseName), offset);
        try {
          expect(logIn(rotten), `bit at ${offset}`).toBe(wholeLog);
        } catch (error) {
          if (!(error instanceof CorruptError) && !(error instanceof ProaError)) throw error;
          refused++;
        }
      }
      expect(refused).toBeGreaterThan(30);
    }));
});

/** A running store, and what a power cut leaves of it: a copy, after which it is closed. */
function live(root: string, groups: readonly GroupId[] = [group]) {
  const [directory, cut] = [join(root, "live"), join(root, "cut")];
  mkdirSync(directory);
  const storage = openStorage(directory);
  for (const id of groups) storage.load(id, threeVoters);
  const cutOff = (): string => {
    copyDirectory(directory, cut);
    storage.close();
    return cut;
  };
  return { storage, cutOff };
}

/** Overwrites the page of the file on which `content` was written last. */
function losePage(directory: string, content: string | Uint8Array): void {
  const path = join(directory, databaseName);
  const bytes = readFileSync(path);
  const start = Math.floor(bytes.lastIndexOf(content) / 16384) * 16384;
  writeFileSync(path, bytes.fill(0xff, start, start + 16384));
}

function copied(from: string, to: string): string {
  copyDirectory(from, to);
  return to;
}
