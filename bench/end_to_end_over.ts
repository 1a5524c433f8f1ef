/**
 * Runs the end-to-end tests with clusters that have one protocol to talk by, in a network namespace (as root):
 *
 *     bun bench/end_to_end_over.ts udp [test files]
 *     bun bench/end_to_end_over.ts tcp [test files]
 *
 * Every packet of the other protocol to a replicate port is dropped. Default: all files of test/e2e that start real nodes
 * as RealCluster does. Ends with the status of the tests.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onlyProtocol } from "../test/e2e/cluster.ts";
import { enterNamespaces } from "../test/e2e/namespaces.ts";

const folder = fileURLToPath(new URL("../test/e2e/", import.meta.url));

enterNamespaces(fileURLToPath(import.meta.url));
const [protocol = "udp", ...named] = process.argv.slice(2);
if (protocol !== "udp" && protocol !== "tcp") throw new Error(`Cannot run over ${protocol}: udp and tcp are there`);
const { status } = spawnSync(
  process.execPath,
  ["test", "--timeout", "180000", ...(named.length > 0 ? named : filesWithClusters())],
  { stdio: "inherit", env: { ...process.env, PROA_TRANSPORT: protocol, [onlyProtocol]: protocol } },
);
process.exit(status ?? 1);

/** network_test.ts makes namespaces of its own; deno_node_test.ts says itself which protocol it is for. */
function filesWithClusters(): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith("_test.ts") && name !== "network_test.ts" && name !== "deno_node_test.ts")
    .map((name) => join(folder, name))
    .filter((path) => /RealCluster|withCluster/.test(readFileSync(path, "utf8")));
}
