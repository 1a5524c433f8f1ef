import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProaError } from "../../src/lib/errors.ts";
import { directoryInUse, openDataDirectory, type DataDirectory, type Owner } from "../../src/storage/mod.ts";
import { collectGarbage, openSqlite } from "../helpers/runtime.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { runChild } from "./children.ts";
import { testIdentity } from "./identities.ts";
import { openStorage, runSql } from "./sqlite_world.ts";
import { entryOf, group, readAll, threeVoters, Writer } from "./writes.ts";

const runtime = { openSqlite };

function open(directory: string, expected: Owner = testIdentity): DataDirectory {
  return openDataDirectory({ runtime, directory, expected });
}

/** A directory in which a node has lived. */
function create(directory: string): void {
  const { storage } = open(directory);
  storage.load(group, threeVoters);
  new Writer(storage).append({ term: 1, vote: 1 }, [entryOf({ index: 1, term: 1 })]);
  storage.close();
}

/** Code and message of the error for the operator that `operation` throws. */
function refusal(operation: () => unknown): string {
  try {
    operation();
  } catch (error) {
    if (error instanceof ProaError && error.exit === 9 && error.hint !== undefined)
      return `${error.code} ${error.message}`;
    throw error;
  }
  return "nothing thrown";
}

describe("data directory", () => {
  test("one that is missing is created for its user alone, and opened again", () =>
    inTempDirectory((root) => {
      const directory = join(root, "a", "b");
      create(directory);
      expect(statSync(directory).mode & 0o777).toBe(0o700);
      const file = join(directory, "identity.json");
      expect(statSync(file).mode & 0o777).toBe(0o600);
      const { identity, storage } = open(directory);
      const { directoryNumber, ...owner } = identity;
      expect(owner).toEqual(testIdentity);
      expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
        format: 2,
        cluster_id: testIdentity.clusterId,
        cluster: "test",
        node_id: 1,
        directory_number: directoryNumber,
      });
      expect(storage.load(group, threeVoters).lastIndex).toBe(1);
      storage.close();
      expect(readdirSync(directory).sort()).toEqual(["identity.json", "lock", "raft.db", "snapshots"]);
    }));

  test("the cluster id that is stored wins", () =>
    inTempDirectory((directory) => {
      create(directory);
      const { identity, storage } = open(directory, { ...testIdentity, clusterId: "f".repeat(32) });
      expect(identity.clusterId).toBe(testIdentity.clusterId);
      storage.close();
    }));

  test("that of another node, another cluster or a newer format is refused and stays as it is", () =>
    inTempDirectory((directory) => {
      create(directory);
      expect(refusal(() => open(directory, { ...testIdentity, nodeId: 2 }))).toBe(
        `DATA_FOREIGN Cannot open ${directory}: it belongs to node 1 of cluster "test", not to node 2 of cluster "test"`,
      );
      expect(refusal(() => open(directory, { ...testIdentity, cluster: "b" }))).toBe(
        `DATA_FOREIGN Cannot open ${directory}: it belongs to node 1 of cluster "test", not to node 1 of cluster "b"`,
      );
      const file = join(directory, "identity.json");
      writeFileSync(file, readFileSync(file, "utf8").replace('"format":2', '"format":3'));
      expect(refusal(() => open(directory))).toBe(`DATA_FOREIGN Cannot open ${directory}: identity.json has format 3`);
    }));

  const spoiled = [
    "",
    "{",
    "null",
    "[]",
    '{"format":1}',
    '{"format":1,"cluster_id":"00","cluster":"test","node_id":1}',
    `{"format":2,"cluster_id":"${testIdentity.clusterId}","cluster":"test","node_id":1}`,
    `{"format":2,"cluster_id":"${testIdentity.clusterId}","cluster":"test","node_id":1,"directory_number":0}`,
  ];
  test("a damaged identity is refused, never made anew", () =>
    inTempDirectory((directory) => {
      create(directory);
      for (const text of spoiled) {
        writeFileSync(join(directory, "identity.json"), text);
        expect(refusal(() => open(directory))).toBe(`DATA_CORRUPT Cannot open ${directory}: identity.json is damaged`);
        expect(readFileSync(join(directory, "identity.json"), "utf8")).toBe(text);
      }
    }));

  test("P13: a log without identity is refused", () =>
    inTempDirectory((directory) => {
      create(directory);
      rmSync(join(directory, "identity.json"));
      const expected = `DATA_FOREIGN Cannot open ${directory}: raft.db is there, but no identity.json`;
      expect(refusal(() => open(directory))).toBe(expected);
      expect(existsSync(join(directory, "identity.json"))).toBe(false);
    }));

  test("P13: an identity without its log has forgotten its votes", () =>
    inTempDirectory((directory) => {
      create(directory);
      const path = join(directory, "raft.db");
      const expected = `DATA_CORRUPT Cannot open ${directory}: raft.db is gone, and with it this node's votes`;
      rmSync(path);
      expect(refusal(() => open(directory))).toBe(expected);
      expect(existsSync(path)).toBe(false);
      writeFileSync(path, "");
      expect(refusal(() => open(directory))).toBe(expected);
      expect(refusal(() => open(directory))).toBe(expected);
    }));

  test("P13: each directory has a number of its own, and keeps it", () =>
    inTempDirectory((root) => {
      const numbers = ["a", "b", "b"].map((name) => {
        const { identity, storage } = open(join(root, name));
        storage.close();
        return identity.directoryNumber;
      });
      expect(numbers[0] === numbers[1]).toBe(false);
      expect(numbers[1]).toBe(numbers[2] ?? 0);
      expect(numbers.every((number) => Number.isSafeInteger(number) && number > 0)).toBe(true);
    }));

  test("P13: the log of another directory of the same node is refused", () =>
    inTempDirectory((root) => {
      const [ours, theirs] = [join(root, "ours"), join(root, "theirs")];
      for (const directory of [ours, theirs]) create(directory);
      renameSync(join(theirs, "raft.db"), join(ours, "raft.db"));
      expect(refusal(() => open(ours))).toBe(`DATA_FOREIGN Cannot open ${ours}: raft.db belongs to another node`);
    }));

  test("P13: a directory without a number is given one, wherever that was cut off", () =>
    inTempDirectory((directory) => {
      create(directory);
      const file = join(directory, "identity.json");
      const older = `{"format":1,"cluster_id":"${testIdentity.clusterId}","cluster":"test","node_id":1}`;
      const newer = readFileSync(file, "utf8");
      runSql(directory, `UPDATE meta SET value = '${older}' WHERE name = 'owner'`);
      writeFileSync(file, older);
      const first = open(directory);
      expect(first.storage.load(group, threeVoters).lastIndex).toBe(1);
      first.storage.close();
      const { directoryNumber } = first.identity;
      expect(directoryNumber).toBeGreaterThan(0);
      writeFileSync(file, older); // the power failed after the store had it
      const second = open(directory);
      second.storage.close();
      expect(second.identity.directoryNumber).toBe(directoryNumber);
      expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ format: 2, directory_number: directoryNumber });
      writeFileSync(file, newer);
      expect(refusal(() => open(directory))).toContain("raft.db belongs to another node");
      writeFileSync(file, older.replace('"node_id":1', '"node_id":2'));
      expect(refusal(() => open(directory, { ...testIdentity, nodeId: 2 }))).toContain("belongs to another node");
    }));

  test("the log of another node is refused", () =>
    inTempDirectory((root) => {
      const [ours, theirs] = [join(root, "ours"), join(root, "theirs")];
      create(ours);
      open(theirs, { ...testIdentity, nodeId: 2 }).storage.close();
      renameSync(join(theirs, "raft.db"), join(ours, "raft.db"));
      expect(refusal(() => open(ours))).toBe(`DATA_FOREIGN Cannot open ${ours}: raft.db belongs to another node`);
    }));

  test("a directory with other things in it is refused and stays as it is", () =>
    inTempDirectory((directory) => {
      writeFileSync(join(directory, "holiday.jpg"), "");
      expect(refusal(() => open(directory))).toBe(
        `DATA_FOREIGN Cannot open ${directory}: it is not empty, and no data of proa is in it`,
      );
      expect(readdirSync(directory)).toEqual(["holiday.jpg"]);
    }));

  test("a path that is no directory, or cannot be one, is refused", () =>
    inTempDirectory((root) => {
      writeFileSync(join(root, "file"), "");
      expect(refusal(() => open(join(root, "file")))).toContain("LOCAL_RESOURCE Cannot open");
      expect(refusal(() => open(join(root, "file", "below")))).toContain("LOCAL_RESOURCE Cannot open");
    }));

  test("a first start that was cut off anywhere is taken up again", () =>
    inTempDirectory((root) => {
      const stages: readonly ((directory: string) => void)[] = [
        (directory) => mkdirSync(directory),
        (directory) => {
          mkdirSync(directory);
          writeFileSync(join(directory, "lock"), "");
        },
        (directory) => {
          mkdirSync(directory);
          writeFileSync(join(directory, "raft.db"), "");
        },
        (directory) => {
          mkdirSync(directory);
          openStorage(directory).close(); // tables, and no owner
        },
        (directory) => {
          open(directory).storage.close();
          renameSync(join(directory, "identity.json"), join(directory, "identity.json.tmp"));
        },
      ];
      for (const [i, prepare] of stages.entries()) {
        const directory = join(root, `stage${i}`);
        prepare(directory);
        const { identity, storage } = open(directory);
        const { directoryNumber } = identity;
        expect(identity).toEqual({ ...testIdentity, directoryNumber });
        storage.load(group, threeVoters);
        storage.close();
        open(directory).storage.close();
      }
    }));

  test("an owner that the database does not know is refused", () =>
    inTempDirectory((directory) => {
      create(directory);
      runSql(directory, "DELETE FROM meta WHERE name = 'owner'");
      expect(refusal(() => open(directory))).toContain("DATA_CORRUPT");
    }));

  test("whether it is in use can be asked without changing it", () =>
    inTempDirectory((directory) => {
      expect(directoryInUse({ runtime, directory })).toBe(false);
      expect(directoryInUse({ runtime, directory: join(directory, "missing") })).toBe(false);
      expect(readdirSync(directory)).toEqual([]);
      const { storage } = open(directory);
      expect(directoryInUse({ runtime, directory })).toBe(true);
      expect(refusal(() => open(directory))).toBe(`DATA_LOCKED Cannot open ${directory}: another process holds it`);
      expect(readdirSync(directory).sort()).toEqual(["identity.json", "lock", "raft.db", "raft.db-wal", "snapshots"]);
      storage.close();
      expect(directoryInUse({ runtime, directory })).toBe(false);
      open(directory).storage.close(); // the question left nothing locked
    }));
});

describe("data directory and garbage", () => {
  test("the lock is held although nobody refers to the storage any more", () =>
    inTempDirectory(async (directory) => {
      const forget = (): unknown => open(directory).identity;
      forget();
      await Promise.resolve(); // lets go of the stack that still refers to it
      collectGarbage();
      expect(directoryInUse({ runtime, directory })).toBe(true);
    }));
});

describe("data directory and processes", () => {
  test(
    "a process holds it until it is killed, and what it was told is durable is there",
    () =>
      inTempDirectory(async (directory) => {
        const child = runChild("hold", directory);
        await child.until("holding");
        expect(refusal(() => open(directory))).toBe(`DATA_LOCKED Cannot open ${directory}: another process holds it`);
        expect(directoryInUse({ runtime, directory })).toBe(true);
        child.kill();
        expect(await child.ended()).toEqual(["persisted 1", "persisted 2", "holding"]);
        const { storage } = open(directory);
        const { lastIndex, hardState, boot } = storage.load(group, threeVoters);
        expect([lastIndex, hardState, boot]).toEqual([3, { term: 1, vote: 1 }, 2]);
        expect(readAll(storage, 3).length).toBe(3);
        storage.close();
      }),
    30_000,
  );

  test(
    "of processes that race for an empty directory one creates it, the others are turned away",
    () =>
      inTempDirectory(async (root) => {
        const directory = join(root, "data");
        const children = [1, 2, 3, 4].map(() => runChild("hold", directory));
        const firstLines = await Promise.all(
          children.map((child) => Promise.race([child.until("holding"), child.ended()])),
        );
        const holders = firstLines.filter((lines) => lines.includes("holding")).length;
        for (const child of children) child.kill();
        const outputs = await Promise.all(children.map((child) => child.ended()));
        const locked = `DATA_LOCKED Cannot open ${directory}: another process holds it`;
        expect([holders, outputs.filter((lines) => lines.includes(locked)).length]).toEqual([1, 3]);
      }),
    30_000,
  );

  test(
    "P7, P8: a write that fails is not confirmed, and nothing is read or written after it",
    () =>
      inTempDirectory(async (directory) => {
        // The limit on file sizes makes the disk end in the middle of a write, for this one process.
        const limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 4000; exec \"$@\"", "sh"];
        const lines = await runChild("fill", directory, limited).ended();
        const confirmed = lines.filter((line) => line.startsWith("persisted")).length;
        const failures = lines.slice(confirmed);
        const [first = ""] = failures;
        expect(confirmed).toBeGreaterThan(10);
        expect(first).toContain(`DISK_FAILED Cannot write to ${join(directory, "raft.db")}: disk I/O error`);
        expect(failures).toEqual([first, first, first]);
        const { storage } = open(directory);
        const { lastIndex } = storage.load(group, threeVoters);
        expect(lastIndex).toBe(confirmed - 1); // the first write held no entry
        expect(readAll(storage, lastIndex).length).toBe(lastIndex);
        storage.close();
      }),
    30_000,
  );
});
