/**
 * Messages over UDP: gives a {@link DatagramEndpoint} its socket, its timer, its random numbers and the addresses of its
 * peers. All that a datagram goes through is decided there.
 */
import { randomBytes } from "node:crypto";
import { lookup } from "node:dns";
import { isIP } from "node:net";
import { assert } from "../lib/assert.ts";
import type { Logger } from "../lib/logger.ts";
import type { Message, NodeId } from "../raft/mod.ts";
import type { UdpAddress, UdpOptions as SocketOptions, UdpPacket, UdpSocket } from "../runtime/runtime.ts";
import { clusterIdBytes } from "../wire/mod.ts";
import { KeySeal, type ClusterKey } from "./cluster_key.ts";
import { checksumSeal } from "./datagram.ts";
import { DatagramEndpoint, type DatagramPath, type Leave } from "./datagram_endpoint.ts";
import { safeDatagramBytes, type DatagramLimits } from "./datagram_limits.ts";
import { newTransportCounters, type Transport } from "./transport.ts";
import type { TcpAddress, TcpPeer } from "./tcp.ts";

export interface UdpTransportOptions {
  readonly self: NodeId;
  /** 32 hexadecimal digits, the same on all nodes. */
  readonly clusterId: string;
  /** Where peers reach this node; asked when listening begins. */
  readonly listen: () => TcpAddress;
  /** The other nodes, as far as they are known now: see {@link UdpTransport.setPeers}. Nobody else is listened to. */
  readonly peers: readonly TcpPeer[];
  /** What every node of the cluster has to know; null lets everybody speak. */
  readonly key: ClusterKey | null;
  /** The largest datagram to any peer, in bytes; null lets the way to each peer decide. */
  readonly datagramBytes: number | null;
  readonly limits: DatagramLimits;
  readonly logger: Logger;
  readonly openUdp: (options: SocketOptions) => Promise<UdpSocket>;
}

/** Within one machine: large, and no more on its way than the buffer of a socket holds while its process is busy. Bytes. */
export const loopbackPath: DatagramPath = { datagramBytes: 16 * 1024, windowBytesMax: 144 * 1024 };
/** Between machines. Bytes. */
export const networkPath: DatagramPath = { datagramBytes: safeDatagramBytes, windowBytesMax: 1024 * 1024 };

/** How often the name of a peer that does not answer is looked up again. Milliseconds. */
const lookupMs = 5000;

interface Peer {
  readonly place: TcpPeer;
  /** Null until its name is resolved. */
  address: UdpAddress | null;
  lookedUpAt: number;
}

export class UdpTransport implements Transport {
  onMessage: (message: Message) => void = () => undefined;
  readonly counters = newTransportCounters();
  private readonly endpoint: DatagramEndpoint;
  private readonly peers = new Map<NodeId, Peer>();
  /** Until when nodes that are no peers any more can still be reached, to be told that they have left. */
  private readonly leaving = new Map<NodeId, number>();
  private socket: UdpSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private timerAt = Infinity;
  private isFlushScheduled = false;
  private closed = false;

  /** Opens nothing yet: see {@link listen}. */
  constructor(private readonly options: UdpTransportOptions) {
    const { self, limits, logger, key } = options;
    const clusterId = clusterIdBytes(options.clusterId);
    this.endpoint = new DatagramEndpoint({
      self,
      clusterId,
      seal: key === null ? checksumSeal : new KeySeal(key, clusterId),
      limits,
      counters: this.counters,
      logger,
      randomNumber,
      onMessage: (message) => {
        if (!this.closed) this.onMessage(message);
      },
    });
    this.setPeers(options.peers);
  }

  /** Binds the port, then calls the peers. Rejects with a `ProaError`: PORT_BUSY when somebody listens there already. */
  async listen(): Promise<void> {
    assert(!this.closed && this.socket === null, "a transport listens once");
    const { openUdp } = this.options;
    const listen = this.options.listen();
    const socket = await openUdp({
      hostname: listen.host,
      port: listen.port,
      receive: (datagram) => this.receive(datagram),
    });
    this.socket = socket;
    if (this.isClosed()) return socket.close();
    for (const [id, { place }] of this.peers) {
      this.endpoint.addPeer(id, this.pathTo(place), performance.now());
    }
    this.flush();
  }

  /** From now on these are the other nodes: new ones are called, those that moved elsewhere, those that left given up after a while. */
  setPeers(peers: readonly TcpPeer[]): void {
    const now = performance.now();
    const stay = new Set(peers.map(({ id }) => id));
    for (const id of this.peers.keys()) {
      if (!stay.has(id) && !this.leaving.has(id)) this.leaving.set(id, now + this.options.limits.farewellMs);
    }
    for (const place of peers) {
      this.leaving.delete(place.id);
      const known = this.peers.get(place.id);
      if (known?.place.host === place.host && known.place.port === place.port) continue;
      this.peers.set(place.id, { place, address: null, lookedUpAt: -Infinity });
      if (known === undefined && this.socket !== null && !this.closed)
        this.endpoint.addPeer(place.id, this.pathTo(place), now);
    }
    this.flush();
  }

  send(messages: readonly Message[]): void {
    const now = performance.now();
    const packets: UdpPacket[] = []; // to all peers, with one call of the system
    const due = this.endpoint.send(messages, now, (to, datagrams) => this.pack(to, datagrams, packets));
    if (packets.length > 0) this.socket?.send(packets);
    if (due <= now) this.flush();
    else this.wakeAt(due, now);
  }

  connected(peer: NodeId): boolean {
    return this.endpoint.connected(peer);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    this.endpoint.close(performance.now(), this.leave);
    this.socket?.close();
  }

  private isClosed(): boolean {
    return this.closed;
  }

  private pathTo({ host }: TcpPeer): DatagramPath {
    const { datagramBytes } = this.options;
    const path = isLoopback(host) ? loopbackPath : networkPath;
    return datagramBytes === null ? path : { ...path, datagramBytes };
  }

  private receive(datagram: Uint8Array): void {
    if (this.closed) return;
    const now = performance.now();
    const due = this.endpoint.receive(datagram, now);
    if (due <= now) this.flushSoon();
    else this.wakeAt(due, now);
  }

  /** Once what has arrived is taken in, and after the turn that it caused: answers and acknowledgements travel together. */
  private flushSoon(): void {
    if (this.isFlushScheduled) return;
    this.isFlushScheduled = true;
    setImmediate(() => {
      this.isFlushScheduled = false;
      this.flush();
    });
  }

  private flush(): void {
    if (this.closed || this.socket === null) return;
    const now = performance.now();
    this.partFrom(now);
    const next = this.endpoint.flush(now, this.leave);
    this.wakeAt(Math.min(next, ...this.leaving.values()), performance.now());
  }

  private partFrom(now: number): void {
    for (const [id, untilMs] of this.leaving) {
      if (now < untilMs) continue;
      this.leaving.delete(id);
      this.leave(id, this.endpoint.removePeer(id, now));
      this.peers.delete(id);
    }
  }

  private readonly leave: Leave = (to, datagrams) => {
    const packets: UdpPacket[] = [];
    this.pack(to, datagrams, packets);
    if (packets.length > 0) this.socket?.send(packets);
  };

  /** Adds `datagrams` to `packets`, if the address of the peer is known. */
  private pack(to: NodeId, datagrams: readonly Uint8Array[], packets: UdpPacket[]): void {
    const peer = this.peers.get(to);
    if (peer === undefined) return;
    if (!this.endpoint.connected(to)) this.resolve(peer);
    if (peer.address === null) return;
    for (const datagram of datagrams) packets.push({ datagram, to: peer.address });
  }

  /**
   * Sets the timer, unless one that comes early enough is set: waking up for nothing costs less than setting it anew. One that is
   * overdue stays, or who is always late would put off for ever what it is for.
   */
  private wakeAt(deadline: number, now: number): void {
    if (this.closed || deadline >= this.timerAt) return;
    clearTimeout(this.timer);
    this.timerAt = deadline;
    this.timer = setTimeout(
      () => {
        this.timerAt = Infinity;
        this.flush();
      },
      Math.max(1, Math.ceil(deadline - now)),
    );
  }

  /** Finds the address of `peer`, now and again. */
  private resolve(peer: Peer): void {
    const { place } = peer;
    const now = performance.now();
    if (isIP(place.host) !== 0) {
      peer.address = this.addressOf(place.host, place);
      return;
    }
    if (now < peer.lookedUpAt + lookupMs) return;
    peer.lookedUpAt = now;
    const family = this.socket?.isIpv6 === true ? 0 : 4;
    lookup(place.host, { family }, (error, address) => {
      if (error === null) peer.address = this.addressOf(address, place);
      else
        this.options.logger.log("debug", "peer not found", { peer: place.id, host: place.host, reason: error.message });
    });
  }

  /** An address as our socket takes it. */
  private addressOf(ip: string, { port }: TcpPeer): UdpAddress {
    return { address: this.socket?.isIpv6 === true && isIP(ip) === 4 ? `::ffff:${ip}` : ip, port };
  }
}

/** Whether `host` is surely this machine and no other. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** 53 random bits, and never 0. */
function randomNumber(): number {
  const bytes = randomBytes(8);
  const number = (bytes.readUInt32BE(0) >>> 11) * 0x1_0000_0000 + bytes.readUInt32BE(4);
  return number === 0 ? randomNumber() : number;
}
