/**
 * A machine's way to the simulated network in datagrams: the endpoint of the UDP transport, with its greetings, fragments,
 * windows and repetitions, on a network that loses, repeats, reorders and damages each datagram by itself.
 */
import { assert } from "../lib/assert.ts";
import { silentLogger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import type { Clock } from "../node/mod.ts";
import type { Message, NodeId } from "../raft/mod.ts";
import { checksumSeal, DatagramEndpoint, type Leave, newTransportCounters } from "../transport/mod.ts";
import { describeMessage } from "./describe.ts";
import type { Packet } from "./network.ts";
import type { DatagramPlan } from "./plan.ts";
import type { SimTransport, SimTransportOptions } from "./sim_transport.ts";
import type { Trace } from "./trace.ts";
import { check } from "./violation.ts";

export interface SimDatagramsOptions extends SimTransportOptions {
  readonly plan: DatagramPlan;
  /** That of the machine. */
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
}

export class SimDatagrams implements SimTransport {
  onMessage: (message: Message) => void = () => undefined;
  readonly counters = newTransportCounters();
  private readonly endpoint: DatagramEndpoint;
  private damaged = false;
  private closed = false;
  private callOff: () => void = () => undefined;

  constructor(private readonly options: SimDatagramsOptions) {
    const { self, clusterId, network, plan, clock, random } = options;
    this.endpoint = new DatagramEndpoint({
      self,
      clusterId,
      seal: checksumSeal,
      limits: plan.limits,
      counters: this.counters,
      logger: silentLogger,
      randomNumber: () => random.integer(1, 2 ** 50),
      onMessage: (message) => {
        check(!this.damaged, "L14", () => "a damaged datagram brought a message (L14)");
        this.onMessage(message);
      },
    });
    for (const id of network.ids) if (id !== self) this.endpoint.addPeer(id, plan.path, clock.now());
    this.flush();
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) {
      assert(!this.closed, "a node that is gone sends nothing");
      this.options.onLeaving(message);
      this.options.trace.note(message.term, () => `${describeMessage(message)} (in datagrams)`);
    }
    this.endpoint.send(messages, this.options.clock.now(), this.leave);
    this.flush();
  }

  connected(peer: NodeId): boolean {
    return this.endpoint.connected(peer);
  }

  /** The node is gone, and says nothing of it. */
  close(): void {
    this.closed = true;
    this.callOff();
  }

  receive({ bytes, damaged }: Packet): void {
    const before = { ...this.counters };
    this.damaged = damaged;
    this.endpoint.receive(bytes, this.options.clock.now());
    this.damaged = false;
    const { framesCorrupt, framesForeign, datagramsRepeated, datagramsStale } = this.counters;
    const isRefused = framesCorrupt + framesForeign > before.framesCorrupt + before.framesForeign;
    // What nobody waits for is not looked at any further.
    const isPassedOver = datagramsRepeated + datagramsStale > before.datagramsRepeated + before.datagramsStale;
    check(damaged ? isRefused || isPassedOver : !isRefused, "L14", () => {
      return `a datagram was ${damaged ? "damaged and taken" : "whole and refused"} (L14)`;
    });
    this.flush();
  }

  private readonly leave: Leave = (to, datagrams) => {
    const { network, self } = this.options;
    for (const bytes of datagrams) network.carry({ from: self, to }, bytes);
  };

  /** Calls the peers, and sends what waits; again as soon as there is more to do. */
  private flush(): void {
    const { clock } = this.options;
    if (this.closed) return;
    const now = clock.now();
    const deadline = this.endpoint.flush(now, this.leave);
    this.callOff();
    if (deadline < Infinity) this.callOff = clock.at(deadline, () => this.flush());
  }
}
