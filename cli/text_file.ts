/** Text that a verb reads whole: from a file, or from stdin. */
import { closeSync, openSync } from "node:fs";
import { errorCode, readFully } from "./descriptors.ts";
import { utf8Text } from "../src/client/key_text.ts";
import { ProaError } from "../src/lib/errors.ts";

const stdin = 0;

/** The text of the file `path`, or of stdin for `-`. Throws TOO_LARGE beyond `bytesMax`, and USAGE for what cannot be read. */
export function readText(
  path: string,
  { what, bytesMax }: { readonly what: string; readonly bytesMax: number },
): string {
  const bytes = path === "-" ? readFully(stdin, bytesMax) : readFile(path, { what, bytesMax });
  if (bytes === null) throw new ProaError("TOO_LARGE", `Cannot read ${what}: it has more than ${bytesMax} bytes`);
  const text = utf8Text(bytes);
  if (text === null) throw new ProaError("USAGE", `Cannot read ${what}: it is not UTF-8`);
  return text;
}

function readFile(
  path: string,
  { what, bytesMax }: { readonly what: string; readonly bytesMax: number },
): Uint8Array | null {
  let descriptor: number | null = null;
  try {
    descriptor = openSync(path, "r");
    return readFully(descriptor, bytesMax);
  } catch (error) {
    const code = errorCode(error);
    if (code === null) throw error;
    throw new ProaError("USAGE", `Cannot read ${what} from ${path}: ${code}`, { cause: error });
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}
