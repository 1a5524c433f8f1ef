/** Rules P3, P11 and P12 from outside: what a check of a directory finds, all of it, without changing a byte. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CorruptError, ProaError } from "../../src/lib/errors.ts";
import type { Entry } from "../../src/raft/mod.ts";
import { checkDirectory, inspectDirectory, openDataDirectory } from "../../src/storage/mod.ts";
import { payloadCursor } from "../../src/wire/mod.ts";
import { openSqlite } from "../helpers/runtime.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { testIdentity } from "./identities.ts";
import { copyDirectory, flipBit, openStorage, runSql, walName } from "./sqlite_world.ts";
import { entriesOf, entryOf, group, threeVoters, Writer } from "./writes.ts";

const runtime = { openSqlite };

/** A closed directory with 20 entries of term 1 and 20 of term 2; its node voted for node 3. */
function written(root: string): string {
  const directory = join(root, "whole");
  const { storage } = openDataDirectory({ runtime, directory, expected: testIdentity });
  storage.load(group, threeVoters);
  const writer = new Writer(storage);
  writer.write({ hardState: { term: 1, vote: 2 }, entries: entriesOf({ from: 1, to: 20, term: 1 }) });
  writer.write({ hardState: { term: 2, vote: 3 }, entries: entriesOf({ from: 21, to: 40, term: 2 }) });
  storage.close();
  return directory;
}

function problemsOf(
  directory: string,
  payloadProblem: (entry: Entry) => string | null = () => null,
): readonly string[] {
  return checkDirectory({ runtime, directory, scratch: tmpdir() }, payloadProblem).problems;
}

function bytesIn(directory: string): Readonly<Record<string, string>> {
  const names = readdirSync(directory).filter((name) => name !== "snapshots");
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(directory, name), "base64")]));
}

describe("checking a data directory", () => {
  test("finds nothing in one that is whole, and changes nothing", () =>
    inTempDirectory((root) => {
      const directory = written(root);
      const before = bytesIn(directory);
      const report = checkDirectory({ runtime, directory, scratch: tmpdir() }, () => null);
      expect(report).toMatchObject({ problems: [], snapshots: 0 });
      expect(report.groups).toMatchObject([{ group, term: 2, vote: 3, firstIndex: 1, lastIndex: 40, entries: 40 }]);
      expect(bytesIn(directory)).toEqual(before);
    }));

  const damages: readonly (readonly [what: string, sql: string, problems: readonly string[]])[] = [
    [
      "two damages at once",
      "UPDATE entries SET term = 2 WHERE idx = 5; UPDATE entries SET kind = 'other' WHERE idx = 30",
      ["group 0: entry 5: checksum mismatch", "group 0: entry 30: malformed"],
    ],
    ["a gap", "DELETE FROM entries WHERE idx IN (7, 8)", ["group 0: entry 7: missing", "group 0: entry 8: missing"]],
    ["a tail that is gone", "DELETE FROM entries WHERE idx = 40", ["group 0: entry 40: missing"]],
    ["another vote", "UPDATE groups SET vote = 1", ["group 0: its state: checksum mismatch"]],
    ["no state", "DELETE FROM groups", ["group 0: its state is missing: term, vote and members"]],
    ["a stranger's file", "UPDATE meta SET value = 'x' WHERE name = 'owner'", ["raft.db was written for x"]],
  ];
  for (const [what, sql, problems] of damages) {
    test(`names ${what}`, () =>
      inTempDirectory((root) => {
        const directory = written(root);
        runSql(directory, sql);
        expect(problemsOf(directory)).toEqual(problems);
      }));
  }

  test("names a frame of the write-ahead log that rotted, which SQLite passes over", () =>
    inTempDirectory((root) => {
      const directory = join(root, "live");
      mkdirSync(directory);
      const storage = openStorage(directory);
      storage.load(group, threeVoters);
      const writer = new Writer(storage);
      writer.write({ hardState: { term: 1, vote: 1 } });
      for (let index = 1; index <= 5; index++) writer.write({ entries: [entryOf({ index, term: 1 })] });
      const copy = join(root, "copy");
      copyDirectory(directory, copy); // as a power cut leaves it
      storage.close();
      const wal = join(copy, walName);
      flipBit(wal, readFileSync(wal).length - 3 * 16_384);
      const before = bytesIn(copy);
      expect(problemsOf(copy)[0]).toMatch(/^raft\.db-wal: frame \d+ is damaged/);
      expect(bytesIn(copy)).toEqual(before);
    }));

  test("names what an entry carries that nobody here can read", () =>
    inTempDirectory((root) => {
      const directory = join(root, "new");
      const { storage } = openDataDirectory({ runtime, directory, expected: testIdentity });
      storage.load(group, threeVoters);
      const writer = new Writer(storage);
      const payload = Uint8Array.of(9, 1, 2, 3);
      writer.write({ hardState: { term: 1, vote: 1 }, entries: [entryOf({ index: 1, term: 1, payload })] });
      storage.close();
      const problems = problemsOf(directory, (entry) => {
        try {
          payloadCursor(entry.payload);
          return null;
        } catch (error) {
          return error instanceof CorruptError ? error.message : "another error";
        }
      });
      expect(problems).toEqual(["group 0: entry 1: payload version 9, which is not known"]);
    }));

  test("a lost or damaged identity is one problem among others", () =>
    inTempDirectory((root) => {
      const directory = written(root);
      writeFileSync(join(directory, "identity.json"), "{");
      expect(problemsOf(directory)).toEqual([`Cannot open ${directory}: identity.json is damaged`]);
      rmSync(join(directory, "identity.json"));
      runSql(directory, "DELETE FROM entries WHERE idx = 3");
      expect(problemsOf(directory)).toEqual(["identity.json is missing", "group 0: entry 3: missing"]);
    }));

  test("shows every entry but the damaged one", () =>
    inTempDirectory((root) => {
      const directory = written(root);
      runSql(directory, "UPDATE entries SET term = 2 WHERE idx = 5");
      const places = inspectDirectory({ runtime, directory, scratch: tmpdir() }, (log) => [
        ...log.entries(group, { from: 3, to: 7 }),
      ]);
      expect(places.map(({ index, entry }) => [index, entry?.term ?? null])).toEqual([
        [3, 1],
        [4, 1],
        [5, null],
        [6, 1],
        [7, 1],
      ]);
    }));

  test("is refused while a node writes, and where there is no log", () =>
    inTempDirectory((root) => {
      const directory = join(root, "used");
      const { storage } = openDataDirectory({ runtime, directory, expected: testIdentity });
      const codeOf = (work: () => unknown): unknown => {
        try {
          return work();
        } catch (error) {
          return error instanceof ProaError ? error.code : error;
        }
      };
      expect(codeOf(() => problemsOf(directory))).toBe("DATA_LOCKED");
      storage.close();
      expect(problemsOf(directory)).toEqual([]);
      expect(codeOf(() => problemsOf(root))).toBe("NOT_FOUND");
      writeFileSync(join(directory, "raft.db"), "this is no database, and never was one");
      expect(codeOf(() => problemsOf(directory))).toBe("DATA_CORRUPT");
    }));
});
