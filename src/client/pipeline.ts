/**
 * From many calls to few frames: what is called in one tick of the event loop leaves together, and what is refused is
 * tried again until its deadline. A write that was sent and not answered is sent again under its id, by which the store
 * knows it again (rule C1); without one it is never repeated (rule C2).
 */
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError, ProaError } from "../lib/errors.ts";
import { RingQueue } from "../lib/ring_queue.ts";
import { defaultCommandLimits, onceProblem, readResult } from "../wire/mod.ts";
import type { RpcResponse } from "../wire/mod.ts";
import { closedError, damagedAnswer, nobodyServes, passingCodes, unknownOutcome, unreachable } from "./call_errors.ts";
import { Deadlines } from "./deadlines.ts";
import { Frame, frameBytesMax } from "./frame.ts";
import type { Call, Operation } from "./frame.ts";
import { outcomeError } from "./outcomes.ts";
import { RequestIds } from "./request_ids.ts";
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
  /** Whether writes get ids, so that they can be sent again when nobody knows whether they took effect. */
  readonly repeatUnknown: boolean;
}

/** What may be under way before calls wait here: enough for the bandwidth of any network times its delay. Bytes. */
const flightBytesMax = 16 * 1024 * 1024;
/** How long one node may keep from the others what they could answer as well, in milliseconds; doubles with each try. */
const shareMs = 1000;
/** The longest time that a node lets a request wait, in milliseconds. */
const timeoutMsMax = 60_000;
/** The pauses before a refused frame is sent again, in milliseconds. */
const pauseMs = { first: 10, longest: 400 };

export class Pipeline {
  private readonly options: PipelineOptions;
  private readonly queue = new RingQueue<Call>();
  private readonly deadlines: Deadlines<Call>;
  private readonly writer = new ByteWriter(frameBytesMax);
  private readonly ids: RequestIds | null;
  private flushDeferred = false;
  private flyingBytes = 0;
  /** What the answer to one query took of late: reads are bounded by what comes back. Bytes. */
  private answerBytes = 0;
  private closed = false;

  constructor(options: PipelineOptions) {
    this.options = options;
    this.ids = options.repeatUnknown ? new RequestIds() : null;
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
        frame: null,
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
      this.fail(call, mayHaveLeft ? unknownOutcome(doing, triedOf(call, "the client was closed")) : closedError(doing));
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
    const { router } = this.options;
    const { writer } = this;
    frame.removeEnded();
    const { kind, consistency } = frame.first;
    if (kind === "write") frame.id ??= this.ids?.next(router.appliedIndex) ?? null;
    writer.reset();
    const count = frame.encode(writer);
    for (const call of frame.calls) if (call.phase === "waiting") call.phase = "sent";
    const request = { kind, consistency, hops: 0, group: 0, timeoutMs: this.patienceMs(frame), count };
    connection.request({ ...request, body: writer.peek() }, (outcome) => {
      if ("response" in outcome) router.onAnswer(endpoint, outcome.response);
      this.onOutcome(frame, endpoint, outcome);
    });
  }

  /** How long the answer may take: all the time there is, but what can be asked again elsewhere leaves time for that. */
  private patienceMs({ deadline, first, tries, id }: Frame): number {
    const remainingMs = deadline - this.options.clock.now();
    const fairMs =
      first.kind === "read"
        ? Math.min(remainingMs, shareMs * 2 ** tries)
        : id === null
          ? remainingMs
          : Math.min(remainingMs / 2, shareMs * 2 ** tries);
    return Math.min(timeoutMsMax, Math.max(1, Math.ceil(fairMs)));
  }

  private onOutcome(frame: Frame, endpoint: string, outcome: RpcOutcome): void {
    switch (outcome.kind) {
      case "done":
        this.complete(frame, endpoint, outcome.response);
        return;
      case "refused":
        this.onRefused(frame, endpoint, outcome);
        return;
      case "notSent":
        this.retry(frame, endpoint, unreachable(frame.first.doing, `${endpoint}: ${outcome.reason}`));
        return;
      case "lost":
        this.onLost(frame, endpoint, outcome.reason);
    }
  }

  private complete(frame: Frame, endpoint: string, { body, appliedIndex }: RpcResponse): void {
    if (frame.first.kind === "read") this.answerBytes = Math.ceil(body.length / frame.calls.length);
    try {
      if (frame.id === null) {
        this.settle(frame, new ByteReader(body));
        return;
      }
      const result = readResult(new ByteReader(body));
      const problem = onceProblem(result.status);
      if (problem === null) this.settle(frame, new ByteReader(result.body ?? new Uint8Array()));
      else if (frame.isUncertain) {
        const tried = [...frame.lost, `${endpoint}: ${problem.message}`];
        this.failAll(frame, ({ doing }) => (problem.applied === "no" ? unknownOutcome(doing, tried) : problem));
      } else {
        // It has never been sent before, so nothing has happened: only its session was too old, or of another cluster.
        frame.id = this.ids?.renewed(appliedIndex) ?? null;
        this.retry(frame, null, problem);
      }
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
      this.failAll(frame, (operation) => damagedAnswer(operation, `${endpoint}: ${error.message}`));
    }
  }

  /** Gives everybody his result. Throws a {@link CorruptError}. */
  private settle(frame: Frame, reader: ByteReader): void {
    for (const call of frame.calls) {
      try {
        const value = call.operation.decode(reader);
        if (this.end(call)) call.resolve(value);
      } catch (error) {
        if (error instanceof CorruptError || !(error instanceof ProaError)) throw error;
        this.fail(call, error); // the answer says why it is none, and the next one follows it
      }
    }
  }

  private onRefused(
    frame: Frame,
    endpoint: string,
    { response: { status }, error }: Extract<RpcOutcome, { kind: "refused" }>,
  ): void {
    if (error.code === "OUTCOME_UNKNOWN" && frame.id !== null) this.onLost(frame, endpoint, error.message);
    else if (frame.isUncertain && !passingCodes.has(error.code)) {
      // What this try ended with says nothing of those before it.
      this.failAll(frame, ({ doing }) => unknownOutcome(doing, [...frame.lost, `${endpoint}: ${error.message}`]));
    } else if (status === "invalid" && frame.calls.length > 1) {
      this.split(frame); // one of them spoils it
    } else if (frame.first.kind === "read" && error.code === "OVERLOADED" && frame.calls.length > 1) {
      this.readAgain(frame); // their answers may be too large together
    } else if (status === "notApplied" && passingCodes.has(error.code)) {
      this.retry(frame, error.code === "OVERLOADED" ? null : endpoint, error);
    } else this.failAll(frame, () => error);
  }

  /** It was sent, and may have taken effect. */
  private onLost(frame: Frame, endpoint: string, reason: string): void {
    this.options.router.onFailure(endpoint, reason);
    if (frame.first.kind === "read") return this.readAgain(frame);
    frame.addLoss(`${endpoint}: ${reason}`);
    if (frame.id === null) this.failAll(frame, ({ doing }) => unknownOutcome(doing, frame.lost));
    else this.relaunch(frame);
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

  /** This try has not taken effect: another one follows, elsewhere unless `failed` is null. */
  private retry(frame: Frame, failed: string | null, refusal: ProaError): void {
    if (failed !== null) this.options.router.onFailure(failed, refusal.message);
    for (const call of frame.calls) {
      if (call.phase === "sent" && !frame.isUncertain) call.phase = "waiting";
      call.refusal = refusal;
    }
    this.relaunch(frame);
  }

  private relaunch(frame: Frame): void {
    if (!frame.isWaiting) return;
    const { clock } = this.options;
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
    const { operation, refusal } = call;
    if (this.mayHaveLeft(call)) {
      this.fail(call, unknownOutcome(operation.doing, triedOf(call, "no answer in time")));
    } else this.fail(call, refusal ?? nobodyServes(operation.doing, this.options.router.tried));
  }

  private abort(call: Call, signal: AbortSignal): void {
    if (this.mayHaveLeft(call)) {
      this.fail(call, unknownOutcome(call.operation.doing, triedOf(call, "it was aborted"), signal.reason));
    } else if (this.end(call)) call.reject(reasonOf(signal));
  }

  /** Before `call` ends without an answer: whether it is a write that may take effect all the same. */
  private mayHaveLeft({ phase, operation, frame }: Call): boolean {
    if (phase !== "sent" || operation.kind !== "write") return false;
    frame?.keepBytes();
    return true;
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

/** What was tried to have `call` answered, `last` in the end. */
function triedOf({ frame }: Call, last: string): readonly string[] {
  return [...(frame?.lost ?? []), last];
}
