export * from "./storage.ts";
export { openDataDirectory, type DataDirectory } from "./data_directory.ts";
export { directoryInUse, lockDirectory, type DirectoryLock } from "./directory_lock.ts";
export type { Identity } from "./identity.ts";
export { MemoryStorage } from "./memory.ts";
export { MemorySnapshots } from "./memory_snapshots.ts";
export { openSnapshotFiles } from "./snapshot_files.ts";
export * from "./snapshots.ts";
