/** The connections of a load and what is under way on them. Decides nothing about when to ask: counts how it ended. */
import type { Frame, FrameMaker } from "./bench_frames.ts";
import { type FrameEnd, Lane } from "./bench_lane.ts";
import type { BenchPlan, Operation } from "./bench_plan.ts";
import type { Route } from "./bench_route.ts";
import type { Counters, Starts } from "./bench_tally.ts";

/** A frame holds at most about this much; a node refuses one that is larger than its limit of messages. Bytes. */
const frameBytesMax = 256 * 1024;
/** A frame holds at most this many requests: with more the first of them would wait for the last. */
const frameRequestsMax = 512;
/** Bytes of a request besides its value, about. */
const requestOverheadBytes = 64;

export class Load {
  readonly lanes: readonly Lane[];
  /** The most requests in one frame. */
  readonly requestsMax: number;
  stopped = false;
  private inFlight = 0;
  private frames = 0;
  private onIdle: (() => void) | null = null;

  constructor(
    readonly plan: BenchPlan,
    private readonly ports: { readonly route: Route; readonly frames: FrameMaker; readonly counters: Counters },
  ) {
    const { connections, inFlight, consistency, valueBytes } = plan;
    this.lanes = Array.from({ length: connections }, (_, number) => {
      const window = Math.floor(inFlight / connections) + (number < inFlight % connections ? 1 : 0);
      return new Lane({ number, window, route: ports.route, frames: ports.frames, consistency });
    });
    const fitting = Math.max(1, Math.floor(frameBytesMax / (valueBytes + requestOverheadBytes)));
    this.requestsMax = Math.min(fitting, frameRequestsMax);
  }

  /** What the next frame is to do: in a mixed load puts and gets take turns. */
  nextOperation(): Operation {
    const { op } = this.plan;
    if (op !== "mixed") return op;
    return ++this.frames % 2 === 0 ? "get" : "put";
  }

  /** Sends `count` requests of the plan; `done` is called once they have ended, perhaps before this returns. */
  ask(
    lane: Lane,
    requests: { readonly op: Operation; readonly count: number } & Starts,
    done: (end: FrameEnd) => void,
  ): void {
    this.send(lane, this.ports.frames.frame(requests.op, requests.count), (end) => {
      this.ports.counters.record(end, requests);
      done(end);
    });
  }

  /** Puts `count` keys from number `first` on, without counting it. */
  fill(
    lane: Lane,
    { first, count }: { readonly first: number; readonly count: number },
    done: (end: FrameEnd) => void,
  ) {
    this.send(lane, this.ports.frames.fill(first, count), done);
  }

  /** Asks for nothing more, and waits until all that was asked is answered or given up. */
  async stop(): Promise<void> {
    this.stopped = true;
    if (this.inFlight > 0) await new Promise<void>((resolve) => (this.onIdle = resolve));
    for (const lane of this.lanes) lane.close();
    this.ports.route.close();
  }

  private send(lane: Lane, frame: Frame, done: (end: FrameEnd) => void): void {
    this.inFlight += frame.count;
    lane.send(frame, (end) => {
      this.inFlight -= frame.count;
      done(end);
      if (this.inFlight === 0) this.onIdle?.();
    });
  }
}
