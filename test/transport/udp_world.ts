/** UDP transports on loopback, and bare sockets that misbehave towards them. */
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { silentLogger, type Logger } from "../../src/lib/logger.ts";
import type { Message, NodeId } from "../../src/raft/mod.ts";
import { checksumSeal, datagramPrefix, writeDatagramHead } from "../../src/transport/datagram.ts";
import { writePiece } from "../../src/transport/datagram_sections.ts";
import { defaultDatagramLimits, UdpTransport, type ClusterKey, type DatagramLimits } from "../../src/transport/mod.ts";
import { clusterIdBytes } from "../../src/wire/mod.ts";
import { openUdp } from "../helpers/runtime.ts";
import { clusterId } from "../wire/sample_messages.ts";
import { frameOf } from "./frames.ts";

export const host = "127.0.0.1";

export interface UdpNodeOptions {
  readonly self: NodeId;
  readonly port: number;
  /** The port of each peer by its id. */
  readonly peers: Readonly<Record<NodeId, number>>;
  readonly limits?: Partial<DatagramLimits>;
  readonly datagramBytes?: number;
  readonly key?: ClusterKey;
  readonly clusterId?: string;
  readonly logger?: Logger;
}

/** A transport that does not listen yet. */
export function udpNode(options: UdpNodeOptions): UdpTransport {
  return new UdpTransport({
    self: options.self,
    clusterId: options.clusterId ?? clusterId,
    listen: () => ({ host, port: options.port }),
    peers: Object.entries(options.peers).map(([id, port]) => ({ id: Number(id), host, port })),
    datagramBytes: options.datagramBytes ?? null,
    key: options.key ?? null,
    limits: { ...defaultDatagramLimits, ...options.limits },
    logger: options.logger ?? silentLogger,
    openUdp,
  });
}

/** A datagram with `message` in it that is right in everything but that no session of the receiver knows it. */
export function datagramOf(message: Message): Uint8Array {
  const writer = new ByteWriter();
  const head = { from: message.from, to: message.to, boot: 5, token: 6, number: 7 };
  const prefix = datagramPrefix(head, { clusterId: clusterIdBytes(clusterId), seal: checksumSeal });
  writeDatagramHead(writer, prefix, head.number);
  const source = frameOf(message);
  const end = source.length;
  writePiece(writer, {
    isOrdered: false,
    number: 1,
    frameBytes: end,
    fragmentBytes: end,
    which: 0,
    source,
    start: 0,
    end,
  });
  return checksumSeal.close(writer, head);
}

/** Sends `datagrams` to `port`, as anybody can. */
export async function throwAt(port: number, datagrams: readonly Uint8Array[]): Promise<void> {
  const socket = await openUdp({ hostname: host, port: 0, receive: () => undefined });
  socket.send(datagrams.map((datagram) => ({ datagram, to: { address: host, port } })));
  socket.close();
}
