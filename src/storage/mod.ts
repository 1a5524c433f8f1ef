export * from "./storage.ts";
export { openDataDirectory, type DataDirectory } from "./data_directory.ts";
export { directoryInUse } from "./directory_lock.ts";
export type { Identity } from "./identity.ts";
export { MemoryStorage } from "./memory.ts";
