/** Small files that tell other processes what runs here: written whole or not at all, read with suspicion. */
import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { isRecord, parseJson } from "../client/json.ts";
import { hasCode } from "./processes.ts";

/** Replaces the file at once: a reader sees the old text or the new one. Its directory must exist. */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: 0o600, flag: "wx" });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** The JSON object in a file; null when there is no such file or its text is not a JSON object. */
export function readJsonObject(path: string): Readonly<Record<string, unknown>> | null {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return null;
    throw error;
  }
  const value = parseJson(bytes);
  return isRecord(value) ? value : null;
}

/** Whether `value` can be a process id or a node id. */
export function isPositiveInteger(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}
