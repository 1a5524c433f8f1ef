/** Waiting for a condition of the outside world that tells nobody when it changes. */

const firstPauseMs = 5;
const pauseMsMax = 100;

/**
 * Asks `condition` until it holds, with growing pauses; false when `deadline` (on `performance.now`, milliseconds) came
 * first. It is asked at least once.
 */
export async function waitUntil(deadline: number, condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, pauseMsMax)) {
    if (await condition()) return true;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return false;
    await sleep(Math.min(pauseMs, leftMs));
  }
}

/** Lets `durationMs` pass. */
export function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
