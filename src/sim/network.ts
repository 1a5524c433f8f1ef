/**
 * The network between the machines: frames as bytes that take their time, overtake each other, get lost, come twice, come
 * seconds later, or come damaged. It knows which {@link Ways} are cut and nothing of what the messages mean.
 */
import { assert } from "../lib/assert.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import type { Random } from "../lib/random.ts";
import type { Message, NodeId } from "../raft/mod.ts";
import { writeFrame } from "../wire/mod.ts";
import { between, happens, streamOf, waitMs } from "./chance.ts";
import { describeMessage } from "./describe.ts";
import { type Way, Ways } from "./ways.ts";
import type { Timeline } from "./timeline.ts";
import type { Trace } from "./trace.ts";

/** How the network treats each frame: probabilities from 0 to 1, times in milliseconds. */
export interface NetworkConditions {
  /** What every frame takes; it varies by a fifth. */
  readonly delayMs: number;
  /** The mean of an extra delay that each frame draws; above 0, frames overtake each other. */
  readonly spreadMs: number;
  readonly loss: number;
  readonly duplicates: number;
  /** It is delivered, and again up to {@link replayMsMax} later. */
  readonly replays: number;
  /** It arrives up to {@link stragglerMsMax} late, and all that follows overtakes it. */
  readonly stragglers: number;
  /** A bit of it flips, or its end is missing. */
  readonly corruption: number;
}

/** A network that only takes its time. */
export function calm(delayMs: number): NetworkConditions {
  return { delayMs, spreadMs: 0, loss: 0, duplicates: 0, replays: 0, stragglers: 0, corruption: 0 };
}

/** The latest that a frame arrives. */
const stragglerMsMax = 500;
/** The latest that a frame arrives where frames are shuffled. */
const shuffleMsMax = 200;
/** The latest that a frame comes back. */
const replayMsMax = 4000;
/** Frames that are kept for each machine. */
const keptMax = 100;

/** What arrives at a machine. `damaged` frames differ from what was sent, and must never pass for a message. */
export interface Packet {
  readonly bytes: Uint8Array;
  readonly damaged: boolean;
}

export interface NetworkOptions {
  readonly seed: number;
  /** 16 bytes, in every frame. */
  readonly clusterId: Uint8Array;
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly conditions: NetworkConditions;
}

function describeDatagram({ from, to }: Way, { length }: Uint8Array): string {
  return `n${from} → n${to} datagram of ${length} bytes`;
}

export class SimNetwork {
  /** Nothing gets through here. */
  readonly cuts = new Ways();
  /** What goes through here arrives in any order within {@link shuffleMsMax}, and half of it twice. */
  readonly shuffles = new Ways();
  conditions: NetworkConditions;
  private readonly receivers = new Map<NodeId, (packet: Packet) => void>();
  /** Frames that left in an earlier era never arrive. */
  private era = 0;
  /** When the newest frame of each way arrives: nothing overtakes it while frames keep their order. */
  private readonly arrivals = new Map<number, number>();
  private readonly writer = new ByteWriter(4096);
  private readonly delays: Random;
  private readonly losses: Random;
  private readonly repeats: Random;
  private readonly damages: Random;
  private readonly stragglers: Random;
  private readonly disorder: Random;
  /** By receiver, some of what was sent to it at any time; null: nothing is kept. */
  private kept: Map<NodeId, Packet[]> | null = null;
  private readonly echoes: Random;

  constructor(private readonly options: NetworkOptions) {
    const { seed } = options;
    this.conditions = options.conditions;
    this.delays = streamOf(seed, "network delays");
    this.losses = streamOf(seed, "network losses");
    this.repeats = streamOf(seed, "network repeats");
    this.damages = streamOf(seed, "network damages");
    this.stragglers = streamOf(seed, "network stragglers");
    this.disorder = streamOf(seed, "network disorder");
    this.echoes = streamOf(seed, "network echoes");
  }

  /** Every machine there is. */
  get ids(): readonly NodeId[] {
    return [...this.receivers.keys()];
  }

  attach(id: NodeId, receive: (packet: Packet) => void): void {
    this.receivers.set(id, receive);
  }

  /** Sends `message` as a frame, if there is still a way to its receiver. */
  post(message: Message): void {
    this.carry(message, this.encode(message), () => describeMessage(message));
  }

  /** Sends bytes that nobody writes to afterwards. */
  carry(way: Way, bytes: Uint8Array, describe = (): string => describeDatagram(way, bytes)): void {
    const { conditions } = this;
    const cut = this.cuts.has(way);
    const lost = cut || happens(this.losses, conditions.loss);
    this.options.trace.note(bytes.length * 64 + (lost ? 1 : 0), () => {
      return `${describe()}${cut ? " (cut)" : lost ? " (lost)" : ""}`;
    });
    if (lost) return;
    const packet = this.damage({ bytes, damaged: false });
    this.keep(way.to, packet);
    if (this.shuffles.has(way)) {
      this.shuffle(way, packet);
      return;
    }
    const lateMs = happens(this.stragglers, conditions.stragglers) ? between(this.stragglers, 0, stragglerMsMax) : 0;
    if (lateMs > 0) this.deliver(way, packet, this.options.timeline.now + lateMs);
    else this.deliver(way, packet, this.arrivalOf(way));
    if (happens(this.repeats, conditions.duplicates)) this.deliver(way, packet, this.arrivalOf(way));
    if (happens(this.repeats, conditions.replays)) {
      this.deliver(way, packet, this.options.timeline.now + between(this.repeats, 0, replayMsMax));
    }
  }

  /** From now on some of all that is sent is kept, so that it can come again: see {@link pastOf}. */
  keepSome(): void {
    this.kept = new Map();
  }

  private keep(to: NodeId, packet: Packet): void {
    if (this.kept === null || !happens(this.echoes, 0.5)) return;
    const packets = this.kept.get(to) ?? [];
    this.kept.set(to, packets);
    if (packets.length < keptMax) packets.push(packet);
    else packets[this.echoes.integer(0, keptMax - 1)] = packet;
  }

  /** What was sent to `to` until now, as far as it was kept: each call of the returned function lets it arrive again, within `withinMs`, in any order. */
  pastOf(to: NodeId): (withinMs: number) => void {
    const packets = [...(this.kept?.get(to) ?? [])];
    return (withinMs) => {
      for (const packet of packets)
        this.deliver({ to }, packet, this.options.timeline.now + between(this.echoes, 0, withinMs));
    };
  }

  /** Loses all that is on its way. */
  loseAll(): void {
    this.era++;
  }

  private encode(message: Message): Uint8Array {
    writeFrame(this.writer, message, this.options.clusterId);
    return this.writer.take();
  }

  private arrivalOf({ from, to }: Way): number {
    const { delayMs, spreadMs } = this.conditions;
    const direct = this.options.timeline.now + delayMs * between(this.delays, 0.8, 1.2);
    if (spreadMs > 0) return direct + waitMs(this.delays, spreadMs);
    const way = from * 256 + to;
    const arrival = Math.max(direct, this.arrivals.get(way) ?? 0);
    this.arrivals.set(way, arrival);
    return arrival;
  }

  private shuffle(way: Way, packet: Packet): void {
    const arrives = (): void => {
      this.deliver(way, packet, this.options.timeline.now + between(this.disorder, 0, shuffleMsMax));
    };
    arrives();
    if (happens(this.disorder, 0.5)) arrives();
  }

  private deliver({ to }: Pick<Way, "to">, packet: Packet, time: number): void {
    const { era } = this;
    const receive = this.receivers.get(to);
    assert(receive !== undefined, "a message to a machine that does not exist");
    this.options.timeline.at(time, () => {
      if (this.era === era) receive(packet);
    });
  }

  private damage(packet: Packet): Packet {
    const { damages } = this;
    if (!happens(damages, this.conditions.corruption)) return packet;
    if (happens(damages, 0.2))
      return { bytes: packet.bytes.subarray(0, damages.integer(0, packet.bytes.length - 1)), damaged: true };
    const bytes = packet.bytes.slice();
    const position = damages.integer(0, bytes.length - 1);
    bytes[position] = (bytes[position] ?? 0) ^ (1 << damages.integer(0, 7));
    return { bytes, damaged: true };
  }
}
