/** Complete reads and writes on a descriptor, without a stream: a pipe that is full or empty for now is waited for. */
import { readSync, writeSync } from "node:fs";

/** Writes all of `bytes`. False when nobody reads them any more. */
export function writeFully(descriptor: number, bytes: Uint8Array): boolean {
  for (let offset = 0; offset < bytes.length;) {
    try {
      offset += writeSync(descriptor, bytes, offset);
    } catch (error) {
      if (errorCode(error) === "EPIPE") return false;
      waitIfBusy(error);
    }
  }
  return true;
}

/** Reads until the end. Null when there are more than `bytesMax` bytes. */
export function readFully(descriptor: number, bytesMax: number): Uint8Array<ArrayBuffer> | null {
  let buffer = new Uint8Array(Math.min(bytesMax + 1, 64 * 1024));
  for (let length = 0; ;) {
    if (length === buffer.length) {
      if (length > bytesMax) return null;
      const grown = new Uint8Array(Math.min(bytesMax + 1, 2 * length));
      grown.set(buffer);
      buffer = grown;
    }
    const count = readSome(descriptor, buffer, length);
    if (count === 0) return length > bytesMax ? null : buffer.subarray(0, length);
    length += count;
  }
}

/** The code of a system error, such as `ENOENT`; null for any other thing. */
export function errorCode(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}

/** How many bytes were read to `offset` and behind it; 0 at the end. */
function readSome(descriptor: number, buffer: Uint8Array, offset: number): number {
  for (;;) {
    try {
      return readSync(descriptor, buffer, offset, buffer.length - offset, null);
    } catch (error) {
      if (errorCode(error) === "EOF") return 0; // how Windows ends a pipe
      waitIfBusy(error);
    }
  }
}

const waitCell = new Int32Array(new SharedArrayBuffer(4));

/** Waits a millisecond when a non-blocking descriptor is not ready, and throws every other error on. */
function waitIfBusy(error: unknown): void {
  if (errorCode(error) !== "EAGAIN") throw error;
  Atomics.wait(waitCell, 0, 0, 1);
}
