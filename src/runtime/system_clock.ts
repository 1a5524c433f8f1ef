/** The clock of the machine, for real nodes and clients: milliseconds since this process began, and the event loop's timers. */
import { clearTimeout, setImmediate, setTimeout } from "node:timers";

/** The longest wait that a timer of the runtimes takes; longer ones would fire at once. Milliseconds. */
const timerMsMax = 0x7fff_ffff;

/** Keeps the contract of the `Clock` of src/node. */
export const systemClock = {
  now: (): number => performance.now(),
  at(deadline: number, callback: () => void): () => void {
    const fire = (): void => {
      if (performance.now() >= deadline) callback();
      else timer = setTimeout(fire, waitMs(deadline)); // it came early, as timers may by a fraction of a millisecond
    };
    let timer = setTimeout(fire, waitMs(deadline));
    return () => {
      clearTimeout(timer);
    };
  },
  defer(callback: () => void): void {
    setImmediate(callback);
  },
} as const;

function waitMs(deadline: number): number {
  return Math.min(timerMsMax, Math.max(0, Math.ceil(deadline - performance.now())));
}
