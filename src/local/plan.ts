/** Decides which nodes a local cluster has and where they listen, from what is on disk and which ports are free. */
import { ProaError } from "../lib/errors.ts";
import { readClusterFile } from "./cluster_file.ts";
import type { Layout } from "./layout.ts";
import { planPorts } from "./ports.ts";
import type { ServerAddress } from "./server_list.ts";

export interface ClusterPlan {
  readonly servers: readonly ServerAddress[];
  /** Whether no node has data yet. */
  readonly fresh: boolean;
  /** The port that made all nodes listen elsewhere than usual; null when they listen where everybody expects them. */
  readonly portTaken: number | null;
}

/** The number of nodes when nobody says and there is no data: the fewest that survive the loss of one. */
export const nodesDefault = 3;

/**
 * Plans a start. Data that exists decides about the nodes; where they listen may change from run to run. Throws when
 * `nodes` contradicts the data, when the data is incomplete, and when no ports are free.
 */
export async function planCluster(layout: Layout, nodes: number | null): Promise<ClusterPlan> {
  const withData = layout.nodeIds().filter((id) => layout.nodeHasData(id));
  const fresh = withData.length === 0;
  const count = fresh ? (nodes ?? nodesDefault) : nodesOfData(layout, withData);
  if (nodes !== null && nodes !== count) {
    throw new ProaError("USAGE", `Cannot start ${nodes} nodes: ${layout.directory} holds a cluster of ${count}`, {
      hint: `leave --nodes out to go on with it; \`proa demo down --wipe --dir ${layout.directory}\` deletes it`,
    });
  }
  const { servers, taken } = await planPorts(count);
  return { servers, fresh, portTaken: taken };
}

/** How many nodes the cluster on disk has. Throws when that is not clear, or one of them is missing. */
function nodesOfData(layout: Layout, withData: readonly number[]): number {
  const file = readClusterFile(layout);
  if (file === null) {
    throw new ProaError(
      "DATA_FOREIGN",
      `Cannot start a cluster in ${layout.directory}: it holds nodes of another one`,
      {
        hint: "choose an empty directory, or one that does not exist",
      },
    );
  }
  for (const { id } of file.servers) {
    if (withData.includes(id)) continue;
    throw new ProaError(
      "LOCAL_RESOURCE",
      `Cannot continue the cluster in ${layout.directory}: node ${id} has lost its data`,
      {
        hint: `\`proa demo down --wipe --dir ${layout.directory}\` deletes the cluster, so that a new one can start`,
      },
    );
  }
  return file.servers.length;
}
