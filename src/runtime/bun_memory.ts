/** How Bun's allocator treats what is freed: a setting that it reads from the environment, and only when the process begins. */

/** How long freed memory is kept before the system gets it back. Milliseconds; -1: for good. */
const variable = "MIMALLOC_PURGE_DELAY";

/**
 * Lets this process keep the memory that it frees, by beginning anew with the setting, unless the user has set it. A node
 * under load frees and takes a hundred megabytes a second: handing them back, and having them cleared again, took a third
 * of its time. `args` are those of this program. Returns where that cannot be done.
 */
export function keepFreedMemory(args: readonly string[]): void {
  const { env, execPath, platform } = process;
  if (env[variable] !== undefined || platform === "win32" || typeof process.execve !== "function") return;
  try {
    process.execve(execPath, [process.argv0, ...args], { ...env, [variable]: "-1" });
  } catch {
    // The executable was replaced just now: it serves as well without, only slower.
  }
}
