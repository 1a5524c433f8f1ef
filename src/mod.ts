/**
 * proa as a library: {@link connect} is a client of a cluster, {@link startNode} makes this program one of its nodes. Both
 * run on Bun and on Deno. `docs/library.md` shows them at work.
 *
 * The tour of the folders: `client` is the library; `raft` is the protocol, pure and without I/O; `node` drives it through
 * the ports that `storage`, `transport` and `runtime` give a body; `kv` is the store that the log is applied to; `wire` is
 * all that knows bytes; `api` is the service port; `local` are clusters of processes on one machine; `sim` runs all of it
 * from a seed; `lib` are the helpers of everybody.
 */
import { resolve } from "node:path";
import packageFile from "../package.json" with { type: "json" };
import { Client } from "./client/client.ts";
import type { ConnectOptions } from "./client/client.ts";
import { ProaError } from "./lib/errors.ts";
import { silentLogger } from "./lib/logger.ts";
import type { Logger } from "./lib/logger.ts";
import { formatHostPort, parseServers } from "./local/server_list.ts";
import { currentRuntime } from "./runtime/current.ts";
import { systemClock } from "./runtime/system_clock.ts";

export type {
  CallOptions,
  Client,
  Condition,
  ConditionFailed,
  ConnectOptions,
  Deleted,
  Hanging,
  HistoryOptions,
  RangeOptions,
  ReadOptions,
  WatchOptions,
  WatchSelection,
  Written,
} from "./client/client.ts";
export { KeyValue, type Bytes, type KeyStamps } from "./client/key_value.ts";
export type { Consistency, HistoryPage, KeyVersion, RangePage } from "./client/operations.ts";
export type {
  ClientLeases,
  GrantOptions,
  KeepAliveCallOptions,
  KeptLease,
  Lease,
  LeasePage,
  LeasesPage,
} from "./client/leases.ts";
export type { Lock, LockOptions } from "./client/lock.ts";
export { NotAppliedError, UnknownOutcomeError } from "./client/outcomes.ts";
export type { Selection } from "./client/selection.ts";
export type { Txn, TxnCondition, TxnOutcome, TxnStep, TxnStepResult } from "./client/txn.ts";
export type { WatchedRevision, WatchEvent } from "./client/watch.ts";
export type { GrantedLease } from "./wire/mod.ts";
export { ProaError, type Applied, type ErrorCode } from "./lib/errors.ts";
export { lineLogger, type LogFields, type Logger, type LogLevel } from "./lib/logger.ts";

/**
 * A client of the cluster that `endpoints` name. Nothing is sent until the first call, so it never fails for a cluster
 * that is not there; call {@link Client.close} in the end, or declare it with `using`.
 */
export function connect(options: ConnectOptions = {}): Client {
  return new Client(options, systemClock);
}

/** What {@link startNode} needs to know. */
export interface NodeOptions {
  /** Which of `servers` this node is. */
  readonly id: number;
  /** All nodes of the cluster: `id,host:replicatePort[,host:servicePort];…`, the same text on each of them. */
  readonly servers: string;
  /** The directory that it keeps its data in, made when it does not exist. */
  readonly data: string;
  /** The name of the cluster: nodes of another name are strangers. Default: `proa`. */
  readonly cluster?: string;
  /** What carries the messages between nodes, the same on all of them. Default: `tcp`. */
  readonly transport?: "tcp" | "udp";
  /** A file with the secret that all nodes share. Default: none, and whoever reaches the replicate port may speak. */
  readonly clusterKeyFile?: string;
  /** How long a follower hears nothing before it thinks of an election, in milliseconds. Default: 600. */
  readonly electionTimeoutMs?: number;
  /** How often a leader makes itself heard, in milliseconds: at most a third of the election timeout. Default: 100. */
  readonly heartbeatMs?: number;
  /** Told what happens to the node. Default: nobody. */
  readonly logger?: Logger;
}

/** A node that runs inside this program. */
export interface NodeHandle {
  readonly id: number;
  /** `host:port` for clients. */
  readonly service: string;
  /** `host:port` for the other nodes. */
  readonly replicate: string;
  /** Hands leadership over where it can, answers all who wait, and lets go of ports and data. May be called again. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a node that serves until it is stopped. Throws a {@link ProaError} that says what is in the way, and then leaves
 * nothing running. A node that finds its own disk broken while it runs throws where nobody catches, which ends the program:
 * nothing that it might still promise could be trusted.
 */
export async function startNode(options: NodeOptions): Promise<NodeHandle> {
  const { id, data, cluster = "proa", logger = silentLogger } = options;
  const servers = parseServers(options.servers);
  const [{ defaultLimits }, { startNode: start }] = await Promise.all([
    import("./node/mod.ts"),
    import("./start_node.ts"), // only who embeds a node loads one
  ]);
  const { electionTimeoutMs = defaultLimits.electionTimeoutMs, heartbeatMs = defaultLimits.heartbeatMs } = options;
  if (!(heartbeatMs > 0 && electionTimeoutMs >= 3 * heartbeatMs)) {
    throw new ProaError("USAGE", "Cannot start a node: the election timeout is less than three heartbeats", {
      hint: "ten heartbeats are usual",
    });
  }
  const limits = { ...defaultLimits, electionTimeoutMs, heartbeatMs };
  const transport = { kind: options.transport ?? "tcp", datagramBytes: null, keyFile: options.clusterKeyFile ?? null };
  const settings = {
    id,
    servers,
    observers: [],
    joins: null,
    directory: resolve(data),
    cluster,
    limits,
    transport,
    version: packageFile.version,
  };
  const running = await start(settings, { runtime: await currentRuntime(), logger });
  const self = servers.find((server) => server.id === id);
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> => (stopped ??= running.disposeAsync());
  return {
    id,
    service: self === undefined ? "" : formatHostPort(self.service),
    replicate: self === undefined ? "" : formatHostPort(self.replicate),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
