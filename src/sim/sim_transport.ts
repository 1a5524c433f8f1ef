/** A machine's way to the simulated network, frame by frame: the transport port of one life of a node. */
import { assert } from "../lib/assert.ts";
import { CorruptError } from "../lib/errors.ts";
import type { Message, NodeId } from "../raft/mod.ts";
import { newTransportCounters, type Transport } from "../transport/mod.ts";
import { decodeFrame, type FrameReceiver } from "../wire/mod.ts";
import type { Packet, SimNetwork } from "./network.ts";
import { check } from "./violation.ts";

export interface SimTransportOptions {
  readonly self: NodeId;
  readonly clusterId: Uint8Array;
  readonly network: SimNetwork;
  /** Told of each message before it leaves; may throw to end the life of the node right there. */
  readonly onLeaving: (message: Message) => void;
}

/** The transport of one life of a node, and what arrives there. */
export interface SimTransport extends Transport {
  receive(packet: Packet): void;
}

/** Each message is a frame that travels alone. */
export class SimFrames implements SimTransport {
  onMessage: (message: Message) => void = () => undefined;
  readonly counters = newTransportCounters();
  private closed = false;

  private readonly receiver: FrameReceiver;

  constructor(private readonly options: SimTransportOptions) {
    const { self, clusterId, network } = options;
    this.receiver = { self, clusterId, peers: new Set(network.ids) };
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) {
      assert(!this.closed, "a node that is gone sends nothing");
      assert(message.from === this.options.self, "a node sends in its own name only");
      this.options.onLeaving(message);
      this.counters.messagesSent++;
      this.options.network.post(message);
    }
  }

  connected(_peer: NodeId): boolean {
    return true;
  }

  close(): void {
    this.closed = true;
  }

  /** A frame arrived. One that was damaged is dropped, or the run fails. */
  receive(packet: Packet): void {
    const message = this.decode(packet);
    check(message === null || !packet.damaged, "L14", () => "a damaged frame passed for a message (L14)");
    if (message === null) {
      check(packet.damaged, "L14", () => "a whole frame was taken for a damaged one (L14)");
      this.counters.framesCorrupt++;
      return;
    }
    this.counters.messagesReceived++;
    this.onMessage(message);
  }

  private decode({ bytes }: Packet): Message | null {
    try {
      const decoded = decodeFrame(bytes, this.receiver);
      return decoded.kind === "message" ? decoded.message : null;
    } catch (error) {
      if (error instanceof CorruptError) return null;
      throw error;
    }
  }
}
