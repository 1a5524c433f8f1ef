/** What `proa node start` does: serves until it is told to end, and stops at once when something breaks. */
import { resolve } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import type { Context } from "../context.ts";
import { errorReport } from "../error_report.ts";
import { err } from "../output.ts";
import { startNode } from "../start_node.ts";
import { exitOfSignal, StopSignals } from "../stop_signals.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { lineLogger, type LogLevel } from "../../src/lib/logger.ts";
import type { ServerAddress } from "../../src/local/server_list.ts";
import { defaultLimits, type NodeLimits } from "../../src/node/mod.ts";

export interface NodeOptions {
  readonly id: number;
  readonly servers: readonly ServerAddress[];
  readonly data: string;
  readonly cluster: string;
  readonly electionTimeout: number | undefined;
  readonly heartbeat: number | undefined;
  readonly logLevel: LogLevel;
  readonly exitWithParent: boolean;
}

/** Runs until SIGTERM, SIGINT or, if asked for, the end of stdin; then ends the process with 143, 130 or 0. */
export async function runNode(options: NodeOptions, { runtime, output }: Context): Promise<never> {
  const { id, servers, data, cluster, logLevel } = options;
  const limits = limitsOf(options);
  crashOnSurprise(output.mode !== "table");
  const signals = new StopSignals().first.then((signal) => exitOfSignal[signal]);
  const ends = options.exitWithParent ? [signals, endOfInput().then(() => 0)] : [signals];
  const logger = lineLogger({ minLevel: logLevel, timestamp: () => new Date().toISOString(), write: err });
  const settings = { id, servers, directory: resolve(data), cluster, limits, version: packageJson.version };
  const running = await startNode(settings, { runtime, logger });
  const exit = await Promise.race(ends);
  logger.log("info", `node ${String(id)} stops`);
  await running.disposeAsync();
  process.exit(exit);
}

function limitsOf({ electionTimeout, heartbeat }: NodeOptions): NodeLimits {
  const electionTimeoutMs = electionTimeout ?? defaultLimits.electionTimeoutMs;
  const heartbeatMs = heartbeat ?? defaultLimits.heartbeatMs;
  if (electionTimeoutMs >= 3 * heartbeatMs) return { ...defaultLimits, electionTimeoutMs, heartbeatMs };
  const reason = `${String(electionTimeoutMs)} ms are less than three heartbeats of ${String(heartbeatMs)} ms`;
  throw new ProaError("USAGE", `Cannot use this election timeout: ${reason}`, { hint: "ten heartbeats are usual" });
}

/** A broken belief or a failed disk ends the process at once (crash-stop): nothing that it might still promise can be trusted. */
function crashOnSurprise(json: boolean): void {
  const crash = (error: unknown): void => {
    const { text, exit } = errorReport(error, json);
    err(text);
    process.exit(exit);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
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
