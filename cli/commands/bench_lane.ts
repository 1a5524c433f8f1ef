/** One connection of `proa bench`. Goes where the leader is, and pauses where nobody serves; never sends a frame twice. */
import { RpcConnection } from "../../src/client/rpc_connection.ts";
import type { RpcOutcome } from "../../src/client/rpc_connection.ts";
import { systemClock } from "../../src/runtime/system_clock.ts";
import type { Frame, FrameMaker } from "./bench_frames.ts";
import type { Consistency } from "./bench_plan.ts";
import type { Route } from "./bench_route.ts";

/** How the requests of a frame ended, all in the same way. */
export type FrameEnd = "ok" | "notApplied" | "unknown";

/** How long a request may take before its outcome counts as unknown. Milliseconds. */
const requestMs = 5000;
const connectMs = 1000;
/** How long nothing is asked after a refusal: whoever asks again at once adds to the load that was too much. Milliseconds. */
const pauseMs = 10;

export class Lane {
  /** Requests that are not answered. */
  inFlight = 0;
  /** Until when nothing is to be sent, on the clock of `performance.now()`. */
  pausedUntil = 0;
  private waking = false;
  private connection: RpcConnection | null = null;
  private endpoint = "";

  constructor(
    private readonly options: {
      readonly number: number;
      readonly window: number;
      readonly route: Route;
      readonly frames: FrameMaker;
      readonly consistency: Consistency;
    },
  ) {}

  /** How many more requests may be sent. */
  get room(): number {
    return this.options.window - this.inFlight;
  }

  /** The most requests that are unanswered at a time. */
  get window(): number {
    return this.options.window;
  }

  /** Calls `resume` once the pause is over; once for all who ask meanwhile. */
  afterPause(resume: () => void): void {
    if (this.waking) return;
    this.waking = true;
    setTimeout(
      () => {
        this.waking = false;
        resume();
      },
      Math.max(1, this.pausedUntil - performance.now()),
    );
  }

  /** Sends `frame`; `done` is called once, perhaps before this returns. */
  send(frame: Frame, done: (end: FrameEnd) => void): void {
    const { op, count, body } = frame;
    const connection = this.open();
    this.inFlight += count;
    connection.request(
      {
        kind: op === "put" ? "write" : "read",
        consistency: op === "put" ? "linearizable" : this.options.consistency,
        hops: 0,
        group: 0,
        timeoutMs: requestMs,
        count,
        body,
      },
      (outcome) => {
        this.inFlight -= count;
        done(this.endOf(frame, outcome));
      },
    );
  }

  close(): void {
    this.connection?.close();
  }

  /** The connection to where the route leads now. One that is left behind is closed when all it was asked is answered. */
  private open(): RpcConnection {
    const endpoint = this.options.route.endpointOf(this.options.number);
    if (this.connection !== null && (endpoint === this.endpoint || this.inFlight > 0)) return this.connection;
    this.connection?.close();
    this.endpoint = endpoint;
    this.connection = new RpcConnection({ endpoint, timers: systemClock, connectTimeoutMs: connectMs });
    return this.connection;
  }

  private endOf(frame: Frame, outcome: RpcOutcome): FrameEnd {
    if (outcome.kind === "done") {
      this.options.frames.readAnswers(frame, outcome.response.body);
      return "ok";
    }
    this.pausedUntil = performance.now() + pauseMs;
    this.options.route.onTrouble(outcome);
    const end = endWithoutAnswer(outcome);
    for (const record of frame.recorded) {
      if (end === "unknown") record.lost();
      else record.refused();
    }
    return end;
  }
}

function endWithoutAnswer(outcome: Exclude<RpcOutcome, { kind: "done" }>): FrameEnd {
  switch (outcome.kind) {
    case "notSent":
      return "notApplied";
    case "lost":
      return "unknown";
    case "refused":
      if (outcome.response.status === "invalid") throw outcome.error;
      return outcome.error.applied === "no" ? "notApplied" : "unknown";
  }
}
