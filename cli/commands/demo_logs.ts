/** `proa demo logs`: the end of the nodes' log files, and what comes after. */
import type { Context } from "../context.ts";
import { jsonLine, out } from "../output.ts";
import { clusterIn, demoCommand } from "./demo_cluster.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { LogFile } from "../../src/local/log_file.ts";
import { sleep } from "../../src/local/wait.ts";

/** How often followed files are looked at: faster than anybody reads. Milliseconds. */
const followMs = 100;

interface NodeLog {
  readonly node: number;
  readonly file: LogFile;
}

export async function showLogs(
  options: {
    readonly node: number | undefined;
    readonly lines: number;
    readonly follow: boolean;
    readonly dir: string | undefined;
  },
  context: Context,
): Promise<void> {
  const { node, lines, follow, dir } = options;
  const logs = findLogs(dir, node, context);
  const asObjects = context.output.mode === "jsonl" || (context.output.mode === "json" && follow);
  const print = (log: NodeLog, text: string): void => {
    if (asObjects) out(jsonLine({ node: log.node, line: text }));
    else out(logs.length === 1 ? `${text}\n` : `n${String(log.node)} | ${text}\n`);
  };
  if (context.output.mode === "json" && !follow) {
    out(jsonLine({ logs: logs.map((log) => ({ node: log.node, lines: log.file.lastLines(lines) })) }));
    return;
  }
  for (const log of logs) for (const line of log.file.lastLines(lines)) print(log, line);
  while (follow) {
    await sleep(followMs);
    for (const log of logs) for (const line of log.file.newLines()) print(log, line);
  }
}

function findLogs(dir: string | undefined, node: number | undefined, context: Context): readonly NodeLog[] {
  const cluster = clusterIn(dir, context);
  const { layout } = cluster;
  const nodes = layout.logIds().filter((id) => node === undefined || id === node);
  if (nodes.length > 0) return nodes.map((id) => ({ node: id, file: new LogFile(layout.nodeLog(id)) }));
  const whose = node === undefined ? "a log" : `the log of node ${String(node)}`;
  throw new ProaError("NOT_FOUND", `Cannot find ${whose}: there is none in ${layout.directory}`, {
    hint: `start a cluster with: ${demoCommand(cluster, "up", context)}`,
  });
}
