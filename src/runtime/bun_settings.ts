/** How Bun runs a node: settings that it reads from the environment, and only when the process begins. */

/**
 * A node under load takes and frees a hundred megabytes a second; memory that the system has to clear costs more than all
 * that is done with it. And it shares its processors with others, which wait while it compiles.
 */
const settings: Readonly<Record<string, string>> = {
  /** The allocator keeps what is freed for so long, in milliseconds: under load nearly all of it is asked for again before. */
  MIMALLOC_PURGE_DELAY: "10000",
  /** And looks for what is free among what is not no more often than that: every time it finds what is about to be asked for. */
  MIMALLOC_PURGE_HOLES_MIN_INTERVAL: "10000",
  /** New memory comes in large pages, where the system has them: one fault in the place of 512. */
  MIMALLOC_ALLOW_THP: "1",
  /** The collector does not hand single pages of its blocks back. */
  BUN_JSC_decommitUnusedMarkedBlockPages: "0",
  /** The heap may grow by a third of what lives in it before it is collected, and not to four times: the store is few objects, so that takes 30 ms. */
  BUN_JSC_heapGrowthMaxIncrease: "0.3",
  /** What runs is compiled to the last degree after ten times as much as usual: else that takes a third of a node's time at first, for what is seldom run, too. */
  BUN_JSC_thresholdForFTLOptimizeAfterWarmUp: "1000000",
};

/**
 * Lets this process begin anew with the settings, unless it has them; what the user has set stays. `args` are those of
 * this program. Returns where that cannot be done.
 */
export function useSettingsOfNodes(args: readonly string[]): void {
  const { env, execPath, platform } = process;
  const isSet = Object.keys(settings).every((name) => env[name] !== undefined);
  if (isSet || platform === "win32" || typeof process.execve !== "function") return;
  try {
    process.execve(execPath, [process.argv0, ...args], { ...settings, ...env });
  } catch {
    // The executable was replaced just now: it serves as well without, only slower.
  }
}
