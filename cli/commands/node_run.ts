/** What `proa node start` does: serves until it is told to end, and stops at once when something breaks. */
import { resolve } from "node:path";
import { configFileOf } from "../config/config_file.ts";
import type { NodeSettingValues, NodeValues } from "../config/node_settings.ts";
import { resolveNode } from "../config/resolve.ts";
import type { Context } from "../context.ts";
import { runningCluster } from "../join.ts";
import { errorReport } from "../error_report.ts";
import { err } from "../output.ts";
import { placesOf } from "../places.ts";
import { startNode } from "../../src/start_node.ts";
import { productVersion } from "../version.ts";
import { exitOfSignal, StopSignals } from "../stop_signals.ts";
import { CorruptError, ProaError } from "../../src/lib/errors.ts";
import { lineLogger } from "../../src/lib/logger.ts";
import { defaultLimits, type NodeLimits } from "../../src/node/mod.ts";

export interface NodeOptions extends NodeSettingValues {
  readonly config: string | undefined;
  readonly exitWithParent: boolean;
}

/** Runs until SIGTERM, SIGINT or, if asked for, the end of stdin; then ends the process with 143, 130 or 0. */
export async function runNode(options: NodeOptions, { runtime, output, env }: Context): Promise<never> {
  runtime.prepareToServe();
  const values = resolveNode({ typed: options, env, file: configFileOf(options, env) });
  const { id, data, cluster, logLevel, mtu = null } = values;
  const limits = limitsOf(values);
  crashOnSurprise({ json: output.mode !== "table", data });
  const signals = new StopSignals().first.then((signal) => exitOfSignal[signal]);
  const ends = options.exitWithParent ? [signals, endOfInput().then(() => 0)] : [signals];
  const logger = lineLogger({ minLevel: logLevel, timestamp: () => new Date().toISOString(), write: err });
  const transport = { kind: values.transport, datagramBytes: mtu, keyFile: values.clusterKeyFile ?? null };
  const directory = resolve(data);
  const { servers, observers } = placesOf(values);
  const joins = values.join === undefined ? null : await runningCluster(values.join, { id, directory });
  const settings = {
    id,
    servers,
    observers,
    joins,
    directory,
    cluster: joins?.cluster ?? cluster,
    limits,
    transport,
    version: productVersion,
  };
  const running = await startNode(settings, { runtime, logger }).catch((error: unknown) => {
    throw explained(error, data);
  });
  const exit = await Promise.race(ends);
  logger.log("info", `node ${String(id)} stops`);
  await running.disposeAsync();
  process.exit(exit);
}

function limitsOf({ electionTimeout, heartbeat, snapshotEntries, snapshotSize }: NodeValues): NodeLimits {
  return {
    ...defaultLimits,
    electionTimeoutMs: electionTimeout,
    heartbeatMs: heartbeat,
    snapshotEntries,
    snapshotBytes: snapshotSize,
    trailingEntries: Math.min(defaultLimits.trailingEntries, Math.ceil(snapshotEntries / 10)),
    trailingBytes: Math.min(defaultLimits.trailingBytes, snapshotSize),
  };
}

/** A broken belief or a failed disk ends the process at once (crash-stop): nothing that it might still promise can be trusted. */
function crashOnSurprise({ json, data }: { readonly json: boolean; readonly data: string }): void {
  const crash = (error: unknown): void => {
    const { text, exit } = errorReport(explained(error, data), json);
    err(text);
    process.exit(exit);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
}

/** Damaged bytes that get as far as this came from our own disk: those from elsewhere are dropped where they arrive. */
function explained(error: unknown, data: string): unknown {
  if (!(error instanceof CorruptError)) return error;
  return new ProaError("DATA_CORRUPT", `Cannot go on with the data in ${data}: ${error.message}`, {
    hint: "keep the directory for inspection, and replace the node by one with a new id and an empty directory",
    cause: error,
  });
}

/** Resolves when nobody can write to our stdin any more. What is written there is ignored. */
function endOfInput(): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      resolve();
    };
    process.stdin.on("end", end).on("close", end).on("error", end).resume();
  });
}
