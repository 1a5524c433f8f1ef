/** The clock of the machine, for real nodes: milliseconds since this process began, and the timers of the event loop. */
import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import type { Clock } from "../node/mod.ts";

/** The longest wait that a timer of the runtimes takes; longer ones would fire at once. Milliseconds. */
const timerMsMax = 0x7fff_ffff;

export const systemClock: Clock = {
  now: () => performance.now(),
  at(deadline, callback) {
    let timer = setTimeout(fire, waitMs(deadline));
    function fire(): void {
      if (performance.now() >= deadline) callback();
      else timer = setTimeout(fire, waitMs(deadline)); // it came early, as timers may by a fraction of a millisecond
    }
    return () => {
      clearTimeout(timer);
    };
  },
  defer: (callback) => {
    setImmediate(callback);
  },
};

function waitMs(deadline: number): number {
  return Math.min(timerMsMax, Math.max(0, Math.ceil(deadline - performance.now())));
}
