/** Files and directories that survive a power cut once these functions return (rule P10). */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { dirname, resolve, sep } from "node:path";
import { CorruptError, ProaError } from "../lib/errors.ts";

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

/** Runs `work`; an error of the file system becomes one for the operator, any other passes. */
export function explainingFileErrors<T>(action: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof Error) || !("code" in cause) || !/^E[A-Z0-9]+$/.test(String(cause.code))) throw cause;
    const diskFailed = ["EIO", "ENOSPC", "EDQUOT"].includes(String(cause.code));
    throw new ProaError(diskFailed ? "DISK_FAILED" : "LOCAL_RESOURCE", `Cannot ${action}: ${cause.message}`, {
      hint: diskFailed
        ? "see to the disk or free space, then start the node again: nothing was promised that is not on disk"
        : "the directory and its files must be readable and writable for the user that runs the node",
      cause,
    });
  }
}

/** The bytes of one file. Its owner closes it; once more does nothing. */
export interface FileBytes {
  readonly size: number;
  /**
   * Exactly `length` bytes, in a buffer that nobody else writes to; perhaps in `into`, where that is given. Throws
   * {@link CorruptError} if there are fewer.
   */
  read(range: { readonly position: number; readonly length: number; readonly into?: Uint8Array }): Uint8Array;
  close(): void;
}

/** Opens a file to be read anywhere. Throws a `ProaError`: LOCAL_RESOURCE or DISK_FAILED. */
export function openFileBytes(path: string): FileBytes {
  const file = explainingFileErrors(`read ${path}`, () => openSync(path, "r"));
  let closed = false;
  return {
    size: explainingFileErrors(`read ${path}`, () => fstatSync(file).size),
    read: (range) => explainingFileErrors(`read ${path}`, () => readFully(file, range)),
    close() {
      if (!closed) closeSync(file);
      closed = true;
    },
  };
}

function readFully(file: number, { position, length, into }: Parameters<FileBytes["read"]>[0]): Uint8Array {
  const bytes = into !== undefined && into.length >= length ? into.subarray(0, length) : new Uint8Array(length);
  for (let done = 0; done < length;) {
    const count = readSync(file, bytes, done, length - done, position + done);
    if (count === 0) throw new CorruptError("truncated");
    done += count;
  }
  return bytes;
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
