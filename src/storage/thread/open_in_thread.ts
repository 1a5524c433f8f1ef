/** Opens a data directory whose log is served by a thread of its own. */
import { join } from "node:path";
import type { Runtime } from "../../runtime/runtime.ts";
import { snapshotsDirectory, type DataDirectory } from "../data_directory.ts";
import type { Owner } from "../identity.ts";
import { openSnapshotFiles } from "../snapshot_files.ts";
import { StorageThread } from "./storage_thread.ts";

/** As `openDataDirectory`, with a storage that confirms later. */
export function openInThread(options: {
  readonly start: NonNullable<Runtime["startStorageThread"]>;
  readonly directory: string;
  readonly expected: Owner;
}): DataDirectory {
  const { start, directory, expected } = options;
  const storage = new StorageThread(start);
  try {
    const identity = storage.open(directory, expected);
    return { identity, storage, snapshots: openSnapshotFiles(join(directory, snapshotsDirectory)) };
  } catch (error) {
    storage.close();
    throw error;
  }
}
