/** The compiled executable for end-to-end tests, built when it is missing or when the sources have changed since. */
import { buildBinary } from "../../scripts/build.ts";

let path: string | null = null;

/**
 * The path of `dist/proa`, built from the sources as they were at the first call in this process. Takes about two
 * seconds when it has to build: call it at the top of a test file, where no time limit of a test runs.
 */
export function proaBinary(): string {
  path ??= buildBinary();
  return path;
}
