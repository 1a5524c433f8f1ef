/** What a new node asks a running cluster before it joins: which one it is, and where its nodes listen. */
import { HttpClient } from "../src/client/http_client.ts";
import { isRecord, parseJson } from "../src/client/json.ts";
import { ProaError } from "../src/lib/errors.ts";
import type { Server } from "../src/raft/mod.ts";
import { readIdentity } from "../src/storage/mod.ts";

export interface RunningCluster {
  readonly cluster: string;
  readonly clusterId: string;
  readonly servers: readonly Server[];
}

/** How long the endpoints may take, in milliseconds. */
const patienceMs = 5000;

/**
 * The cluster behind `endpoints`; where none answers and the node has joined before, what `directory` knows of it: so a cluster
 * comes back after a power cut although nobody is there to be asked. Throws a `ProaError`, DATA_FOREIGN for an id that has left,
 * or that votes and would come back with an empty disk (rule P13).
 */
export async function runningCluster(
  endpoints: readonly string[],
  { id, directory }: { readonly id: number; readonly directory: string },
): Promise<RunningCluster> {
  const known = readIdentity(directory);
  let status: Status;
  try {
    status = await statusOf(endpoints);
  } catch (error) {
    if (known === null || !(error instanceof ProaError)) throw error;
    return { cluster: known.cluster, clusterId: known.clusterId, servers: [] };
  }
  const { cluster, cluster_id: clusterId, servers, members } = status;
  if (known === null) refuseForgotten(id, members, directory);
  else if (known.clusterId !== clusterId) {
    throw new ProaError("DATA_FOREIGN", `Cannot join the cluster "${cluster}": ${directory} belongs to another one`, {
      hint: "name nodes of the cluster that it belongs to, or give this node a directory of its own",
    });
  }
  return { cluster, clusterId, servers };
}

/** What the first node says that answers. */
async function statusOf(endpoints: readonly string[]): Promise<Status> {
  const client = new HttpClient({ endpoints, deadline: performance.now() + patienceMs, trace: () => undefined });
  const { body, endpoint } = await client.read({ method: "GET", path: "/api/status", doing: "join the cluster" });
  const status = parseJson(body);
  const refuse = (reason: string): ProaError =>
    new ProaError("UNREACHABLE", `Cannot join the cluster: ${endpoint} ${reason}`, {
      hint: "name service ports of running nodes with --join host:port,…",
    });
  if (!isStatus(status)) throw refuse("is no node of proa");
  if (status.removed) throw refuse("has left the cluster, and does not know who belongs to it now");
  return status;
}

function refuseForgotten(id: number, { voters, outgoing, retired }: Status["members"], directory: string): void {
  const hint = `add it under an id that was never used: proa cluster add NEW_ID host:port`;
  if (retired.includes(id)) {
    throw new ProaError("DATA_FOREIGN", `Cannot join as node ${String(id)}: that node has left the cluster for good`, {
      hint,
    });
  }
  if (![...voters, ...outgoing].includes(id)) return;
  throw new ProaError(
    "DATA_FOREIGN",
    `Cannot join as node ${String(id)}: it votes in the cluster already, and ${directory} has forgotten what it promised`,
    { hint: `proa cluster remove ${String(id)}, then ${hint}` },
  );
}

interface Status {
  readonly cluster: string;
  readonly cluster_id: string;
  readonly servers: readonly Server[];
  readonly removed: boolean;
  readonly members: {
    readonly voters: readonly number[];
    readonly outgoing: readonly number[];
    readonly retired: readonly number[];
  };
}

function isStatus(value: unknown): value is Status {
  if (!isRecord(value)) return false;
  const { members, servers } = value;
  return (
    typeof value["cluster"] === "string" &&
    typeof value["cluster_id"] === "string" &&
    typeof value["removed"] === "boolean" &&
    isRecord(members) &&
    ["voters", "outgoing", "retired"].every((name) => Array.isArray(members[name])) &&
    Array.isArray(servers) &&
    servers.every(
      (server) =>
        isRecord(server) &&
        typeof server["id"] === "number" &&
        typeof server["replicate"] === "string" &&
        typeof server["service"] === "string",
    )
  );
}
