/**
 * From many calls to few frames: what is called in one tick of the event loop leaves together, and what is refused is
 * tried again until its deadline. A write that was sent and not answered is never repeated here (rule C2).
 */
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError, ProaError } from "../lib/errors.ts";
import type { ErrorCode } from "../lib/errors.ts";
import { RingQueue } from "../lib/ring_queue.ts";
import { Deadlines } from "./deadlines.ts";
import { Frame, frameBytesMax } from "./frame.ts";
import type { Call, Operation } from "./frame.ts";
import { defaultCommandLimits } from "../wire/mod.ts";
import type { RpcStatus } from "../wire/mod.ts";
import { outcomeError } from "./outcomes.ts";
import type { ClientClock, Route, Router } from "./router.ts";
import type { RpcOutcome } from "./rpc_connection.ts";

/** How long a call may take, and what may end it before. */
export interface CallLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | null;
}

export interface PipelineOptions {
  readonly router: Router;
  readonly clock: ClientClock;
}

/** What may be under way before calls wait here: enough for the bandwidth of any network times its delay. Bytes. */
const flightBytesMax = 16 * 1024 * 1024;
/** How long one node may keep a read from the others, in milliseconds; doubles with each try. */
const readShareMs = 1000;
/** The longest time that a node lets a request wait, in milliseconds. */
const timeoutMsMax = 60_000;
/** The pauses before a refused frame is sent again, in milliseconds. */
const pauseMs = { first: 10, longest: 400 };

export class Pipeline {
  private readonly options: PipelineOptions;
  private readonly queue = new RingQueue<Call>();
  private readonly deadlines: Deadlines<Call>;
  private readonly writer = new ByteWriter(frameBytesMax);
  private flushDeferred = false;
  private flyingBytes = 0;
  /** What the answer to one query took of late: reads are bounded by what comes back. Bytes. */
  private answerBytes = 0;
  private closed = false;

  constructor(options: PipelineOptions) {
    this.options = options;
    this.deadlines = new Deadlines(options.clock, (call) => {
      this.expire(call);
    });
  }

  /** Rejects with {@link NotAppliedError} or {@link UnknownOutcomeError}, or with the reason of the signal where nothing was sent. */
  run<T>(operation: Operation<T>, limits: CallLimits): Promise<T> {
    const { signal } = limits;
    return new Promise((resolve: (value: T) => void, reject: (error: unknown) => void) => {
      if (signal?.aborted === true) return reject(reasonOf(signal));
      if (this.closed) return reject(outcomeError(closedError(operation.doing)));
      const call: Call = {
        operation,
        deadline: this.options.clock.now() + limits.timeoutMs,
        resolve: (value) => {
          resolve(value as T); // what the operation itself decoded
        },
        reject,
        release: signal === null ? null : onAbort(signal, () => this.abort(call, signal)),
        phase: "waiting",
        flyingBytes: 0,
        refusal: null,
      };
      this.deadlines.add(call);
      this.queue.push(call);
      this.deferFlush();
    });
  }

  /** Ends all calls: those that were sent as unknown, the others as not applied. */
  close(): void {
    this.closed = true;
    for (const call of this.deadlines.clear()) {
      const { doing, kind } = call.operation;
      const mayHaveLeft = call.phase === "sent" && kind === "write";
      this.fail(call, mayHaveLeft ? unknownOutcome(doing, "the client was closed") : closedError(doing));
    }
    this.queue.clear();
  }

  private deferFlush(): void {
    if (this.flushDeferred) return;
    this.flushDeferred = true;
    this.options.clock.defer(() => {
      this.flushDeferred = false;
      this.flush();
    });
  }

  /** Puts what waits into frames, one kind each, until enough is under way. */
  private flush(): void {
    const open = new Map<string, Frame>();
    while (this.flyingBytes < flightBytesMax) {
      const call = this.queue.shift();
      if (call === undefined) break;
      if (call.phase === "ended") continue;
      const { kind, consistency } = call.operation;
      const bytes = kind === "read" ? Math.max(call.operation.bytes, this.answerBytes) : call.operation.bytes;
      const lane = `${kind} ${consistency}`;
      let frame = open.get(lane);
      if (frame?.hasRoomFor(bytes) !== true) {
        if (frame !== undefined) this.launch(frame);
        frame = this.newFrame();
        open.set(lane, frame);
      }
      call.flyingBytes = bytes;
      this.flyingBytes += bytes;
      frame.add(call);
    }
    for (const frame of open.values()) this.launch(frame);
  }

  private newFrame(): Frame {
    return new Frame((frame, route) => {
      this.send(frame, route);
    });
  }

  private launch(frame: Frame): void {
    if (!this.closed && frame.isWaiting) this.options.router.seek(frame);
  }

  private send(frame: Frame, { endpoint, connection }: Route): void {
    const { clock, router } = this.options;
    const { writer } = this;
    frame.removeEnded();
    const { kind, consistency } = frame.first;
    writer.reset();
    for (const call of frame.calls) {
      call.operation.encode(writer);
      call.phase = "sent";
    }
    const remainingMs = Math.min(timeoutMsMax, Math.max(1, Math.ceil(frame.deadline - clock.now())));
    const timeoutMs = kind === "read" ? Math.min(remainingMs, readShareMs * 2 ** frame.tries) : remainingMs;
    const request = { kind, consistency, hops: 0, group: 0, timeoutMs, count: frame.calls.length, body: writer.peek() };
    connection.request(request, (outcome) => {
      if ("response" in outcome) router.onAnswer(endpoint, outcome.response.leader);
      this.onOutcome(frame, endpoint, outcome);
    });
  }

  private onOutcome(frame: Frame, endpoint: string, outcome: RpcOutcome): void {
    switch (outcome.kind) {
      case "done":
        this.complete(frame, endpoint, outcome.response.body);
        return;
      case "refused":
        this.onRefused(frame, endpoint, outcome.error, outcome.response.status);
        return;
      case "notSent":
        this.retry(frame, endpoint, unreachable(frame.first.doing, `${endpoint}: ${outcome.reason}`));
        return;
      case "lost":
        this.options.router.onFailure(endpoint, outcome.reason);
        if (frame.first.kind === "read") this.readAgain(frame);
        else {
          this.failAll(frame, ({ doing }) => unknownOutcome(doing, `${endpoint}: ${outcome.reason}`));
        }
    }
  }

  private complete(frame: Frame, endpoint: string, body: Uint8Array): void {
    const reader = new ByteReader(body);
    if (frame.first.kind === "read") this.answerBytes = Math.ceil(body.length / frame.calls.length);
    for (const call of frame.calls) {
      try {
        const value = call.operation.decode(reader);
        if (this.end(call)) call.resolve(value);
      } catch (error) {
        if (error instanceof CorruptError) {
          this.failAll(frame, (operation) => damagedAnswer(operation, `${endpoint}: ${error.message}`));
          return;
        }
        if (!(error instanceof ProaError)) throw error;
        this.fail(call, error); // the answer says why it is none, and the next one follows it
      }
    }
  }

  private onRefused(frame: Frame, endpoint: string, error: ProaError, status: RpcStatus): void {
    if (status === "invalid" && frame.calls.length > 1) {
      this.split(frame); // one of them spoils it
    } else if (frame.first.kind === "read" && error.code === "OVERLOADED" && frame.calls.length > 1) {
      this.readAgain(frame); // their answers may be too large together
    } else if (status === "notApplied" && passingCodes.has(error.code)) {
      this.retry(frame, error.code === "OVERLOADED" ? null : endpoint, error);
    } else this.failAll(frame, () => error);
  }

  /** Sends the halves of a frame by themselves; nothing of it has taken effect. */
  private split(frame: Frame): void {
    const middle = frame.calls.length >> 1;
    const halves = [this.newFrame(), this.newFrame()] as const;
    for (const [at, call] of frame.calls.entries()) {
      if (call.phase === "sent") call.phase = "waiting";
      halves[at < middle ? 0 : 1].add(call);
    }
    for (const half of halves) this.launch(half);
  }

  /** Sends reads again in the smallest portions: what came back may have been too much for the node or the connection. */
  private readAgain(frame: Frame): void {
    this.answerBytes = defaultCommandLimits.valueBytesMax;
    for (const call of frame.calls) {
      if (call.phase === "ended") continue;
      call.phase = "waiting";
      this.queue.push(call);
      this.takeOff(call);
    }
  }

  /** Nothing of `frame` has taken effect: it is sent again, elsewhere unless `failed` is null. */
  private retry(frame: Frame, failed: string | null, refusal: ProaError): void {
    const { clock, router } = this.options;
    if (failed !== null) router.onFailure(failed, refusal.message);
    for (const call of frame.calls) {
      if (call.phase === "sent") call.phase = "waiting";
      call.refusal = refusal;
    }
    if (!frame.isWaiting) return;
    const delayMs = Math.min(pauseMs.first * 2 ** frame.tries, pauseMs.longest);
    frame.tries++;
    clock.at(clock.now() + delayMs, () => {
      this.launch(frame);
    });
  }

  private failAll(frame: Frame, errorOf: (operation: Operation<unknown>) => ProaError): void {
    for (const call of frame.calls) this.fail(call, errorOf(call.operation));
  }

  private expire(call: Call): void {
    const { operation, refusal, phase } = call;
    const { tried } = this.options.router;
    if (phase === "sent" && operation.kind === "write") {
      this.fail(call, unknownOutcome(operation.doing, "no answer in time"));
    } else this.fail(call, refusal ?? nobodyServes(operation.doing, tried));
  }

  private abort(call: Call, signal: AbortSignal): void {
    const mayHaveLeft = call.phase === "sent" && call.operation.kind === "write";
    if (mayHaveLeft) this.fail(call, unknownOutcome(call.operation.doing, "it was aborted", signal.reason));
    else if (this.end(call)) call.reject(reasonOf(signal));
  }

  private fail(call: Call, error: ProaError): void {
    if (this.end(call)) call.reject(outcomeError(error));
  }

  /** False when it has ended before. */
  private end(call: Call): boolean {
    if (call.phase === "ended") return false;
    call.phase = "ended";
    call.release?.();
    this.deadlines.delete(call);
    this.takeOff(call);
    return true;
  }

  /** `call` is not under way any more: others may take its room. */
  private takeOff(call: Call): void {
    this.flyingBytes -= call.flyingBytes;
    call.flyingBytes = 0;
    if (this.queue.length > 0) this.deferFlush();
  }
}

/** What passes by itself, or is different elsewhere. */
export const passingCodes: ReadonlySet<ErrorCode> = new Set([
  "NO_LEADER",
  "NOT_LEADER",
  "NO_QUORUM",
  "OVERLOADED",
  "TRANSFERRING",
  "STOPPING",
  "TOO_MANY_HOPS",
  "READ_TIMEOUT",
]);

/** Calls `abort` when `signal` says so; returns how to prevent that. */
function onAbort(signal: AbortSignal, abort: () => void): () => void {
  signal.addEventListener("abort", abort, { once: true });
  return () => {
    signal.removeEventListener("abort", abort);
  };
}

/** What a call that `signal` ended rejects with: what the program gave as the reason, where that is an error. */
function reasonOf({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new DOMException("the call was aborted", "AbortError");
}

const seeStatus = "see which nodes serve: proa cluster status";

function unreachable(doing: string, tried: string): ProaError {
  return new ProaError("UNREACHABLE", `Cannot ${doing}: no node answers`, { hint: seeStatus, tried: [tried] });
}

function nobodyServes(doing: string, tried: readonly string[]): ProaError {
  const [code, reason] = tried.some((line) => line.endsWith("it knows no leader"))
    ? (["NO_LEADER", "no node knows a leader"] as const)
    : (["UNREACHABLE", "no node answers"] as const);
  return new ProaError(code, `Cannot ${doing}: ${reason}`, { hint: seeStatus, tried });
}

function unknownOutcome(doing: string, tried: string, cause?: unknown): ProaError {
  const text = `Cannot tell whether it took effect: ${doing} was sent, and no answer came`;
  const detail = { hint: "read before you write again", tried: [tried], ...(cause === undefined ? {} : { cause }) };
  return new ProaError("OUTCOME_UNKNOWN", text, detail);
}

/** The node did what was asked, but what it said about it cannot be read. */
function damagedAnswer({ kind, doing }: Operation<unknown>, tried: string): ProaError {
  const applied = kind === "write" ? "unknown" : "no";
  return new ProaError("INTERNAL", `Cannot read the answer to ${doing}`, { applied, tried: [tried] });
}

function closedError(doing: string): ProaError {
  return new ProaError("STOPPING", `Cannot ${doing}: the client was closed`);
}
