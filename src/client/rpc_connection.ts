/**
 * One connection to the `/rpc` of one node: many requests in flight, answered in any order. It never sends a request
 * twice, and always knows whether one may have left: that is what decides between "not applied" and "unknown" (rule C2).
 */
import { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import type { ProaError } from "../lib/errors.ts";
import { openWebSocket } from "../runtime/web_socket.ts";
import { decodeError, decodeResponse, writeRequestHeader } from "../wire/mod.ts";
import type { RpcRequest, RpcResponse } from "../wire/mod.ts";
import { Deadlines } from "./deadlines.ts";
import type { Timers } from "./deadlines.ts";

/** How a request on a connection can end. */
export type RpcOutcome =
  /** The node did it; `response.body` holds the results or answers. */
  | { readonly kind: "done"; readonly response: RpcResponse }
  /** The node says why not; `response.status` is not "ok". */
  | { readonly kind: "refused"; readonly response: RpcResponse; readonly error: ProaError }
  /** It never left: it is not applied, and may be tried again elsewhere. */
  | { readonly kind: "notSent"; readonly reason: string }
  /** It was sent and nothing came back: it may or may not be applied. */
  | { readonly kind: "lost"; readonly reason: string };

export interface RpcConnectionOptions {
  /** `host:port` of a service port. */
  readonly endpoint: string;
  readonly timers: Timers;
  /** How long the connection may take to open before what waits for it counts as not sent. Milliseconds. */
  readonly connectTimeoutMs: number;
}

interface Call {
  readonly requestId: number;
  readonly deadline: number;
  readonly done: (outcome: RpcOutcome) => void;
  /** The whole request while it waits for the connection to open; null once it was handed to the socket. */
  unsent: Uint8Array<ArrayBuffer> | null;
  readonly startedAt: number;
}

export class RpcConnection {
  private readonly options: RpcConnectionOptions;
  private readonly deadlines: Deadlines<Call>;
  private readonly writer = new ByteWriter(64 * 1024);
  /** Everything that is not answered, in the order of the requests. */
  private readonly calls = new Map<number, Call>();
  private socket: WebSocket | null = null;
  private cancelConnectTimer: (() => void) | null = null;
  private lastRequestId = 0;
  private lastHeardAt = -Infinity;
  private closed = false;

  constructor(options: RpcConnectionOptions) {
    this.options = options;
    this.deadlines = new Deadlines(options.timers, (call) => {
      this.onTimeout(call);
    });
  }

  /** Requests that are not answered yet. */
  get inFlight(): number {
    return this.calls.size;
  }

  /**
   * Sends a request, connecting first where necessary. `done` is called exactly once, perhaps before this returns, no
   * later than `timeoutMs` of the request from now. The body may be reused afterwards.
   */
  request(request: Omit<RpcRequest, "requestId">, done: (outcome: RpcOutcome) => void): void {
    if (this.closed) {
      done({ kind: "notSent", reason: "the connection was closed" });
      return;
    }
    const startedAt = this.options.timers.now();
    const call: Call = {
      requestId: this.newRequestId(),
      deadline: startedAt + request.timeoutMs,
      done,
      unsent: null,
      startedAt,
    };
    const { socket } = this;
    this.writer.reset();
    writeRequestHeader(this.writer, call.requestId, request);
    this.writer.bytes(request.body);
    this.calls.set(call.requestId, call);
    this.deadlines.add(call);
    if (socket?.readyState === WebSocket.OPEN) {
      socket.send(this.writer.peek());
      return;
    }
    call.unsent = this.writer.take();
    if (socket === null) this.connect();
  }

  /** Ends everything: what was sent is lost, what was not is not sent. The connection cannot be used any more. */
  close(): void {
    this.closed = true;
    this.disconnect("the connection was closed");
  }

  private connect(): void {
    const { endpoint, timers, connectTimeoutMs } = this.options;
    const socket = openWebSocket(endpoint, "/rpc");
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.cancelConnectTimer = timers.at(timers.now() + connectTimeoutMs, () => {
      if (this.socket === socket) this.disconnect(`no connection within ${connectTimeoutMs} ms`);
    });
    socket.onopen = () => {
      if (this.socket === socket) this.onOpen(socket);
    };
    socket.onmessage = (event: MessageEvent<unknown>) => {
      if (this.socket === socket) this.onMessage(event.data);
    };
    socket.onclose = (event) => {
      if (this.socket === socket) this.disconnect(closeReason(event, this.cancelConnectTimer === null));
    };
  }

  private onOpen(socket: WebSocket): void {
    this.cancelConnectTimer?.();
    this.cancelConnectTimer = null;
    for (const call of this.calls.values()) {
      if (call.unsent === null) continue;
      socket.send(call.unsent);
      call.unsent = null;
    }
  }

  private onMessage(data: unknown): void {
    this.lastHeardAt = this.options.timers.now();
    const outcome = decode(data);
    if (typeof outcome === "string") {
      this.disconnect(outcome);
      return;
    }
    const call = this.calls.get(outcome.response.requestId);
    if (call !== undefined) this.finish(call, outcome); // else it came too late
  }

  private onTimeout(call: Call): void {
    if (call.unsent !== null) {
      this.finish(call, { kind: "notSent", reason: "no connection in time" });
      return;
    }
    this.finish(call, { kind: "lost", reason: "no answer in time" });
    // The node answers within the time that the request names. One that said nothing since is gone without a word.
    if (this.lastHeardAt < call.startedAt) this.disconnect("no answer in time");
  }

  /** Drops the socket and ends every request; the next one connects again. */
  private disconnect(reason: string): void {
    const { socket } = this;
    this.socket = null;
    this.cancelConnectTimer?.();
    this.cancelConnectTimer = null;
    socket?.close();
    for (const call of [...this.calls.values()]) {
      this.finish(call, { kind: call.unsent === null ? "lost" : "notSent", reason });
    }
  }

  private finish(call: Call, outcome: RpcOutcome): void {
    if (!this.calls.delete(call.requestId)) return; // the end of another call closed the connection
    this.deadlines.delete(call);
    call.done(outcome);
  }

  private newRequestId(): number {
    do this.lastRequestId = (this.lastRequestId + 1) >>> 0;
    while (this.calls.has(this.lastRequestId));
    return this.lastRequestId;
  }
}

/** What the node answered; or, as text, why its answer cannot be read. */
function decode(data: unknown): Extract<RpcOutcome, { response: RpcResponse }> | string {
  if (!(data instanceof ArrayBuffer)) return "the node sent text instead of bytes";
  try {
    const response = decodeResponse(new Uint8Array(data));
    return response.status === "ok"
      ? { kind: "done", response }
      : { kind: "refused", response, error: decodeError(response.body) };
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    return `the node sent ${error.message}`;
  }
}

function closeReason({ reason }: CloseEvent, wasOpen: boolean): string {
  if (!wasOpen) return "no connection";
  return reason === "" ? "the connection broke" : `the connection was closed: ${reason}`;
}
