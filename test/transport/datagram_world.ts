/** Endpoints on a network of datagrams in virtual time, which loses, repeats, reorders and damages what follows from a seed. */
import { silentLogger } from "../../src/lib/logger.ts";
import { seededRandom, type Random } from "../../src/lib/random.ts";
import type { Message, NodeId } from "../../src/raft/mod.ts";
import {
  checksumSeal,
  DatagramEndpoint,
  type Leave,
  defaultDatagramLimits,
  newTransportCounters,
  type Seal,
  type DatagramLimits,
  type DatagramPath,
  type TransportCounters,
} from "../../src/transport/mod.ts";
import { clusterIdBytes } from "../../src/wire/mod.ts";
import { clusterId } from "../wire/sample_messages.ts";

/** Probabilities from 0 to 1, and times in milliseconds. */
export interface Weather {
  readonly loss: number;
  readonly duplicates: number;
  readonly damage: number;
  /** Larger datagrams vanish. Bytes. */
  readonly largest?: number;
  readonly delayMs: number;
  /** A further delay, up to this: above 0, datagrams overtake each other. */
  readonly spreadMs: number;
}

export const fair: Weather = { loss: 0, duplicates: 0, damage: 0, delayMs: 1, spreadMs: 0 };

export interface Party {
  readonly endpoint: DatagramEndpoint;
  readonly counters: TransportCounters;
  readonly received: Message[];
}

interface Flight {
  readonly at: number;
  readonly to: NodeId;
  readonly datagram: Uint8Array;
}

export class DatagramWorld {
  now = 1000;
  weather: Weather = fair;
  /** Every datagram that left, in order. */
  readonly recorded: { readonly to: NodeId; readonly datagram: Uint8Array }[] = [];
  private readonly parties = new Map<NodeId, Party>();
  private flights: Flight[] = [];
  private readonly random: Random;

  constructor(
    seed: number,
    private readonly seal: Seal = checksumSeal,
  ) {
    this.random = seededRandom(seed);
  }

  /** Starts, or starts again, the node `id`, with `peers`. */
  start(
    id: NodeId,
    peers: readonly NodeId[],
    options: { readonly path?: Partial<DatagramPath>; readonly limits?: Partial<DatagramLimits> } = {},
  ): Party {
    const counters = newTransportCounters();
    const received: Message[] = [];
    const endpoint = new DatagramEndpoint({
      self: id,
      clusterId: clusterIdBytes(clusterId),
      seal: this.seal,
      limits: { ...defaultDatagramLimits, ...options.limits },
      counters,
      logger: silentLogger,
      randomNumber: () => this.random.integer(1, 2 ** 50),
      onMessage: (message) => received.push(message),
    });
    for (const peer of peers) {
      endpoint.addPeer(peer, { datagramBytes: 1200, windowBytesMax: 256 * 1024, ...options.path }, this.now);
    }
    const party = { endpoint, counters, received };
    this.parties.set(id, party);
    return party;
  }

  /** Two nodes that are connected. */
  static pair(
    seed: number,
    options: Parameters<DatagramWorld["start"]>[2] = {},
    seal?: Seal,
  ): readonly [DatagramWorld, Party, Party] {
    const world = new DatagramWorld(seed, seal);
    const one = world.start(1, [2], options);
    const two = world.start(2, [1], options);
    world.until(() => one.endpoint.connected(2) && two.endpoint.connected(1));
    return [world, one, two];
  }

  /** The node is gone, without a word. */
  vanish(id: NodeId): void {
    this.parties.delete(id);
  }

  /** Returns when the party has to be given time again. */
  send(party: Party, messages: readonly Message[]): number {
    return party.endpoint.send(messages, this.now, this.leave);
  }

  /** Brings `datagram` to a node at once, whatever the weather. */
  inject(to: NodeId, datagram: Uint8Array): void {
    this.parties.get(to)?.endpoint.receive(datagram, this.now);
  }

  /** Lets things happen until `condition` holds; throws when it does not within `limitMs` of virtual time. */
  until(condition: () => boolean, limitMs = 60_000): void {
    const end = this.now + limitMs;
    while (!condition()) {
      if (this.now > end) throw new Error(`never held: ${condition.toString()}`);
      this.step();
    }
  }

  pass(durationMs: number): void {
    const end = this.now + durationMs;
    while (this.now < end) this.step(end);
  }

  /** All nodes say what they have to say, and time goes on to whatever comes next. */
  private step(latest = Infinity): void {
    const deadlines = [...this.parties.values()].map(({ endpoint }) => endpoint.flush(this.now, this.leave));
    const next = Math.min(latest, ...deadlines, ...this.flights.map(({ at }) => at));
    this.now = Math.max(this.now + 0.01, Math.min(next, this.now + 1000));
    const due = this.flights.filter(({ at }) => at <= this.now);
    this.flights = this.flights.filter(({ at }) => at > this.now);
    for (const { to, datagram } of due) this.inject(to, datagram);
  }

  private readonly leave: Leave = (to, datagrams) => {
    for (const datagram of datagrams) this.carry(to, datagram);
  };

  private carry(to: NodeId, datagram: Uint8Array): void {
    const { loss, duplicates, damage, largest = Infinity, delayMs, spreadMs } = this.weather;
    this.recorded.push({ to, datagram });
    if (datagram.length > largest) return;
    if (this.random.next() < loss) return;
    for (let copies = this.random.next() < duplicates ? 2 : 1; copies > 0; copies--) {
      const at = this.now + delayMs + this.random.next() * spreadMs;
      this.flights.push({ at, to, datagram: this.random.next() < damage ? this.damaged(datagram) : datagram });
    }
  }

  /** With a bit changed, or without its end. */
  damaged(datagram: Uint8Array): Uint8Array {
    if (this.random.next() < 0.3) return datagram.slice(0, this.random.integer(0, datagram.length - 1));
    const changed = datagram.slice();
    const position = this.random.integer(0, changed.length - 1);
    changed[position] = (changed[position] ?? 0) ^ (1 << this.random.integer(0, 7));
    return changed;
  }
}
