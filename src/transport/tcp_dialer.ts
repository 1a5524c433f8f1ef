/** Our connection to one peer: dialled again and again, written to, never read. Drops what would wait too long or weigh too much. */
import { connect, type Socket } from "node:net";
import { assert } from "../lib/assert.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import type { Logger } from "../lib/logger.ts";
import type { Message } from "../raft/mod.ts";
import { entriesOf, frameBytesBound, writeFrameStart } from "../wire/mod.ts";
import type { TcpLimits, TcpPeer } from "./tcp.ts";
import { errorCode } from "./tcp_error.ts";
import type { TransportCounters } from "./transport.ts";

export interface DialerOptions {
  readonly peer: TcpPeer;
  readonly clusterId: Uint8Array;
  readonly limits: TcpLimits;
  readonly logger: Logger;
  readonly counters: TransportCounters;
}

/** Payloads up to this size are copied behind their head, since that costs less than a write of their own. Bytes. */
const copiedPayloadBytesMax = 16 * 1024;
/** Where copied frames are cut into another write, so that the buffer they are gathered in stays small. Bytes. */
const gatheredBytesMax = 256 * 1024;
/** When the system begins to ask whether a silent peer is still there. Milliseconds. */
const keepAliveMs = 10_000;

export class Dialer {
  /** The connection or the attempt at one; null while we wait to dial again. */
  private socket: Socket | null = null;
  /** Whether `socket` is a connection, and since when. */
  private upSinceMs: number | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private backoffMs: number;
  private closed = false;
  /** What this turn sends. Invariant: empty between turns. */
  private outbox: Message[] = [];
  private outboxBytes = 0;
  /** Writes that the system has not taken yet, and when it last took one or had none to take. */
  private waitingWrites = 0;
  private progressMs = 0;
  private readonly gathered = new ByteWriter(4096);

  constructor(private readonly options: DialerOptions) {
    this.backoffMs = options.limits.reconnectMinMs;
  }

  get connected(): boolean {
    return this.upSinceMs !== null;
  }

  start(): void {
    const { peer, limits } = this.options;
    const socket = connect({ host: peer.host, port: peer.port });
    this.socket = socket;
    this.timer = setTimeout(() => this.lose(socket, "timeout"), limits.connectTimeoutMs);
    socket.on("connect", () => this.onConnect(socket));
    socket.on("error", (error) => this.lose(socket, errorCode(error)));
    socket.on("end", () => this.lose(socket, "hung up"));
    socket.on("close", () => this.lose(socket, "closed"));
    socket.resume(); // a peer says nothing here; reading is how we learn that it hung up
  }

  /** Takes `message` for the next {@link flush}, or drops it: unreachable, too large, or too much waiting. */
  post(message: Message): void {
    const { limits, counters, logger, peer } = this.options;
    const bytes = frameBytesBound(message);
    if (bytes > limits.frameBytesMax) {
      logger.log("error", "message above the frame limit", { peer: peer.id, kind: message.kind, bytes });
      counters.messagesDropped++;
    } else if (
      this.socket === null ||
      !this.connected ||
      this.queuedBytes(this.socket) + bytes > limits.sendQueueBytesMax
    ) {
      counters.messagesDropped++;
    } else {
      this.outbox.push(message);
      this.outboxBytes += bytes;
    }
  }

  /** Writes what was posted: small frames gathered into one write, large payloads as they are. */
  flush(): void {
    const { socket } = this;
    if (this.outbox.length === 0) return;
    assert(socket !== null, "a message was posted without a connection");
    const { counters, clusterId } = this.options;
    for (const message of this.outbox) {
      writeFrameStart(this.gathered, message, clusterId);
      for (const { payload } of entriesOf(message)) this.writePayload(socket, payload);
    }
    this.writeGathered(socket);
    counters.messagesSent += this.outbox.length;
    this.outbox = [];
    this.outboxBytes = 0;
  }

  /** Gives up a connection on which nothing moves although something waits: its peer is gone and nobody said so. */
  sweep(nowMs: number): void {
    const stuck = this.waitingWrites > 0 && nowMs - this.progressMs > this.options.limits.drainTimeoutMs;
    if (stuck && this.socket !== null) this.lose(this.socket, "stuck");
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    if (this.socket !== null) this.lose(this.socket, "closing");
  }

  private onConnect(socket: Socket): void {
    if (this.socket !== socket) return;
    if (isOwnEcho(socket)) return this.lose(socket, "connected to itself");
    clearTimeout(this.timer);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAliveMs);
    this.upSinceMs = performance.now();
    this.waitingWrites = 0;
    this.options.counters.connectionsOpened++;
    this.log("info", "peer connected", {});
  }

  /** Ends `socket`, however that came, and dials again later. Does nothing for a socket that was lost before. */
  private lose(socket: Socket, reason: string): void {
    if (this.socket !== socket) return;
    const lasted = this.upSinceMs === null ? 0 : performance.now() - this.upSinceMs;
    this.log(this.connected ? "info" : "debug", this.connected ? "peer disconnected" : "peer not reached", { reason });
    this.socket = null;
    this.upSinceMs = null;
    clearTimeout(this.timer);
    socket.destroy();
    if (this.closed) return;
    this.redial(lasted);
  }

  private redial(lastedMs: number): void {
    const { reconnectMinMs, reconnectMaxMs } = this.options.limits;
    // A peer that hangs up at once (another cluster's, say) was not reached, or we would dial it without a pause.
    if (lastedMs >= reconnectMaxMs) this.backoffMs = reconnectMinMs;
    const jitter = 0.5 + Math.random() / 2;
    this.timer = setTimeout(() => this.start(), this.backoffMs * jitter);
    this.backoffMs = Math.min(this.backoffMs * 2, reconnectMaxMs);
  }

  private queuedBytes(socket: Socket): number {
    return socket.writableLength + this.outboxBytes;
  }

  private writePayload(socket: Socket, payload: Uint8Array): void {
    if (payload.length > copiedPayloadBytesMax) {
      this.writeGathered(socket);
      this.write(socket, payload);
    } else {
      this.gathered.bytes(payload);
      if (this.gathered.length >= gatheredBytesMax) this.writeGathered(socket);
    }
  }

  private writeGathered(socket: Socket): void {
    if (this.gathered.length > 0) this.write(socket, this.gathered.take());
  }

  private write(socket: Socket, bytes: Uint8Array): void {
    if (this.waitingWrites === 0) this.progressMs = performance.now();
    this.waitingWrites++;
    this.options.counters.bytesSent += bytes.length;
    socket.write(bytes, () => {
      if (this.socket !== socket) return;
      this.waitingWrites--;
      this.progressMs = performance.now();
    });
  }

  private log(level: "info" | "debug", event: string, fields: { readonly reason?: string }): void {
    const { id, host, port } = this.options.peer;
    this.options.logger.log(level, event, { peer: id, address: `${host}:${port}`, ...fields });
  }
}

/**
 * Whether a dial to a port where nobody listens met itself: the system may pick that very port to dial from. It
 * would then keep the peer from ever binding it.
 */
function isOwnEcho(socket: Socket): boolean {
  return socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress;
}
