/**
 * Opens a data directory: the one sequence that leads from a path to an identity and a store that may be trusted.
 *
 * The order makes every crash harmless. The lock comes first, so that two processes on an empty directory cannot both
 * create. Then `raft.db` says whose it is, then `identity.json` appears, and only then can a group be loaded and a
 * promise be made. So a store with a group and no identity has lost its identity, an identity without a store has lost
 * its promises, and neither is ever created anew (rule P13).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ProaError } from "../lib/errors.ts";
import { lockFile, type DirectoryLocation } from "./directory_lock.ts";
import { createDirectory, explainingFileErrors, namesIn } from "./files.ts";
import {
  decodeIdentity,
  encodeIdentity,
  identityFile,
  newDirectoryNumber,
  readIdentity,
  refuseForeign,
  writeIdentity,
  type Identity,
  type Owner,
} from "./identity.ts";
import { openSnapshotFiles } from "./snapshot_files.ts";
import type { SnapshotStore } from "./snapshots.ts";
import { openSqliteStorage, type SqliteStorage } from "./sqlite.ts";
import { databaseFile } from "./sqlite_database.ts";
import type { Storage } from "./storage.ts";

export interface DataDirectory {
  readonly identity: Identity;
  /** Closing it releases the directory. */
  readonly storage: Storage;
  readonly snapshots: SnapshotStore;
}

/** Where the snapshots are, in a data directory. */
export const snapshotsDirectory = "snapshots";

/**
 * Opens the directory, creating it for `expected` if it is empty or missing. The stored cluster id wins over the expected
 * one. Throws a `ProaError`: DATA_LOCKED, DATA_FOREIGN, DATA_CORRUPT, LOCAL_RESOURCE or DISK_FAILED.
 */
export function openDataDirectory(options: DirectoryLocation & { readonly expected: Owner }): DataDirectory {
  const { directory, expected } = options;
  return explainingFileErrors(`open ${directory}`, () => {
    inspect(directory, expected); // a directory that is not ours stays as it is
    createDirectory(directory);
    const storage = openSqliteStorage(options);
    try {
      const identity = settleIdentity(storage, directory, expected);
      return { identity, storage, snapshots: openSnapshotFiles(join(directory, snapshotsDirectory)) };
    } catch (error) {
      storage.close();
      throw error;
    }
  });
}

/** The identity of a directory that may be opened; null if it is to be created. Changes nothing. */
function inspect(directory: string, expected: Owner): Identity | null {
  const found = readIdentity(directory);
  const hasStore = existsSync(join(directory, databaseFile));
  if (found !== null) {
    refuseForeign(directory, found, expected);
    if (!hasStore) throw withoutStore(directory);
  } else if (!hasStore && !namesIn(directory).every(isOurs)) {
    throw new ProaError("DATA_FOREIGN", `Cannot open ${directory}: it is not empty, and no data of proa is in it`, {
      hint: "choose an empty directory, or one that does not exist",
    });
  }
  return found;
}

/** What another process that is just creating the directory may put into it. */
function isOurs(name: string): boolean {
  return name === lockFile || name.startsWith(databaseFile) || name.startsWith(identityFile);
}

/** Decides, under the lock, whose directory this is. */
function settleIdentity(storage: SqliteStorage, directory: string, expected: Owner): Identity {
  const found = inspect(directory, expected);
  if (found === null) return createIdentity(storage, directory, expected);
  if (storage.owner === null) throw withoutStore(directory);
  if (found.directoryNumber === 0) return numbered(storage, directory, found);
  if (storage.owner === encodeIdentity(found)) return found;
  throw foreignStore(storage, directory);
}

/**
 * Gives a number to a directory that was made without. The store has it first: a crash before the file has it, too, leaves
 * a number that is found here again.
 */
function numbered(storage: SqliteStorage, directory: string, found: Identity): Identity {
  if (storage.owner === encodeIdentity(found))
    storage.claim(encodeIdentity({ ...found, directoryNumber: newDirectoryNumber() }));
  const identity = decodeIdentity(directory, storage.owner ?? "");
  if (encodeIdentity({ ...identity, directoryNumber: 0 }) !== encodeIdentity(found))
    throw foreignStore(storage, directory);
  writeIdentity(directory, identity);
  return identity;
}

function foreignStore(storage: SqliteStorage, directory: string): ProaError {
  return new ProaError("DATA_FOREIGN", `Cannot open ${directory}: ${databaseFile} belongs to another node`, {
    hint: `it was written for ${storage.owner}: put every file back where it was`,
  });
}

function createIdentity(storage: SqliteStorage, directory: string, owner: Owner): Identity {
  if (storage.hasGroups) {
    throw new ProaError("DATA_FOREIGN", `Cannot open ${directory}: ${databaseFile} is there, but no ${identityFile}`, {
      hint: `put back the ${identityFile} of this directory: it held ${storage.owner}`,
    });
  }
  const identity = { ...owner, directoryNumber: newDirectoryNumber() };
  storage.claim(encodeIdentity(identity));
  writeIdentity(directory, identity);
  return identity;
}

function withoutStore(directory: string): ProaError {
  return new ProaError(
    "DATA_CORRUPT",
    `Cannot open ${directory}: ${databaseFile} is gone, and with it this node's votes`,
    {
      hint: `put ${databaseFile} back, or replace the node by one with a new id and an empty directory`,
    },
  );
}
