/** Files and directories that survive a power cut once these functions return (rule P10). */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { dirname, resolve, sep } from "node:path";
import { ProaError } from "../lib/errors.ts";

/** Makes `directory` and what is missing above it, for the user of this process only. */
export function createDirectory(directory: string): void {
  if (existsSync(directory)) return;
  const parent = dirname(resolve(directory));
  createDirectory(parent);
  mkdirSync(directory, { mode: 0o700, recursive: true }); // recursive: another process may be as far
  syncDirectory(parent);
}

/** Puts a file with `text` at `path`, whole or not at all. `directory` is where it lies. */
export function replaceFile(directory: string, path: string, text: string): void {
  const temporary = `${path}.tmp`;
  const file = openSync(temporary, "w", 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  syncDirectory(directory);
}

/** The text of a file; null if there is none. */
export function readTextFile(path: string): string | null {
  return existsSync(path) ? readFileSync(path, "utf8") : null;
}

/** The names in a directory; none if it does not exist. */
export function namesIn(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Runs `work`; an error of the file system becomes one for the operator of `directory`, any other is a bug and passes. */
export function explainingFileErrors<T>(directory: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof Error) || !("syscall" in cause) || !("code" in cause)) throw cause;
    const diskFailed = ["EIO", "ENOSPC", "EDQUOT"].includes(String(cause.code));
    throw new ProaError(diskFailed ? "DISK_FAILED" : "LOCAL_RESOURCE", `Cannot open ${directory}: ${cause.message}`, {
      hint: "name a directory that can be created, read and written, on a disk with free space",
      cause,
    });
  }
}

/** A rename is durable only when its directory is. Windows, where paths have backslashes, cannot open directories. */
export function syncDirectory(directory: string): void {
  if (sep === "\\") return;
  const handle = openSync(directory, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
