/**
 * A relay before the replicate port of each node of a local cluster, which loses a share of what passes: datagrams for
 * good, segments of TCP until they have come again. It looks into nothing, and knows no nodes.
 */
import { createServer, connect, type Server, type Socket } from "node:net";
import { assert } from "../lib/assert.ts";
import type { Random } from "../lib/random.ts";
import type { Runtime, UdpSocket, UdpPacket } from "../runtime/runtime.ts";
import type { TransportKind } from "./cluster_file.ts";
import { LossyStream } from "./lossy_stream.ts";
import type { HostPort } from "./server_list.ts";

export interface RelayOptions {
  readonly transport: TransportKind;
  /** Which share of all packets is lost: from 0 to below 1. */
  readonly lossRate: number;
  readonly random: Random;
  readonly runtime: Pick<Runtime, "openUdp">;
}

/** How much of a stream a relay holds before it reads no more of it: about what a socket holds. Bytes. */
const heldBytesMax = 4 * 1024 * 1024;

export class LossyRelays {
  private readonly sockets = new Set<Socket>();
  private readonly ports: (UdpSocket | Server)[] = [];

  constructor(private readonly options: RelayOptions) {}

  /** Opens a way to `target`; returns where it begins, on the same host. */
  open(target: HostPort): Promise<HostPort> {
    return this.options.transport === "udp" ? this.openDatagrams(target) : this.openStreams(target);
  }

  close(): void {
    for (const port of this.ports) port.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private async openDatagrams({ host, port }: HostPort): Promise<HostPort> {
    const { runtime, random, lossRate } = this.options;
    const to = { address: host, port };
    let passing: UdpPacket[] = [];
    const socket = await runtime.openUdp({
      hostname: host,
      port: 0,
      receive: (datagram) => {
        if (random.next() < lossRate) return;
        passing.push({ datagram, to });
        if (passing.length > 1) return;
        setImmediate(() => {
          socket.send(passing);
          passing = [];
        });
      },
    });
    this.ports.push(socket);
    return { host, port: socket.port };
  }

  private async openStreams(target: HostPort): Promise<HostPort> {
    const server = createServer({ noDelay: true }, (near) => {
      const far = connect({ ...target, noDelay: true });
      this.pass(near, far);
      this.pass(far, near);
    });
    this.ports.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: target.host, port: 0 }, resolve);
    });
    const address = server.address();
    assert(address !== null && typeof address === "object", "a listening server has an address");
    return { host: target.host, port: address.port };
  }

  /** Passes on what `source` sends, as late as its losses make it. */
  private pass(source: Socket, sink: Socket): void {
    const { lossRate, random } = this.options;
    const stream = new LossyStream(lossRate, random);
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wakesAt = Infinity;
    const deliver = (): void => {
      for (const bytes of stream.take(performance.now())) sink.write(bytes);
      if (stream.heldBytes < heldBytesMax && sink.writableLength < heldBytesMax) source.resume();
      if (stream.deadline === wakesAt) return;
      clearTimeout(timer); // what has come since may have told of a loss
      wakesAt = stream.deadline;
      if (wakesAt !== Infinity) timer = setTimeout(wake, Math.max(0, wakesAt - performance.now()));
    };
    const wake = (): void => {
      wakesAt = Infinity;
      deliver();
    };
    this.sockets.add(source);
    source.on("data", (bytes: Uint8Array) => {
      stream.push(bytes, performance.now());
      if (stream.heldBytes >= heldBytesMax || sink.writableLength >= heldBytesMax) source.pause();
      deliver();
    });
    sink.on("drain", deliver);
    source.on("error", () => undefined); // it closes, too
    source.on("close", () => {
      this.sockets.delete(source);
      clearTimeout(timer);
      sink.destroy();
    });
  }
}
