/** Lines of a file or of stdin as they arrive, in bounded memory: nothing is read ahead of whoever takes them. */
import { createReadStream } from "node:fs";
import { errorCode } from "./descriptors.ts";
import { ProaError } from "../src/lib/errors.ts";

/** The longest line: a value of a mebibyte, each byte of it as `\u00NN` in JSON, and a key. Bytes. */
const lineBytesMax = 8 * 1024 * 1024;
/** How much is read at a time: what makes a few frames. Bytes. */
const chunkBytes = 256 * 1024;

/** One line without its end, and which one it is, from 1. */
export interface Line {
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** The lines of `path` (`-` is stdin), all that has arrived by now at a time. Throws USAGE for a file that cannot be read. */
export async function* readLines(path: string): AsyncGenerator<readonly Line[], void, void> {
  const options = { highWaterMark: chunkBytes };
  const stream = path === "-" ? createReadStream("", { ...options, fd: 0 }) : createReadStream(path, options);
  let number = 0;
  let begun: Uint8Array[] = [];
  let begunBytes = 0;
  const lineOf = (end: Uint8Array): Line => {
    const bytes = begun.length === 0 ? end : Buffer.concat([...begun, end]);
    begun = [];
    begunBytes = 0;
    return { number: ++number, bytes: bytes.at(-1) === 0x0d ? bytes.subarray(0, -1) : bytes };
  };
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      const lines: Line[] = [];
      let start = 0;
      for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
        lines.push(lineOf(chunk.subarray(start, end)));
        start = end + 1;
      }
      if (start < chunk.length) begun.push(chunk.subarray(start));
      begunBytes += chunk.length - start;
      if (begunBytes > lineBytesMax) throw tooLong(number + 1);
      if (lines.length > 0) yield lines;
    }
    if (begun.length > 0) yield [lineOf(new Uint8Array())];
  } catch (error) {
    const code = errorCode(error);
    if (code === null || error instanceof ProaError) throw error;
    throw new ProaError("USAGE", `Cannot read ${path === "-" ? "stdin" : path}: ${code}`, { cause: error });
  }
}

function tooLong(number: number): ProaError {
  return new ProaError("TOO_LARGE", `Cannot read line ${number}: it is longer than ${lineBytesMax} bytes`);
}
