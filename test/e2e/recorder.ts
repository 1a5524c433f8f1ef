/** Sits on the router between nodes, passes on what they send each other, and keeps a copy of it, to be sent again. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import type { NodePorts } from "./cluster.ts";
import { divert } from "./packet_filter.ts";
import { hostOf, type Protocol } from "./routed_network.ts";

/** A datagram, or all that was sent on one connection. */
export interface Recording {
  readonly to: number;
  readonly chunks: Uint8Array[];
}

export class Recorder {
  readonly recordings: Recording[] = [];
  private ports: readonly NodePorts[] = [];

  private constructor(
    private readonly kind: Protocol,
    private readonly relays: readonly (Socket | Server)[] = [],
    private readonly relayPorts: readonly number[] = [],
  ) {}

  /** For `count` nodes, which must be told of it by {@link attach} before they start. */
  static async open(count: number, kind: Protocol): Promise<Recorder> {
    const relays: (Socket | Server)[] = [];
    const ports: number[] = [];
    const recorder = new Recorder(kind, relays, ports);
    for (let id = 1; id <= count; id++) {
      const relay = kind === "udp" ? recorder.datagramRelay(id) : recorder.streamRelay(id);
      await once(relay, "listening");
      const address = relay.address();
      if (address === null || typeof address === "string") throw new Error("a relay without a port");
      relays.push(relay);
      ports.push(address.port);
    }
    return recorder;
  }

  /** From now on what is sent to these ports comes here first. */
  attach(ports: readonly NodePorts[]): void {
    this.ports = ports;
    for (const [at, port] of this.relayPorts.entries())
      divert(port, "-p", this.kind, "-d", hostOf(at + 1), "--dport", `${this.replicatePort(at + 1)}`);
  }

  /** Sends `bytes` to the replicate port of a node, as a stranger would: in one datagram, or on a connection of its own. */
  async send(to: number, bytes: Uint8Array): Promise<void> {
    if (this.kind === "udp") return this.sendDatagram(to, bytes);
    const socket = connect({ host: hostOf(to), port: this.replicatePort(to) });
    socket.on("error", () => undefined); // cut off in the middle: that may happen to a stranger
    socket.resume();
    socket.end(bytes);
    await new Promise((resolve) => socket.on("close", resolve));
  }

  close(): void {
    for (const relay of this.relays) relay.close();
  }

  private replicatePort(id: number): number {
    return this.ports[id - 1]?.replicate ?? 0;
  }

  private sendDatagram(to: number, bytes: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const [relay] = this.relays;
    if (relay === undefined || !("send" in relay)) throw new Error("no socket for datagrams");
    relay.send(bytes, this.replicatePort(to), hostOf(to), () => resolve(undefined)); // a stranger does not mind losses
    return promise;
  }

  private datagramRelay(to: number): Socket {
    const relay = createSocket("udp4");
    relay.on("message", (datagram) => {
      this.recordings.push({ to, chunks: [Uint8Array.from(datagram)] });
      relay.send(datagram, this.replicatePort(to), hostOf(to), () => undefined);
    });
    relay.on("error", () => undefined); // nobody listens at the other end, for a moment
    relay.bind(0);
    return relay;
  }

  private streamRelay(to: number): Server {
    const relay = createServer((from) => {
      const recording: Recording = { to, chunks: [] };
      this.recordings.push(recording);
      const onward = connect({ host: hostOf(to), port: this.replicatePort(to) });
      from.on("data", (chunk: Uint8Array) => {
        recording.chunks.push(Uint8Array.from(chunk));
        onward.write(chunk);
      });
      onward.pipe(from);
      for (const [one, other] of [
        [from, onward],
        [onward, from],
      ] as const) {
        one.on("error", () => undefined); // the other side learns of it by the end
        one.on("close", () => other.destroy());
      }
    });
    relay.listen(0);
    return relay;
  }
}
