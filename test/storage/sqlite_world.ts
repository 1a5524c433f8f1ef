/** SQLite storage in temporary directories, with power cuts: what is in the files at a moment is what a restart finds. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteStorage, type SqliteStorage } from "../../src/storage/sqlite.ts";
import { openSqlite } from "../helpers/runtime.ts";
import type { Storage } from "../../src/storage/mod.ts";
import type { World } from "./conformance.ts";
import { group, readAll, threeVoters } from "./writes.ts";

export const databaseName = "raft.db";
export const walName = "raft.db-wal";

export function openStorage(directory: string): SqliteStorage {
  return openSqliteStorage({ runtime: { openSqlite }, directory });
}

/** Copies what a power cut at this moment would leave. */
export function copyDirectory(from: string, to: string): void {
  mkdirSync(to);
  for (const name of [databaseName, walName]) {
    if (existsSync(join(from, name))) copyFileSync(join(from, name), join(to, name));
  }
}

/** Runs SQL on the database of a directory that nobody has open. */
export function runSql(directory: string, sql: string): void {
  const database = openSqlite(join(directory, databaseName));
  database.exec(sql);
  database.close();
}

/** Flips one bit of a file. */
export function flipBit(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 0x10;
  writeFileSync(path, bytes);
}

/** What a restart finds in a directory, as "t<stored term>" and runs "<term>×<entries>": "t2 1×4 2×3". */
export function logIn(directory: string): string {
  const storage = openStorage(directory);
  try {
    const { hardState, lastIndex } = storage.load(group, threeVoters);
    const counts = new Map<number, number>();
    for (const { term } of readAll(storage, lastIndex)) counts.set(term, (counts.get(term) ?? 0) + 1);
    return [`t${hardState.term}`, ...[...counts].map(([term, count]) => `${term}×${count}`)].join(" ");
  } finally {
    storage.close();
  }
}

export function sqliteWorld(): World {
  return worldOf((directory) => {
    mkdirSync(directory, { recursive: true });
    return openStorage(directory);
  }, copyDirectory);
}

/** A world of directories, one for each life: `copy` takes to the next what a power cut would leave of the last. */
export function worldOf(open: (directory: string) => Storage, copy: (from: string, to: string) => void): World {
  const root = mkdtempSync(join(tmpdir(), "proa-test-"));
  let life = 0;
  const directory = (): string => join(root, String(life));
  let storage = open(directory());
  return {
    get storage() {
      return storage;
    },
    settle: () => undefined,
    restart: () => {
      const old = { storage, directory: directory() };
      life++;
      copy(old.directory, directory());
      old.storage.close();
      storage = open(directory());
    },
    dispose: () => {
      storage.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
