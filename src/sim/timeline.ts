/** Virtual time: what happens next, by its time and then in the order in which it was planned. Knows nothing of what happens. */
import { assert } from "../lib/assert.ts";

/** Something that will happen. */
export class Planned {
  /** `run` is null once it is called off. */
  constructor(
    readonly time: number,
    readonly order: number,
    public run: (() => void) | null,
  ) {}

  callOff(): void {
    this.run = null;
  }
}

export class Timeline {
  /** Milliseconds since the run began. */
  now = 0;
  /** Events that have happened. */
  count = 0;
  /** A binary heap: the first one is next. */
  private readonly heap: Planned[] = [];
  private planned = 0;

  /** Plans `run` for `time`, or for now if that has passed. */
  at(time: number, run: () => void): Planned {
    assert(!Number.isNaN(time), "a time must be a number");
    const planned = new Planned(Math.max(time, this.now), this.planned++, run);
    this.insert(planned);
    return planned;
  }

  after(delayMs: number, run: () => void): Planned {
    return this.at(this.now + delayMs, run);
  }

  /** Lets the next event happen, unless it lies behind `until`. False when there was none. */
  step(until: number): boolean {
    for (let next = this.heap[0]; next !== undefined && next.time <= until; next = this.heap[0]) {
      this.removeFirst();
      if (next.run === null) continue;
      this.now = next.time;
      this.count++;
      next.run();
      return true;
    }
    this.now = Math.max(this.now, until);
    return false;
  }

  private insert(planned: Planned): void {
    const { heap } = this;
    let position = heap.length;
    heap.push(planned);
    while (position > 0) {
      const parent = (position - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, planned)) break;
      heap[position] = above;
      position = parent;
    }
    heap[position] = planned;
  }

  private removeFirst(): void {
    const { heap } = this;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let position = 0;
    for (;;) {
      const left = heap[2 * position + 1];
      const right = heap[2 * position + 2];
      const useRight = right !== undefined && left !== undefined && isBefore(right, left);
      const child = useRight ? right : left;
      if (child === undefined || isBefore(last, child)) break;
      heap[position] = child;
      position = 2 * position + (useRight ? 2 : 1);
    }
    heap[position] = last;
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}
