/**
 * One node among peers that it reaches by datagrams: messages and time go in, datagrams come out, and the other way
 * round. Has no socket, no timer and no chance of its own, so that it runs in tests and in the simulator as it runs
 * anywhere else.
 */
import { assert } from "../lib/assert.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { Message, NodeId } from "../raft/mod.ts";
import { decodeFrame, frameBytesBound, writeFrame } from "../wire/mod.ts";
import { readDatagramHead, type Seal, senderOf } from "./datagram.ts";
import { DatagramLink } from "./datagram_link.ts";
import type { DatagramLimits } from "./datagram_limits.ts";
import type { TransportCounters } from "./transport.ts";

export interface EndpointOptions {
  readonly self: NodeId;
  /** 16 bytes. */
  readonly clusterId: Uint8Array;
  /** What protects datagrams, the same on all nodes. */
  readonly seal: Seal;
  readonly limits: DatagramLimits;
  readonly counters: TransportCounters;
  readonly logger: Logger;
  /** A random integer above 0 and below 2^53 that nobody can guess. */
  readonly randomNumber: () => number;
  /** What it throws is not caught. */
  readonly onMessage: (message: Message) => void;
}

/** Lets datagrams leave for one peer. */
export type Leave = (to: NodeId, datagrams: readonly Uint8Array[]) => void;

/** What a way to a peer carries. */
export interface DatagramPath {
  /** The largest datagram. */
  readonly datagramBytes: number;
  /** The most that may be on its way: what the system keeps for a process that is busy. Bytes. */
  readonly windowBytesMax: number;
}

export class DatagramEndpoint {
  private readonly boot: number;
  private readonly links = new Map<NodeId, DatagramLink>();
  private readonly peers = new Set<NodeId>();
  private readonly writer = new ByteWriter(4096);
  private closed = false;

  constructor(private readonly options: EndpointOptions) {
    this.boot = options.randomNumber();
  }

  /** Calls `id` from now on. */
  addPeer(id: NodeId, { datagramBytes, windowBytesMax }: DatagramPath, now: number): void {
    const { self, clusterId, seal, limits, counters, logger, randomNumber } = this.options;
    assert(id !== self, "a node is not its own peer");
    this.peers.add(id);
    const link = new DatagramLink(
      {
        self,
        peer: id,
        clusterId,
        boot: this.boot,
        seal,
        datagramBytes,
        limits: { ...limits, windowBytesMax },
        counters,
        randomNumber,
        onFrame: (frame) => this.deliver(id, frame),
        onConnected: (isConnected) =>
          logger.log("info", isConnected ? "peer connected" : "peer disconnected", { peer: id }),
        onHole: (sizes) =>
          logger.log("warn", "large datagrams vanish", { peer: id, before: sizes.before, now: sizes.now }),
      },
      now,
    );
    this.links.set(id, link);
  }

  /** Calls `id` no more, and is deaf to it; returns the last datagrams, which tell it. */
  removePeer(id: NodeId, now: number): readonly Uint8Array[] {
    const last = this.links.get(id)?.bye(now) ?? [];
    this.links.delete(id);
    this.peers.delete(id);
    return last;
  }

  connected(peer: NodeId): boolean {
    return this.links.get(peer)?.connected ?? false;
  }

  /** Bytes kept of frames that are not complete, of all peers. */
  get keptBytes(): number {
    return [...this.links.values()].reduce((bytes, link) => bytes + link.keptBytes, 0);
  }

  /**
   * Lets a message leave that comes alone, and takes others for the next {@link flush}; those that cannot be sent now are
   * dropped and counted. Returns when {@link flush} must be called because of them, at the latest.
   */
  send(messages: readonly Message[], now: number, leave: Leave): number {
    const isOneEach = messages.length <= this.links.size; // or else some are for one peer, and share a datagram
    let isPosted = false;
    for (const message of messages) {
      const datagram = this.take(message, { mayExpress: isOneEach, now });
      if (datagram === null) isPosted = true;
      else leave(message.to, [datagram]);
    }
    return isPosted ? now : now + this.options.limits.resendMinMs;
  }

  /**
   * Takes in a datagram, whoever sent it. Keeps views of it for no longer than the call. Returns when {@link flush} must be
   * called because of it, at the latest.
   */
  receive(datagram: Uint8Array, now: number): number {
    if (this.closed) return Infinity;
    const { self, clusterId, seal, counters } = this.options;
    const { peers } = this;
    counters.datagramsReceived++;
    const link = this.links.get(senderOf(datagram));
    try {
      const head =
        link?.headOf(datagram) ?? readDatagramHead(new ByteReader(datagram), { self, clusterId, peers, seal });
      if (typeof head === "string") {
        counters.framesForeign++;
        return Infinity;
      }
      if (link?.expects(head, now) === true) {
        const body = seal.open(datagram, head);
        if (body === null) throw new CorruptError("a datagram does not match its seal");
        link.receive(head, body, now);
      }
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
      counters.framesCorrupt++;
    }
    return link?.deadline(now) ?? Infinity;
  }

  /**
   * Makes what should leave now, for one peer after the other, and lets it leave before the next one's is made. Returns when it
   * must be called again, at the latest.
   */
  flush(now: number, leave: Leave): number {
    let next = Infinity;
    if (this.closed) return next;
    for (const [to, link] of this.links) {
      let due = link.deadline(now);
      if (due <= now) {
        const datagrams = link.flush(now);
        if (datagrams.length > 0) leave(to, datagrams);
        due = link.deadline(now);
      }
      next = Math.min(next, due);
    }
    return next;
  }

  /** Takes in and sends nothing more; lets the last datagrams leave, which tell the peers. */
  close(now: number, leave: Leave): void {
    if (this.closed) return;
    this.closed = true;
    for (const [to, link] of this.links) leave(to, link.bye(now));
  }

  /** The datagram with which `message` leaves now; null where it was posted or dropped. */
  private take(
    message: Message,
    { mayExpress, now }: { readonly mayExpress: boolean; readonly now: number },
  ): Uint8Array | null {
    const { self, clusterId, limits, counters, logger } = this.options;
    assert(message.from === self, "a node sends in its own name only");
    const link = this.links.get(message.to);
    const bytesBound = frameBytesBound(message);
    if (bytesBound > limits.frameBytesMax) {
      logger.log("error", "message above the frame limit", { peer: message.to, kind: message.kind, bytes: bytesBound });
    } else if (!this.closed && link?.connected === true) {
      this.writer.reset();
      writeFrame(this.writer, message, clusterId);
      const frame = this.writer.copied();
      const datagram = mayExpress ? link.express(frame, isBulk(message), now) : null;
      if (datagram !== null || link.post(frame, isBulk(message), now)) {
        counters.messagesSent++;
        counters.bytesSent += frame.length;
        return datagram;
      }
    }
    counters.messagesDropped++;
    return null;
  }

  private deliver(from: NodeId, frame: Uint8Array): void {
    if (this.closed) return;
    const { self, clusterId, counters, onMessage } = this.options;
    counters.bytesReceived += frame.length;
    let decoded;
    try {
      decoded = decodeFrame(frame, { self, clusterId, peers: this.peers });
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
      counters.framesCorrupt++;
      return;
    }
    if (decoded.kind === "foreign" || decoded.message.from !== from) {
      counters.framesForeign++;
      return;
    }
    counters.messagesReceived++;
    onMessage(decoded.message);
  }
}

/** Whether a message belongs to a stream that is worth more in order; all others are worth most at once. */
function isBulk(message: Message): boolean {
  return message.kind === "AppendEntries" || message.kind === "InstallSnapshot";
}
