/**
 * `node.json` in a data directory: which process serves it. A file that outlived its process means nothing, so whoever
 * acts on it also asks whether the directory is locked.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { isPositiveInteger, readJsonObject, replaceFile } from "./state_file.ts";

export interface NodeFile {
  readonly pid: number;
  readonly id: number;
  /** `host:port` of the service port. */
  readonly service: string;
  /** `host:port` of the replicate port. */
  readonly replicate: string;
  /** When the process began to serve, as ISO 8601. */
  readonly startedAt: string;
}

/** Says that this process serves `directory`. To be called by the holder of its lock only. */
export function writeNodeFile(directory: string, file: NodeFile): void {
  const { pid, id, service, replicate, startedAt } = file;
  replaceFile(pathIn(directory), `${JSON.stringify({ pid, id, service, replicate, started_at: startedAt })}\n`);
}

/** What the latest process said; null when none did, or one said goodbye. */
export function readNodeFile(directory: string): NodeFile | null {
  const object = readJsonObject(pathIn(directory));
  if (object === null) return null;
  const { pid, id, service, replicate, started_at: startedAt } = object;
  if (!isPositiveInteger(pid) || !isPositiveInteger(id)) return null;
  if (typeof service !== "string" || typeof replicate !== "string" || typeof startedAt !== "string") return null;
  return { pid, id, service, replicate, startedAt };
}

export function removeNodeFile(directory: string): void {
  rmSync(pathIn(directory), { force: true });
}

function pathIn(directory: string): string {
  return join(directory, "node.json");
}
