/** Every verb in a shell, and every route by curl: what they print, and how they end. */
import { expect, test } from "bun:test";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { proaBinary } from "../helpers/binary.ts";
import { freePorts } from "../helpers/free_port.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { withCluster } from "./cluster.ts";
import { deviations } from "./transcript.ts";

const binary = proaBinary();
const folder = dirname(fileURLToPath(import.meta.url));

/** What the transcript says and what came, where that is not the same. */
async function played(name: string, nodes: number): Promise<readonly string[]> {
  let found: readonly string[] = [];
  await withCluster(
    (cluster) =>
      inTempDirectory(async (directory) => {
        const [A, B, C, D] = (await freePorts(4)).map(String);
        const { endpoints } = cluster;
        const PATH = `${dirname(binary)}:${process.env["PATH"] ?? ""}`;
        const env = {
          PROA_TRANSPORT: process.env["PROA_TRANSPORT"],
          PATH,
          PROA_TIMEOUT: "30s",
          PROA_ENDPOINTS: endpoints,
          JOIN: endpoints,
          URL: `http://${cluster.endpoint(1)}`,
        };
        const home = { HOME: directory, XDG_STATE_HOME: join(directory, "state"), LC_ALL: "C.UTF-8" };
        found = await deviations(join(folder, name), { directory, env: { ...env, ...home, A, B, C, D } });
      }),
    nodes,
  );
  return found;
}

test("every verb does what test/e2e/verbs.txt says", async () => {
  expect(await played("verbs.txt", 3)).toEqual([]);
}, 240_000);

test("every route answers as test/e2e/routes.txt says", async () => {
  expect(await played("routes.txt", 3)).toEqual([]);
}, 240_000);
