/** The process that serves a data directory: found without trusting files, ended with patience. */
import type { Runtime } from "../runtime/runtime.ts";
import { directoryInUse } from "../storage/mod.ts";
import { readNodeFile, type NodeFile } from "./node_file.ts";
import { processEnds, processRuns, signalProcess } from "./processes.ts";

/** How long a node may take to end in order before it is ended by force. Milliseconds. */
export const stopPatienceMs = 5000;

/**
 * The process that serves `directory` now; null when none does. What `node.json` says counts only while its process
 * runs and the directory is locked, because ids of processes are reused.
 */
export function findNode(runtime: Pick<Runtime, "openSqlite">, directory: string): NodeFile | null {
  const file = readNodeFile(directory);
  if (file === null || !processRuns(file.pid)) return null;
  return directoryInUse({ runtime, directory }) ? file : null;
}

/** Asks a node to end, and waits for it. False when it still runs at `deadline` (on `performance.now`). */
export async function stopNode({ pid }: { readonly pid: number }, deadline: number): Promise<boolean> {
  return !signalProcess(pid, "SIGTERM") || (await processEnds(pid, deadline));
}

/** Ends a node as a power cut would, and waits until it is gone. False when it still is at `deadline`. */
export async function killNode({ pid }: { readonly pid: number }, deadline: number): Promise<boolean> {
  return !signalProcess(pid, "SIGKILL") || (await processEnds(pid, deadline));
}
