/** Waiting for a condition of the outside world that tells nobody when it changes. */

const firstPauseMs = 5;
const pauseMsMax = 100;

/** Asks `condition` until it holds; false when `deadline` came first: see {@link waitFor}. */
export async function waitUntil(deadline: number, condition: () => boolean | Promise<boolean>): Promise<boolean> {
  return (await waitFor(deadline, async () => ((await condition()) ? true : null))) ?? false;
}

/**
 * Calls `find` until it finds something, with growing pauses; null when `deadline` (on `performance.now`, milliseconds)
 * came first. It is called at least once.
 */
export async function waitFor<T>(deadline: number, find: () => T | null | Promise<T | null>): Promise<T | null> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, pauseMsMax)) {
    const found = await find();
    if (found !== null) return found;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return null;
    await sleep(Math.min(pauseMs, leftMs));
  }
}

/** Lets `durationMs` pass. */
export function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
