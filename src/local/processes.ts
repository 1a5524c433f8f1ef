/** What can be said and done about a process of this machine by its id. Never sure who it is: ids are reused. */
import { readFileSync } from "node:fs";
import { waitUntil } from "./wait.ts";

/** Whether a process with this id runs. One that has ended and was not collected by its parent does not. */
export function processRuns(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (hasCode(error, "ESRCH")) return false;
    if (hasCode(error, "EPERM")) return true; // it is there, but not ours
    throw error;
  }
  return !isZombie(pid);
}

/** Sends a signal. False when there is no such process any more. */
export function signalProcess(pid: number, signal: "SIGTERM" | "SIGKILL"): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (hasCode(error, "ESRCH")) return false;
    throw error;
  }
}

/** Waits until no process with this id runs; false when `deadline` (on {@link performance.now}) came first. */
export function processEnds(pid: number, deadline: number): Promise<boolean> {
  return waitUntil(deadline, () => !processRuns(pid));
}

/** Whether an error of the operating system carries `code`, such as `ENOENT`. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

/** Only Linux can leave one for long: in a container whose first process collects nobody. */
function isZombie(pid: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.charAt(stat.lastIndexOf(")") + 2) === "Z"; // the name before may hold anything, spaces and brackets too
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ESRCH")) return true; // it ended while we looked
    throw error;
  }
}
