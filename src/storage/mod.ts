export * from "./storage.ts";
export { openDataDirectory, type DataDirectory } from "./data_directory.ts";
export { directoryInUse, lockDirectory, type DirectoryLock } from "./directory_lock.ts";
export type { Identity } from "./identity.ts";
export { MemoryStorage } from "./memory.ts";
