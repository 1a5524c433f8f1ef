/** The WebSocket at /rpc: batches of commands and queries as frames, many in flight, answered in any order. */
import { unreachable } from "../lib/assert.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError, ProaError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { NodeService } from "../node/mod.ts";
import type { ServerWebSocket, WebSocketHandler, WebSocketReceiver } from "../runtime/runtime.ts";
import {
  decodeQuery,
  decodeRequest,
  requestIdOf,
  validateCommands,
  validateQueries,
  writeError,
  writeResponseHeader,
} from "../wire/mod.ts";
import type { RpcRequest, RpcStatus } from "../wire/mod.ts";
import { groupZero } from "./exchange.ts";
import type { Watches } from "./watches.ts";
import type { Gateway, ServiceOutcome, ServiceRequest } from "./gateway.ts";
import type { ServiceLimits } from "./limits.ts";

const utf8 = new TextEncoder();

/** What went wrong on connections, ever rising. */
export interface RpcCounters {
  /** Frames that were damaged or of another version. */
  framesCorrupt: number;
  /** Connections that were closed because they did not read their answers. */
  slowClientsClosed: number;
}

export function newRpcCounters(): RpcCounters {
  return { framesCorrupt: 0, slowClientsClosed: 0 };
}

export interface RpcServiceOptions {
  readonly node: NodeService;
  readonly gateway: Gateway;
  readonly watches: Watches;
  readonly limits: ServiceLimits;
  readonly logger: Logger;
  readonly counters: RpcCounters;
}

export class RpcService implements WebSocketHandler {
  readonly messageBytesMax: number;
  private readonly options: RpcServiceOptions;
  /** One for all connections: an answer is written and sent in one go. */
  private readonly writer = new ByteWriter(64 * 1024);

  constructor(options: RpcServiceOptions) {
    this.options = options;
    this.messageBytesMax = options.limits.messageBytesMax;
  }

  open(socket: ServerWebSocket): WebSocketReceiver {
    return new RpcSession(socket, this.options, this.writer);
  }
}

class RpcSession implements WebSocketReceiver {
  private readonly socket: ServerWebSocket;
  private readonly options: RpcServiceOptions;
  private readonly writer: ByteWriter;
  /** What waits for changes on this connection. */
  private readonly polls = new Set<{ cancel: () => void }>();
  private closed = false;

  constructor(socket: ServerWebSocket, options: RpcServiceOptions, writer: ByteWriter) {
    this.socket = socket;
    this.options = options;
    this.writer = writer;
  }

  message(frame: Uint8Array): void {
    if (this.closed || this.isTooSlow()) return;
    const request = this.decode(frame);
    if (request === null) return;
    const problem = requestProblem(request, this.options.limits);
    if (problem !== null) {
      this.respond(request.requestId, { kind: "failed", error: problem });
      return;
    }
    if (request.kind === "status") return this.tellStatus(request);
    if (!isForGateway(request)) return this.poll(request);
    this.options.gateway.submit(request, (outcome) => {
      this.respond(request.requestId, outcome);
    });
  }

  close(): void {
    this.closed = true;
    for (const { cancel } of this.polls) cancel();
  }

  private tellStatus({ requestId }: RpcRequest): void {
    const { node } = this.options;
    const body = utf8.encode(JSON.stringify(node.status(groupZero)));
    this.respond(requestId, { kind: "done", body, appliedIndex: node.view(groupZero).appliedIndex });
  }

  private poll({ requestId, body, timeoutMs }: RpcRequest): void {
    const query = decodeQuery(body);
    if (query.kind !== "changes") {
      this.respond(requestId, { kind: "failed", error: invalid(`Cannot watch: the query is a ${query.kind}`) });
      return;
    }
    // The receiver owns the frame, but a small query must not keep a large frame alive.
    const kept = {
      ...query,
      start: new Uint8Array(query.start),
      end: query.end === null ? null : new Uint8Array(query.end),
    };
    const poll = { cancel: (): void => undefined };
    this.polls.add(poll);
    poll.cancel = this.options.watches.poll(kept, timeoutMs, (outcome) => {
      this.polls.delete(poll);
      this.respond(requestId, outcome);
    });
  }

  /** Null when the frame is broken: whoever sent it was told, or is not spoken to any more. */
  private decode(frame: Uint8Array): RpcRequest | null {
    try {
      return decodeRequest(frame);
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
      this.options.counters.framesCorrupt++;
      const requestId = requestIdOf(frame);
      if (requestId === null) this.drop(1007, "a frame that is too short");
      else this.respond(requestId, { kind: "failed", error: invalid(`Cannot read the frame: ${error.message}`) });
      return null;
    }
  }

  private respond(requestId: number, outcome: ServiceOutcome): void {
    if (this.closed || this.isTooSlow()) return;
    const { writer } = this;
    const { term, leader, revision, appliedIndex } = this.options.node.view(groupZero);
    writer.reset();
    writeResponseHeader(writer, { status: statusOf(outcome), requestId, leader, term, revision, appliedIndex });
    switch (outcome.kind) {
      case "done":
        writer.bytes(outcome.body);
        break;
      case "failed":
        writeError(writer, outcome.error);
        break;
      default:
        unreachable(outcome);
    }
    this.socket.send(writer.peek());
  }

  /** Closes the connection of a client that asks and does not listen: its answers would fill the memory. */
  private isTooSlow(): boolean {
    if (this.socket.bufferedBytes <= this.options.limits.unreadBytesMax) return false;
    this.options.counters.slowClientsClosed++;
    this.drop(1013, "too many answers are unread");
    return true;
  }

  private drop(code: number, reason: string): void {
    this.closed = true;
    this.options.logger.log("debug", "rpc connection dropped", { code, reason });
    this.socket.close(code, reason);
  }
}

function isForGateway(request: RpcRequest): request is RpcRequest & ServiceRequest {
  return request.kind === "write" || request.kind === "read";
}

/** What is wrong with a request before its content matters to anybody; null if nothing. */
function requestProblem(request: RpcRequest, limits: ServiceLimits): ProaError | null {
  const { group, timeoutMs, count, body, kind } = request;
  if (group !== groupZero) return invalid(`Cannot ${kind}: there is no group ${group}`);
  if (timeoutMs < 1 || timeoutMs > limits.timeoutMsMax) {
    return invalid(`Cannot ${kind}: the timeout is ${timeoutMs} ms, not from 1 to ${limits.timeoutMsMax}`);
  }
  if (kind === "status")
    return body.length + count === 0 ? null : invalid("Cannot tell the status: the request has a body");
  const check = kind === "write" ? validateCommands(body, limits) : validateQueries(body);
  if (!check.ok) return new ProaError(check.code, check.message);
  if (check.count !== count) return invalid(`Cannot ${kind}: the request announces ${count} and holds ${check.count}`);
  if (kind === "watch" && count !== 1) return invalid(`Cannot watch: the request holds ${count} queries, not one`);
  if (kind === "read" && count > limits.queriesMax) {
    return new ProaError(
      "TOO_LARGE",
      `Cannot read: the request holds ${count} queries, the limit is ${limits.queriesMax}`,
    );
  }
  return null;
}

function statusOf(outcome: ServiceOutcome): RpcStatus {
  if (outcome.kind === "done") return "ok";
  const { applied, code } = outcome.error;
  if (applied !== "no") return "unknown";
  return code === "INVALID_REQUEST" || code === "TOO_LARGE" ? "invalid" : "notApplied";
}

function invalid(message: string): ProaError {
  return new ProaError("INVALID_REQUEST", message);
}
