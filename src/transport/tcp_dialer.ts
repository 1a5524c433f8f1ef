/**
 * Our connection to one peer: dialled again and again, and written to; of what comes back only counts that it comes. Drops
 * what would wait too long or weigh too much.
 */
import { connect, type Socket } from "node:net";
import type { Logger } from "../lib/logger.ts";
import type { Message } from "../raft/mod.ts";
import { frameBytesBound } from "../wire/mod.ts";
import type { TcpLimits, TcpPeer } from "./tcp.ts";
import { DialerHandshake, type HandshakeOptions } from "./tcp_handshake.ts";
import { errorCode } from "./tcp_error.ts";
import { isUrgent, SendQueue } from "./tcp_send_queue.ts";
import type { TransportCounters } from "./transport.ts";

export interface DialerOptions {
  readonly peer: TcpPeer;
  readonly clusterId: Uint8Array;
  /** What both ends have to prove; null where the cluster has no key. */
  readonly proof: HandshakeOptions | null;
  readonly limits: TcpLimits;
  readonly logger: Logger;
  readonly counters: TransportCounters;
}

/** A connection that is up. What waits on it dies with it. */
interface Link {
  readonly queue: SendQueue;
  readonly sinceMs: number;
  /** Whether the peer has ever told that something has come: older programs do not. */
  givesSigns: boolean;
  /** When the first message left of which no sign has come; null while there is none. */
  unheardSinceMs: number | null;
}

/**
 * How many times longer a connection on which nothing moves may last at most, twice as long after each that was given up:
 * where large packets vanish, the system finds out how small they must be, but that begins anew with each connection.
 */
const patienceMax = 4;

/** When the system begins to ask whether a silent peer is still there. Milliseconds. */
const keepAliveMs = 10_000;

export class Dialer {
  /** The connection or the attempt at one; null while we wait to dial again. */
  private socket: Socket | null = null;
  /** Null unless `socket` is connected. */
  private link: Link | null = null;
  /** Ends the attempt, or the wait for the next. */
  private timer: ReturnType<typeof setTimeout> | undefined;
  private backoffMs: number;
  /** By how much the limit of time for a connection on which nothing moves is multiplied now. */
  private patience = 1;
  private closed = false;
  private hasWarned = false;

  constructor(private readonly options: DialerOptions) {
    this.backoffMs = options.limits.reconnectMinMs;
  }

  get connected(): boolean {
    return this.link !== null;
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
    socket.on("data", () => this.onSign(socket));
  }

  /** Takes `message` for the next {@link flush}, or drops it: unreachable, too large, or too much waiting. */
  post(message: Message): void {
    const { limits, counters, logger, peer } = this.options;
    const bytesBound = frameBytesBound(message);
    if (bytesBound > limits.frameBytesMax) {
      logger.log("error", "message above the frame limit", { peer: peer.id, kind: message.kind, bytes: bytesBound });
      counters.messagesDropped++;
    } else if (this.link === null || this.link.queue.waitingBytes + bytesBound > roomFor(message, limits)) {
      counters.messagesDropped++;
    } else {
      counters.bytesSent += this.link.queue.add(message);
      counters.messagesSent++;
      this.link.unheardSinceMs ??= performance.now();
    }
  }

  flush(): void {
    this.link?.queue.flush();
  }

  /**
   * Gives up a connection on which nothing moves although something waits, or of which no sign comes back: its peer is gone
   * and nobody said so, or the way was cut for so long that the system will not try it again for as long.
   */
  sweep(nowMs: number): void {
    if (this.socket === null || this.link === null) return;
    const { queue, givesSigns, unheardSinceMs } = this.link;
    const isUnheard = givesSigns && unheardSinceMs !== null && nowMs - unheardSinceMs > this.limitMs;
    const isStuck = queue.stuckFor(this.limitMs, nowMs);
    if (!isStuck && !isUnheard) return;
    this.patience = Math.min(2 * this.patience, patienceMax);
    this.lose(this.socket, isStuck ? "stuck" : "no sign");
  }

  /** How long nothing may move. */
  private get limitMs(): number {
    return this.options.limits.drainTimeoutMs * this.patience;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    if (this.socket !== null) this.lose(this.socket, "closing");
  }

  private onConnect(socket: Socket): void {
    if (this.socket !== socket) return;
    if (isOwnEcho(socket)) return this.lose(socket, "connected to itself");
    socket.setNoDelay(true);
    const { proof, peer } = this.options;
    if (proof === null) return this.open(socket);
    const handshake = new DialerHandshake(proof, peer.id);
    socket.on("data", (chunk) => {
      if (this.socket !== socket || this.link !== null || typeof chunk === "string") return;
      const step = handshake.receive(chunk);
      if (step.kind === "refused") return this.refuse(socket);
      if (step.kind === "more") return;
      if (step.reply !== null) socket.write(step.reply);
      this.open(socket);
    });
    socket.write(handshake.opening);
  }

  /** All that a peer sends behind its proof. */
  private onSign(socket: Socket): void {
    if (this.socket !== socket || this.link === null) return;
    if (performance.now() - this.link.sinceMs > this.limitMs) this.patience = 1; // what went through is more than its first bytes
    this.link.givesSigns = true;
    this.link.unheardSinceMs = null;
  }

  /** Ends a connection to somebody who has another key. Said aloud once: it goes on until somebody mends it. */
  private refuse(socket: Socket): void {
    this.options.counters.framesForeign++;
    const { id, host, port } = this.options.peer;
    const reason = "it does not know the cluster key";
    if (!this.hasWarned)
      this.options.logger.log("warn", "peer refused", { peer: id, address: `${host}:${port}`, reason });
    this.hasWarned = true;
    this.lose(socket, reason);
  }

  /** From now on messages leave. */
  private open(socket: Socket): void {
    clearTimeout(this.timer);
    socket.setKeepAlive(true, keepAliveMs);
    const queue = new SendQueue(socket, this.options.clusterId);
    this.link = { queue, sinceMs: performance.now(), givesSigns: false, unheardSinceMs: null };
    this.options.counters.connectionsOpened++;
    this.log("info", "peer connected", {});
  }

  /** Ends `socket`, however that came, and dials again later. Does nothing for a socket that was lost before. */
  private lose(socket: Socket, reason: string): void {
    if (this.socket !== socket) return;
    const lastedMs = this.link === null ? 0 : performance.now() - this.link.sinceMs;
    if (this.link === null) this.log("debug", "peer not reached", { reason });
    else this.log("info", "peer disconnected", { reason });
    this.socket = null;
    this.link = null;
    clearTimeout(this.timer);
    socket.destroy();
    if (!this.closed) this.redial(lastedMs);
  }

  private redial(lastedMs: number): void {
    const { reconnectMinMs, reconnectMaxMs } = this.options.limits;
    // A peer that hangs up at once (another cluster's, say) was not reached, or we would dial it without a pause.
    if (lastedMs >= reconnectMaxMs) this.backoffMs = reconnectMinMs;
    const jitter = 0.5 + Math.random() / 2;
    this.timer = setTimeout(() => this.start(), this.backoffMs * jitter);
    this.backoffMs = Math.min(this.backoffMs * 2, reconnectMaxMs);
  }

  private log(level: "info" | "debug", event: string, fields: { readonly reason?: string }): void {
    const { id, host, port } = this.options.peer;
    this.options.logger.log(level, event, { peer: id, address: `${host}:${port}`, ...fields });
  }
}

/** Kept free for heartbeats and votes, which must get through however much data waits. Bytes. */
const reservedBytes = 1024 * 1024;

/** What may wait together with `message`. Bytes. */
function roomFor(message: Message, { sendQueueBytesMax }: TcpLimits): number {
  return isUrgent(message) ? sendQueueBytesMax + reservedBytes : sendQueueBytesMax;
}

/**
 * Whether a dial to a port where nobody listens met itself: the system may pick that very port to dial from. It
 * would then keep the peer from ever binding it.
 */
function isOwnEcho(socket: Socket): boolean {
  return socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress;
}
