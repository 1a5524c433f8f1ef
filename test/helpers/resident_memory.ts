/** What a process holds in memory, as Linux tells. */
import { readFileSync } from "node:fs";

/** Resident memory of the process `pid`. Bytes. Throws where there is no such process. */
export function residentBytes(pid: number): number {
  const [, kilobytes = "0"] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}
