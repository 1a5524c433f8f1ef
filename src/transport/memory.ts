/**
 * A network inside one process, for tests: nothing moves until it is told to, and what it loses, repeats and reorders
 * follows from a seed. It knows no time and no connections.
 */
import { assert } from "../lib/assert.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import type { Random } from "../lib/random.ts";
import type { Message, NodeId } from "../raft/mod.ts";
import { clusterIdBytes, decodeFrame, writeFrame } from "../wire/mod.ts";
import { newTransportCounters, type Transport } from "./transport.ts";

export interface MemoryNetworkOptions {
  readonly random: Random;
  /** Of every node that is not attached with another: 32 hexadecimal digits. */
  readonly clusterId: string;
  /** Whether messages travel as frames, as on a real network, or as the very objects that were sent. */
  readonly encode: boolean;
}

/** How likely what happens to each message when its turn comes: probabilities from 0 to 1. */
export interface NetworkFaults {
  readonly drop: number;
  /** It is delivered, and again later. */
  readonly duplicate: number;
  /** Any message that waits goes first, instead of the oldest. */
  readonly reorder: number;
}

interface Packet {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly content: Message | Uint8Array;
}

export class MemoryNetwork {
  faults: NetworkFaults = { drop: 0, duplicate: 0, reorder: 0 };
  private readonly transports = new Map<NodeId, MemoryTransport>();
  private readonly blocked = new Set<string>();
  private readonly packets: Packet[] = [];

  constructor(private readonly options: MemoryNetworkOptions) {}

  /** The transport of node `id`; one that it had before is closed, as if the node had started again. */
  attach(id: NodeId, clusterId = this.options.clusterId): Transport {
    this.transports.get(id)?.close();
    const link = {
      self: id,
      clusterId: clusterIdBytes(clusterId),
      encode: this.options.encode,
      peers: () => new Set([...this.transports.keys()].filter((other) => other !== id)),
      post: (packet: Packet) => this.post(packet),
      leave: (transport: MemoryTransport) => {
        if (this.transports.get(id) === transport) this.transports.delete(id);
      },
    };
    const transport = new MemoryTransport(link);
    this.transports.set(id, transport);
    return transport;
  }

  /** Loses everything from `from` to `to`, what is already on its way included, until {@link unblock} or {@link heal}. */
  block(from: NodeId, to: NodeId): void {
    this.blocked.add(way(from, to));
  }

  unblock(from: NodeId, to: NodeId): void {
    this.blocked.delete(way(from, to));
  }

  /** Ends all blocks. */
  heal(): void {
    this.blocked.clear();
  }

  /** Messages on their way. */
  get pending(): number {
    return this.packets.length;
  }

  /** Puts raw bytes on the way to `to`, as a stranger could. */
  inject(to: NodeId, bytes: Uint8Array): void {
    this.packets.push({ from: 0, to, content: bytes });
  }

  /** Settles the fate of one message; whatever its receiver sends in turn is queued. False when none was on its way. */
  deliverOne(): boolean {
    const { random } = this.options;
    if (this.packets.length === 0) return false;
    const position = this.happens(this.faults.reorder) ? random.integer(0, this.packets.length - 1) : 0;
    const [packet] = this.packets.splice(position, 1);
    assert(packet !== undefined, "a position outside of the queue");
    if (this.happens(this.faults.drop)) return true;
    if (this.happens(this.faults.duplicate)) this.packets.push(packet);
    if (!this.blocked.has(way(packet.from, packet.to))) this.transports.get(packet.to)?.receive(packet.content);
    return true;
  }

  /** Delivers until nothing is on its way. Nodes that never fall silent are a bug: it stops after `messagesMax`. */
  deliverAll(messagesMax = 1_000_000): void {
    for (let count = 0; this.deliverOne(); count++) assert(count < messagesMax, "the nodes never fall silent");
  }

  private post(packet: Packet): boolean {
    if (!this.transports.has(packet.to) || this.blocked.has(way(packet.from, packet.to))) return false;
    this.packets.push(packet);
    return true;
  }

  /** Draws only where there is something to decide, so that a healthy network takes nothing from the seed. */
  private happens(probability: number): boolean {
    return probability > 0 && this.options.random.next() < probability;
  }
}

/** How a transport reaches the network it belongs to. */
interface Link {
  readonly self: NodeId;
  readonly clusterId: Uint8Array;
  readonly encode: boolean;
  readonly peers: () => ReadonlySet<NodeId>;
  /** False when the packet was lost at once. */
  readonly post: (packet: Packet) => boolean;
  readonly leave: (transport: MemoryTransport) => void;
}

class MemoryTransport implements Transport {
  onMessage: (message: Message) => void = () => undefined;
  readonly counters = newTransportCounters();
  private closed = false;

  constructor(private readonly link: Link) {}

  send(messages: readonly Message[]): void {
    for (const message of messages) this.sendOne(message);
  }

  connected(_peer: NodeId): boolean {
    return true;
  }

  close(): void {
    this.closed = true;
    this.link.leave(this);
  }

  receive(content: Message | Uint8Array): void {
    const message = content instanceof Uint8Array ? this.decode(content) : content;
    if (message === null) return;
    this.counters.messagesReceived++;
    this.onMessage(message);
  }

  private sendOne(message: Message): void {
    const { self, encode, clusterId, post } = this.link;
    assert(message.from === self, "a node sends in its own name only");
    const content = encode ? encoded(message, clusterId) : message;
    if (this.closed || !post({ from: self, to: message.to, content })) {
      this.counters.messagesDropped++;
      return;
    }
    this.counters.messagesSent++;
    if (content instanceof Uint8Array) this.counters.bytesSent += content.length;
  }

  /** Null when the bytes are not a message for us, which is counted. */
  private decode(bytes: Uint8Array): Message | null {
    const { self, clusterId, peers } = this.link;
    this.counters.bytesReceived += bytes.length;
    try {
      const decoded = decodeFrame(bytes, { self, clusterId, peers: peers() });
      if (decoded.kind === "message") return decoded.message;
      this.counters.framesForeign++;
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
      this.counters.framesCorrupt++;
    }
    return null;
  }
}

function encoded(message: Message, clusterId: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writeFrame(writer, message, clusterId);
  return writer.take();
}

function way(from: NodeId, to: NodeId): string {
  return `${from}→${to}`;
}
