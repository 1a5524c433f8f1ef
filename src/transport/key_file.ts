/** Reads the secret of the cluster from its file. */
import { readFileSync } from "node:fs";
import { ProaError } from "../lib/errors.ts";
import { ClusterKey, secretBytesMin } from "./cluster_key.ts";

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** The key in the file at `path`, without the line end behind it. Throws USAGE when there is none that will do. */
export function readClusterKey(path: string): ClusterKey {
  const content = contentOf(path);
  let end = content.length;
  if (content[end - 1] === lineFeed) end--;
  if (content[end - 1] === carriageReturn) end--;
  const bytes = content.subarray(0, end);
  if (bytes.length >= secretBytesMin) return new ClusterKey(bytes);
  throw new ProaError(
    "USAGE",
    `Cannot use the cluster key in ${path}: it has ${bytes.length} bytes, and fewer than ${secretBytesMin} can be guessed`,
    { hint: `make one with: openssl rand -hex 32 > ${path}` },
  );
}

function contentOf(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const reason = error.code === "ENOENT" ? "there is no such file" : String(error.code);
    throw new ProaError("USAGE", `Cannot read the cluster key in ${path}: ${reason}`, {
      hint: `make one with: openssl rand -hex 32 > ${path}; all nodes need the same`,
      cause: error,
    });
  }
}
