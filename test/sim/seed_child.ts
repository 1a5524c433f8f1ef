/** A process that runs the seeds in its arguments and prints the hashes of their traces. */
import process from "node:process";
import { runSeed } from "../../src/sim/mod.ts";

process.stdout.write(
  process.argv
    .slice(2)
    .map((seed) => runSeed(Number(seed)).traceHash)
    .join(" "),
);
