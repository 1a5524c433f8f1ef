/**
 * The connections that peers, and strangers, make to us: read, and only told now and then that we have read. Whoever sends
 * anything but frames for us is cut off; whoever sends nothing may stay only as long as there is room.
 */
import { createServer, type Socket } from "node:net";
import { assert } from "../lib/assert.ts";
import { CorruptError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { Message, NodeId } from "../raft/mod.ts";
import { FrameReader, type DecodedFrame, type FrameReceiver } from "../wire/mod.ts";
import type { TcpAddress, TcpLimits } from "./tcp.ts";
import { listenError } from "./tcp_error.ts";
import { AcceptorHandshake, type HandshakeOptions } from "./tcp_handshake.ts";
import type { TransportCounters } from "./transport.ts";

export interface AcceptorOptions {
  readonly receiver: FrameReceiver;
  /** Others may speak, but do not take the room of peers. */
  readonly peers: ReadonlyMap<NodeId, unknown>;
  /** What both ends have to prove; null where the cluster has no key. */
  readonly proof: HandshakeOptions | null;
  /** Asked when listening begins. */
  readonly address: () => TcpAddress;
  readonly limits: TcpLimits;
  readonly logger: Logger;
  readonly counters: TransportCounters;
  /** Called in the event that brought the bytes; what it throws is not caught. */
  readonly onMessage: (message: Message) => void;
}

interface Inbound {
  readonly socket: Socket;
  readonly address: string;
  readonly reader: FrameReader;
  /** Who sends here: null until the first frame, then never another. */
  sender: NodeId | null;
  /** Null once both ends have proved that they know the cluster key, and where there is none. */
  handshake: AcceptorHandshake | null;
  /** Who proved it. */
  proven: NodeId | null;
  /** Since when we wait for the first frame or for the rest of one. */
  waitingSinceMs: number;
  /** Whether something came that it was not told of. */
  owesSign: boolean;
}

/** Says that what was sent has come; what it says does not matter. */
const sign = Uint8Array.of(0);

/** When the system begins to ask whether a silent peer is still there. Milliseconds. */
const keepAliveMs = 10_000;

export class Acceptor {
  private readonly server = createServer((socket) => this.accept(socket));
  /** In the order in which they came. */
  private readonly inbounds = new Set<Inbound>();
  /** Whether hostile bytes were reported since the last sweep: they can come faster than a log should grow. */
  private warned = false;
  private closed = false;
  /** Settles {@link listen}, which nothing else would if we are closed meanwhile. */
  private endListen: () => void = () => undefined;

  constructor(private readonly options: AcceptorOptions) {}

  /** Resolves once the port is bound, or when closed before that. Rejects with a `ProaError`. */
  listen(): Promise<"bound" | "closed"> {
    const { logger } = this.options;
    const address = this.options.address();
    return new Promise((resolve, reject) => {
      this.endListen = () => resolve("closed");
      this.server.on("error", (error) => {
        logger.log("error", "listening failed", { address: `${address.host}:${address.port}`, reason: error.message });
        reject(listenError(error, address));
      });
      this.server.listen({ host: address.host, port: address.port, exclusive: true }, () => resolve("bound"));
    });
  }

  sweep(nowMs: number): void {
    this.warned = false;
    for (const inbound of this.inbounds) {
      const waiting = inbound.sender === null || inbound.reader.partial;
      const tooLong = nowMs - inbound.waitingSinceMs > this.options.limits.silenceTimeoutMs;
      if (waiting && tooLong) this.refuse(inbound, "silent");
      else if (inbound.owesSign) this.give(inbound);
    }
  }

  close(): void {
    this.closed = true;
    this.endListen();
    this.server.close();
    for (const inbound of this.inbounds) inbound.socket.destroy();
    this.inbounds.clear();
  }

  private accept(socket: Socket): void {
    const { receiver, limits, counters, proof } = this.options;
    socket.on("error", () => undefined); // "close" follows
    if (this.closed) {
      socket.destroy();
      return;
    }
    const inbound: Inbound = {
      socket,
      address: `${socket.remoteAddress}:${socket.remotePort}`,
      reader: new FrameReader(receiver, limits.frameBytesMax),
      sender: null,
      handshake: proof === null ? null : new AcceptorHandshake(proof),
      proven: null,
      waitingSinceMs: performance.now(),
      owesSign: false,
    };
    counters.connectionsAccepted++;
    socket.on("close", () => this.inbounds.delete(inbound));
    socket.on("data", (chunk) => {
      assert(typeof chunk !== "string", "no text encoding was asked for");
      this.onData(inbound, chunk);
    });
    socket.setKeepAlive(true, keepAliveMs);
    this.makeRoom();
    this.inbounds.add(inbound);
  }

  /**
   * A flood of connections must not keep a peer out: the newcomer stays, since a peer speaks at once, and of those
   * that have not yet said who they are the oldest goes, or else the oldest that is no peer of ours (yet).
   */
  private makeRoom(): void {
    const { peers } = this.options;
    // Room for peers that reconnect faster than their old connections are noticed to be dead, and for strangers to be told apart.
    if (this.inbounds.size < 4 * peers.size + 16) return;
    const inbounds = [...this.inbounds];
    const dispensable =
      inbounds.find(({ sender }) => sender === null) ??
      inbounds.find(({ sender }) => sender === null || !peers.has(sender));
    if (dispensable !== undefined) this.refuse(dispensable, "too many connections");
  }

  private onData(inbound: Inbound, chunk: Uint8Array): void {
    if (!this.inbounds.has(inbound)) return; // closed, and these bytes were on their way
    const { reader } = inbound;
    const wasPartial = reader.partial;
    this.options.counters.bytesReceived += chunk.length;
    inbound.owesSign = true;
    const { handshake } = inbound;
    const bytes = handshake === null ? chunk : this.prove(inbound, handshake, chunk);
    if (bytes === null || bytes.length === 0) return;
    reader.push(bytes);
    let frames = 0;
    for (let next = this.read(inbound); next !== null; next = this.read(inbound)) {
      frames++;
      if (next !== "newer") this.deliver(inbound, next);
    }
    if (frames > 0 || !wasPartial) inbound.waitingSinceMs = performance.now();
  }

  /** What stands behind the handshake; null as long as it is not over. */
  private prove(inbound: Inbound, handshake: AcceptorHandshake, chunk: Uint8Array): Uint8Array | null {
    const step = handshake.receive(chunk);
    if (step.kind === "refused") {
      this.options.counters.framesForeign++;
      this.cutOff(inbound, "foreign connection", "it does not know the cluster key");
      return null;
    }
    if (step.reply !== null) inbound.socket.write(step.reply);
    if (step.kind === "more") return null;
    inbound.handshake = null;
    inbound.proven = step.peer;
    return step.rest;
  }

  /**
   * The next message of `inbound`; null when there is none or no more will be read there. `newer` stands for one that a newer program
   * has sent and this one does not know (rule X4): what comes behind it may well be understood.
   */
  private read(inbound: Inbound): Message | "newer" | null {
    const { counters } = this.options;
    if (!this.inbounds.has(inbound)) return null; // closed by what the last message caused
    let decoded: DecodedFrame | null;
    try {
      decoded = inbound.reader.next();
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
      counters.framesCorrupt++;
      this.cutOff(inbound, "corrupt frame", error.message);
      return null;
    }
    if (decoded === null) return null;
    if (
      decoded.kind === "message" &&
      (inbound.sender ?? inbound.proven ?? decoded.message.from) === decoded.message.from
    )
      return decoded.message;
    counters.framesForeign++;
    if (decoded.kind === "foreign" && decoded.reason === "newer") {
      this.warn(inbound, "foreign frame", "a newer proa has sent it");
      return "newer";
    }
    this.cutOff(inbound, "foreign frame", decoded.kind === "foreign" ? decoded.reason : "sender");
    return null;
  }

  private deliver(inbound: Inbound, message: Message): void {
    if (inbound.sender === null) this.identify(inbound, message.from);
    this.options.counters.messagesReceived++;
    this.options.onMessage(message);
  }

  /** A peer has one connection to us: an older one is dead, only nobody told us. */
  private identify(inbound: Inbound, sender: NodeId): void {
    for (const other of this.inbounds) {
      if (other.sender === sender) this.drop(other);
    }
    inbound.sender = sender;
    this.give(inbound); // at once: from now on it can tell when the way is cut
  }

  /** A sign, unless the last one has not left yet. To peers only: a stranger does not know what it is. */
  private give(inbound: Inbound): void {
    if (inbound.sender === null || inbound.socket.writableLength > 0) return;
    inbound.owesSign = false;
    inbound.socket.write(sign);
  }

  private cutOff(inbound: Inbound, event: string, reason: string): void {
    this.warn(inbound, event, reason);
    this.drop(inbound);
  }

  /** Seldom enough that nobody can fill the log with it. */
  private warn(inbound: Inbound, event: string, reason: string): void {
    this.options.logger.log(this.warned ? "debug" : "warn", event, { address: inbound.address, reason });
    this.warned = true;
  }

  private refuse(inbound: Inbound, reason: string): void {
    this.options.counters.connectionsRefused++;
    this.options.logger.log("debug", "connection refused", { address: inbound.address, reason });
    this.drop(inbound);
  }

  private drop(inbound: Inbound): void {
    this.inbounds.delete(inbound);
    inbound.socket.destroy();
  }
}
