/**
 * Makes the data directory of a node whose log begins with a snapshot of another cluster. `identity.json` comes last: without
 * it no node starts on a directory that has a group, so one that was left half done is never taken for a node of anything.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ProaError } from "../lib/errors.ts";
import type { GroupId, Index, Membership, Term } from "../raft/mod.ts";
import { snapshotsDirectory } from "./data_directory.ts";
import type { DirectoryLocation } from "./directory_lock.ts";
import { createDirectory, explainingFileErrors, namesIn } from "./files.ts";
import { encodeIdentity, newDirectoryNumber, writeIdentity, type Owner } from "./identity.ts";
import { openSnapshotFiles } from "./snapshot_files.ts";
import { openSqliteStorage } from "./sqlite.ts";

export interface Restoring {
  readonly owner: Owner;
  readonly group: GroupId;
  /** Where the snapshot was taken: there the log of the new node begins. */
  readonly index: Index;
  readonly term: Term;
  /** Who belongs to the new cluster. */
  readonly membership: Membership;
  /** Hands the image over, slice by slice. What it throws undoes everything. */
  readonly copyImage: (append: (slice: Uint8Array) => void) => void;
}

/**
 * Makes the directory, which must be empty or missing, and durable when this returns. Throws a `ProaError`: DATA_FOREIGN,
 * LOCAL_RESOURCE or DISK_FAILED; then the directory is as it was.
 */
export function createRestoredDirectory({ runtime, directory }: DirectoryLocation, restoring: Restoring): void {
  const existed = existsSync(directory);
  explainingFileErrors(`restore to ${directory}`, () => {
    refuseUsed(directory);
    createDirectory(directory);
    try {
      fill({ runtime, directory }, restoring);
    } catch (error) {
      for (const name of namesIn(directory)) rmSync(join(directory, name), { recursive: true, force: true });
      if (!existed) rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  });
}

function refuseUsed(directory: string): void {
  if (namesIn(directory).length === 0) return;
  throw new ProaError("DATA_FOREIGN", `Cannot restore to ${directory}: it is not empty`, {
    hint: "a snapshot is restored to a directory that is empty or does not exist; no data is ever overwritten",
  });
}

function fill(location: DirectoryLocation, { owner, group, index, term, membership, copyImage }: Restoring): void {
  const { directory } = location;
  const identity = { ...owner, directoryNumber: newDirectoryNumber() };
  const storage = openSqliteStorage(location);
  try {
    const snapshots = openSnapshotFiles(join(directory, snapshotsDirectory));
    const writer = snapshots.create({ group, index, term, membership });
    try {
      copyImage((slice) => writer.append(slice));
      writer.commit();
    } finally {
      writer.abort();
    }
    storage.claim(encodeIdentity(identity));
    storage.load(group, membership);
    const place = { index, term };
    storage.persist([
      {
        group,
        seq: 1,
        hardState: { term, vote: null },
        truncateFrom: null,
        compaction: { compacted: place, snapshot: place, membership },
        entries: [],
        thenSend: [],
      },
    ]);
    writeIdentity(directory, identity);
  } finally {
    storage.close();
  }
}
