/** `cluster.json`: which nodes a local cluster was last started with, where, and who looks after them. It outlives them. */
import type { Layout } from "./layout.ts";
import { formatServers, parseServers, type ServerAddress } from "./server_list.ts";
import { readJsonObject, replaceFile } from "./state_file.ts";

export interface ClusterFile {
  readonly mode: ClusterMode;
  readonly servers: readonly ServerAddress[];
  /** What carries the messages between the nodes. */
  readonly transport: TransportKind;
  /** As ISO 8601. */
  readonly startedAt: string;
}

/**
 * - `foreground`: the nodes belong to a process that holds the lock.
 * - `background`: they belong to nobody, and run until they are stopped.
 * - `down`: they were stopped.
 */
export type ClusterMode = "foreground" | "background" | "down";

export type TransportKind = "tcp" | "udp";

/** Publishes the cluster, and its service ports as the default endpoints of every command. */
export function writeClusterFile(layout: Layout, file: ClusterFile): void {
  const { mode, servers, transport, startedAt } = file;
  replaceFile(
    layout.clusterFile,
    `${JSON.stringify({ mode, servers: formatServers(servers), transport, started_at: startedAt })}\n`,
  );
}

/** What was last started here; null when nothing ever was. */
export function readClusterFile(layout: Layout): ClusterFile | null {
  const object = readJsonObject(layout.clusterFile);
  if (object === null) return null;
  const { mode, servers, transport = "tcp", started_at: startedAt } = object;
  if (mode !== "foreground" && mode !== "background" && mode !== "down") return null;
  if (transport !== "tcp" && transport !== "udp") return null;
  if (typeof servers !== "string" || typeof startedAt !== "string") return null;
  return { mode, servers: parseServers(servers), transport, startedAt };
}
