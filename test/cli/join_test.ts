/** What a node that is to join learns from a running cluster, and what it is refused. */
import { expect, test } from "bun:test";
import { runningCluster } from "../../cli/join.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { writeIdentity } from "../../src/storage/identity.ts";
import { desertedEndpoint, foreignNode, ok, withServers } from "../client/foreign_server.ts";
import type { ForeignServer } from "../client/foreign_server.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";

const clusterId = "0123456789abcdef0123456789abcdef";
const servers = [1, 2].map((id) => ({ id, replicate: `h:400${id}`, service: `h:500${id}` }));

function node(more: object = {}): Promise<ForeignServer> {
  const members = { voters: [1, 2], outgoing: [3], learners: [4], learners_next: [], retired: [9] };
  return foreignNode(() => ok({ cluster: "shop", cluster_id: clusterId, removed: false, servers, members, ...more }));
}

/** Code and message of the refusal. */
async function refused(endpoint: string, id: number, directory: string): Promise<string> {
  const error = await runningCluster([endpoint], { id, directory }).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof ProaError) return `${error.code} ${error.message}; ${error.hint ?? ""}`;
  throw new Error("it was not refused");
}

test("a new node learns which cluster it is, and where its nodes listen", () =>
  inTempDirectory((directory) =>
    withServers([node()], async ({ endpoint }) => {
      const cluster = { cluster: "shop", clusterId, servers };
      expect(await runningCluster([endpoint], { id: 5, directory })).toEqual(cluster);
      expect(await runningCluster([await desertedEndpoint(), endpoint], { id: 4, directory })).toEqual(cluster);
    }),
  ));

test("an id that has left, or that votes without its disk, does not come back (rule P13)", () =>
  inTempDirectory((directory) =>
    withServers([node()], async ({ endpoint }) => {
      expect(await refused(endpoint, 9, directory)).toMatch(
        /^DATA_FOREIGN Cannot join as node 9: .*has left.*never used/,
      );
      for (const id of [2, 3])
        expect(await refused(endpoint, id, directory)).toMatch(
          /^DATA_FOREIGN Cannot join as node \d: it votes in the cluster already, .*; proa cluster remove \d, then add it under/,
        );
      writeIdentity(directory, { clusterId, cluster: "shop", nodeId: 2, directoryNumber: 7 });
      expect((await runningCluster([endpoint], { id: 2, directory })).clusterId).toBe(clusterId);
    }),
  ));

test("who has joined before goes on with what it knows where nobody answers; a new node does not", () =>
  inTempDirectory(async (directory) => {
    const endpoint = await desertedEndpoint();
    expect(await refused(endpoint, 5, directory)).toContain("UNREACHABLE");
    writeIdentity(directory, { clusterId, cluster: "shop", nodeId: 5, directoryNumber: 7 });
    expect(await runningCluster([endpoint], { id: 5, directory })).toEqual({ cluster: "shop", clusterId, servers: [] });
  }));

test("a directory of another cluster is refused, and so is who cannot tell", () =>
  inTempDirectory(async (directory) => {
    await withServers([foreignNode(() => ok({})), node({ removed: true })], async (stranger, gone) => {
      expect(await refused(stranger.endpoint, 5, directory)).toContain("is no node of proa");
      expect(await refused(gone.endpoint, 5, directory)).toContain("has left the cluster");
    });
    await withServers([node()], async ({ endpoint }) => {
      writeIdentity(directory, {
        clusterId: clusterId.replace("0", "f"),
        cluster: "shop",
        nodeId: 5,
        directoryNumber: 7,
      });
      expect(await refused(endpoint, 5, directory)).toMatch(
        /^DATA_FOREIGN Cannot join the cluster "shop": .* another one/,
      );
    });
  }));
