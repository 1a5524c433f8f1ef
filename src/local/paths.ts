/** Where a user's local cluster keeps its state. Names paths only; creates nothing. */
import { join } from "node:path";

/** The variables of the process; XDG_STATE_HOME and HOME decide. */
export type PathEnvironment = Readonly<Record<string, string | undefined>>;

/** The directory of `proa demo`, following the XDG base directory specification; null where neither variable names a home. */
export function demoDirectory(env: PathEnvironment): string | null {
  const stateHome = env["XDG_STATE_HOME"]?.startsWith("/") ? env["XDG_STATE_HOME"] : null; // a relative one is to be ignored
  if (stateHome !== null) return join(stateHome, "proa", "demo");
  return env["HOME"] ? join(env["HOME"], ".local", "state", "proa", "demo") : null;
}

/** The file in the demo's directory that lists its service ports, one `host:port` a line, while it runs. */
export function demoEndpointsFile(env: PathEnvironment): string | null {
  const directory = demoDirectory(env);
  return directory === null ? null : join(directory, "endpoints");
}
