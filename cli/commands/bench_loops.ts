/** When requests are asked: one loop for each kind of load, and one that puts every key once. */
import { sleep } from "../../src/client/http_client.ts";
import type { Lane } from "./bench_lane.ts";
import type { Load } from "./bench_load.ts";
import type { Operation } from "./bench_plan.ts";

/** Begins the load that its plan describes; it goes on until the load is stopped. */
export function startLoop(load: Load): void {
  const { loop, inFlight } = load.plan;
  switch (loop.kind) {
    case "window":
      for (const lane of load.lanes) keepFull(load, lane);
      return;
    case "callers": {
      const desks = load.lanes.map((lane) => new Desk(load, lane));
      for (let caller = 0; caller < inFlight; caller++) void call(load, desks[caller % desks.length], caller);
      return;
    }
    case "rate":
      new Schedule(load, loop.perSecond).run();
  }
}

/** A window holds at least this many frames, so that one can be on its way while another is worked on. */
const framesPerWindow = 4;

/** Sends frames until the lane has no room, and again whenever one is answered. */
function keepFull(load: Load, lane: Lane): void {
  const requestsMax = Math.min(load.requestsMax, Math.ceil(lane.window / framesPerWindow));
  while (!load.stopped && lane.room > 0) {
    const now = performance.now();
    if (lane.pausedUntil > now) return lane.afterPause(() => keepFull(load, lane));
    const count = Math.min(lane.room, requestsMax);
    load.ask(lane, { op: load.nextOperation(), count, first: now, step: 0 }, () => keepFull(load, lane));
  }
}

/** Collects what the callers of one connection ask in the same moment, so that it travels together. */
class Desk {
  private readonly waiting: Record<Operation, (() => void)[]> = { put: [], get: [] };
  private collecting = false;

  constructor(
    private readonly load: Load,
    private readonly lane: Lane,
  ) {}

  /** Resolves when the request has ended, however it did. */
  ask(op: Operation): Promise<void> {
    return new Promise((resolve) => {
      this.waiting[op].push(resolve);
      if (this.collecting) return;
      this.collecting = true;
      queueMicrotask(() => {
        this.collecting = false;
        this.flush("put");
        this.flush("get");
      });
    });
  }

  private flush(op: Operation): void {
    const { load, lane, waiting } = this;
    while (waiting[op].length > 0) {
      const callers = waiting[op].splice(0, load.requestsMax);
      load.ask(lane, { op, count: callers.length, first: performance.now(), step: 0 }, () => {
        for (const resolve of callers) resolve();
      });
    }
  }

  /** Whether nothing is to be asked for a while. */
  get isPaused(): boolean {
    return this.lane.pausedUntil > performance.now();
  }

  /** Resolves when the connection may be used. */
  async pause(): Promise<void> {
    const waitMs = this.lane.pausedUntil - performance.now();
    if (waitMs > 0) await sleep(waitMs);
  }
}

/** One caller: asks, waits for the end, and asks again. In a mixed load half of them begin with a put. */
async function call(load: Load, desk: Desk | undefined, number: number): Promise<void> {
  const { op } = load.plan;
  for (let turn = number; desk !== undefined && !load.stopped; turn++) {
    await desk.ask(op === "mixed" ? (turn % 2 === 0 ? "put" : "get") : op);
    if (desk.isPaused) await desk.pause();
  }
}

/** How often an open loop looks whose time has come. Milliseconds. */
const tickMs = 1;

/** Requests that begin at a fixed rate. Those that find no room wait, and are timed from when they should have begun. */
class Schedule {
  private readonly stepMs: number;
  private readonly startedAt = performance.now();
  private begun = 0;
  private nextLane = 0;

  constructor(
    private readonly load: Load,
    perSecond: number,
  ) {
    this.stepMs = 1000 / perSecond;
  }

  run(): void {
    if (this.load.stopped) return;
    this.sendDue();
    setTimeout(() => this.run(), tickMs);
  }

  private readonly sendDue = (): void => {
    const { load, stepMs } = this;
    if (load.stopped) return;
    const due = Math.floor((performance.now() - this.startedAt) / stepMs) + 1;
    while (this.begun < due) {
      const lane = this.freeLane();
      if (lane === null) return;
      const count = Math.min(due - this.begun, lane.room, load.requestsMax);
      const first = this.startedAt + this.begun * stepMs;
      this.begun += count;
      load.ask(lane, { op: load.nextOperation(), count, first, step: stepMs }, this.sendDue);
    }
  };

  /** The lanes take turns. */
  private freeLane(): Lane | null {
    const { lanes } = this.load;
    const now = performance.now();
    for (let tried = 0; tried < lanes.length; tried++) {
      const lane = lanes[this.nextLane++ % lanes.length];
      if (lane !== undefined && lane.room > 0 && lane.pausedUntil <= now) return lane;
    }
    return null;
  }
}

/** Puts every key once, so that gets find something. Ends early when the load is stopped. */
export async function fillKeys(load: Load): Promise<void> {
  const { keyCount } = load.plan;
  let next = 0;
  const fillLane = async (lane: Lane): Promise<void> => {
    while (next < keyCount && !load.stopped) {
      const range = { first: next, count: Math.min(load.requestsMax, keyCount - next) };
      next += range.count;
      await fillRange(load, lane, range);
    }
  };
  await Promise.all(load.lanes.flatMap((lane) => Array.from({ length: framesPerWindow }, () => fillLane(lane))));
}

/** Puts some keys, again and again until it is done. */
async function fillRange(
  load: Load,
  lane: Lane,
  range: { readonly first: number; readonly count: number },
): Promise<void> {
  while (!load.stopped) {
    const end = await new Promise((resolve) => load.fill(lane, range, resolve));
    if (end === "ok") return;
    await sleep(Math.max(0, lane.pausedUntil - performance.now()));
  }
}
