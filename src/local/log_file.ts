/** The end of a log file, and what is appended to it later: whole lines only, however large the file is. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { hasCode } from "./processes.ts";

/** How much of a file's end is looked at. Bytes; some 10,000 lines. */
const tailBytesMax = 1024 * 1024;
const newline = 0x0a;

/** A file that grows at its end. It need not exist yet. */
export class LogFile {
  private readonly path: string;
  /** Where the first line begins that was not handed out. */
  private position = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** The last lines of the file, oldest first, at most `count`. */
  lastLines(count: number): readonly string[] {
    const range = readRange(this.path, (size) => Math.max(0, size - tailBytesMax));
    const lines = this.wholeLines(range);
    if (range.start > 0) lines.shift(); // its beginning is out of reach
    return count === 0 ? [] : lines.slice(-count);
  }

  /** Leaves out what is there now. */
  skipToEnd(): void {
    this.position = readRange(this.path, (size) => size).start;
  }

  /** The lines that were completed since the last call of any kind. Begins anew when the file was cut. */
  newLines(): readonly string[] {
    return this.wholeLines(readRange(this.path, (size) => (size < this.position ? 0 : this.position)));
  }

  private wholeLines({ bytes, start }: FileRange): string[] {
    const end = bytes.lastIndexOf(newline) + 1;
    this.position = start + end;
    return end === 0 ? [] : bytes.toString("utf8", 0, end - 1).split("\n");
  }
}

interface FileRange {
  readonly bytes: Buffer;
  /** Where in the file they begin. */
  readonly start: number;
}

function readRange(path: string, startOf: (size: number) => number): FileRange {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return { bytes: Buffer.alloc(0), start: 0 };
    throw error;
  }
  try {
    const { size } = fstatSync(descriptor);
    const start = startOf(size);
    const bytes = Buffer.alloc(size - start);
    const count = readSync(descriptor, bytes, 0, bytes.length, start);
    return { bytes: bytes.subarray(0, count), start };
  } finally {
    closeSync(descriptor);
  }
}
