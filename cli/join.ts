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
 * The cluster behind `endpoints`; null when none answers and `directory` shows that the node has joined before. Throws a
 * `ProaError`, DATA_FOREIGN for an id that has left, or that votes and would come back with an empty disk (rule P13).
 */
export async function runningCluster(
  endpoints: readonly string[],
  { id, directory }: { readonly id: number; readonly directory: string },
): Promise<RunningCluster | null> {
  const isNew = readIdentity(directory) === null;
  const client = new HttpClient({ endpoints, deadline: performance.now() + patienceMs, trace: () => undefined });
  const status = await client
    .read({ method: "GET", path: "/api/status", doing: "join the cluster" })
    .catch((error: unknown) => {
      if (isNew || !(error instanceof ProaError)) throw error;
      return null;
    });
  if (status === null) return null;
  const report = parseJson(status.body);
  if (!isStatus(report)) {
    throw new ProaError("UNREACHABLE", `Cannot join the cluster: ${status.endpoint} is no node of proa`, {
      hint: "name service ports of running nodes with --join host:port,…",
    });
  }
  if (isNew) refuseForgotten(id, report.members, directory);
  return { cluster: report.cluster, clusterId: report.cluster_id, servers: report.servers };
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
