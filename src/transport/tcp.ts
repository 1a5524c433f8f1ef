/**
 * Messages over TCP, on `node:net`. Each node dials every peer and only sends there; on what it accepted it only
 * listens, so that neither side ever needs to agree on whose connection counts. What cannot be sent now is dropped and
 * counted, never kept: Raft sends it again, and knows better what by then.
 */
import { assert } from "../lib/assert.ts";
import type { Logger } from "../lib/logger.ts";
import type { Message, NodeId } from "../raft/mod.ts";
import { clusterIdBytes } from "../wire/mod.ts";
import type { ClusterKey } from "./cluster_key.ts";
import { Acceptor } from "./tcp_acceptor.ts";
import { Dialer } from "./tcp_dialer.ts";
import type { HandshakeOptions } from "./tcp_handshake.ts";
import { newTransportCounters, type Transport } from "./transport.ts";

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

export interface TcpPeer extends TcpAddress {
  readonly id: NodeId;
}

/** Every queue and every wait of the transport. */
export interface TcpLimits {
  /** The largest frame sent and accepted. At least one append of the most payload, with one payload of the largest size on top. Bytes. */
  readonly frameBytesMax: number;
  /** What may wait for one peer; a peer that reads more slowly loses messages instead. At least one frame. Bytes. */
  readonly sendQueueBytesMax: number;
  /** The first wait before a lost connection is dialled again; it doubles with every failure. Milliseconds. */
  readonly reconnectMinMs: number;
  /** The longest such wait. Well below an election timeout, so that a peer that is back is not taken for dead. Milliseconds. */
  readonly reconnectMaxMs: number;
  /** When an attempt to connect is given up. Milliseconds. */
  readonly connectTimeoutMs: number;
  /**
   * When a connection on which no write completes, or from which no sign comes that it was read, is taken for dead and dialled
   * again; the next one after twice as long, and so on up to four times, until one lasts. Milliseconds.
   */
  readonly drainTimeoutMs: number;
  /** When an accepted connection is closed that has not sent its first frame, or not the rest of one. Milliseconds. */
  readonly silenceTimeoutMs: number;
  /** How long a node that is no peer any more can still be sent to: long enough to tell it that it has left. Milliseconds. */
  readonly farewellMs: number;
}

export const defaultTcpLimits: TcpLimits = {
  frameBytesMax: 8 * 1024 * 1024,
  sendQueueBytesMax: 32 * 1024 * 1024,
  reconnectMinMs: 20,
  reconnectMaxMs: 250,
  connectTimeoutMs: 1000,
  drainTimeoutMs: 5000,
  silenceTimeoutMs: 30_000,
  farewellMs: 60_000,
};

export interface TcpOptions {
  readonly self: NodeId;
  /** 32 hexadecimal digits, the same on all nodes. */
  readonly clusterId: string;
  /** Where peers reach this node; asked when listening begins. */
  readonly listen: () => TcpAddress;
  /** The other nodes, as far as they are known now: see {@link TcpTransport.setPeers}. */
  readonly peers: readonly TcpPeer[];
  /** What every node of the cluster has to know; null lets everybody speak. */
  readonly key: ClusterKey | null;
  readonly limits: TcpLimits;
  readonly logger: Logger;
}

export class TcpTransport implements Transport {
  onMessage: (message: Message) => void = () => undefined;
  readonly counters = newTransportCounters();
  private readonly dialers = new Map<NodeId, { readonly peer: TcpPeer; readonly dialer: Dialer }>();
  /** When those who are peers no longer are given up: until then they can still be told that they have left. */
  private readonly leaving = new Map<NodeId, number>();
  private readonly acceptor: Acceptor;
  private readonly clusterId: Uint8Array;
  private readonly proof: HandshakeOptions | null;
  private sweeper: ReturnType<typeof setInterval> | null = null;
  private closed = false;

  /** Opens nothing yet: see {@link listen}. */
  constructor(private readonly options: TcpOptions) {
    const { self, limits, logger, listen } = options;
    assert(limits.sendQueueBytesMax >= limits.frameBytesMax, "the send queue must hold one frame");
    const { counters } = this;
    this.clusterId = clusterIdBytes(options.clusterId);
    this.proof = options.key === null ? null : { key: options.key, clusterId: this.clusterId, self };
    this.setPeers(options.peers);
    this.acceptor = new Acceptor({
      receiver: { self, clusterId: this.clusterId, peers: null },
      peers: this.dialers,
      proof: this.proof,
      address: listen,
      limits,
      logger,
      counters,
      onMessage: (message) => this.onMessage(message),
    });
  }

  /**
   * Binds the port, then dials the peers. Resolves also when closed meanwhile. Rejects with a `ProaError`: PORT_BUSY when somebody listens there already,
   * LOCAL_RESOURCE when the address cannot be bound for another reason.
   */
  async listen(): Promise<void> {
    assert(!this.closed && this.sweeper === null, "a transport listens once");
    if ((await this.acceptor.listen()) === "closed") return;
    const { drainTimeoutMs, silenceTimeoutMs } = this.options.limits;
    this.sweeper = setInterval(() => this.sweep(), Math.min(drainTimeoutMs, silenceTimeoutMs) / 4);
    for (const { dialer } of this.dialers.values()) dialer.start();
  }

  /** From now on these are the other nodes: new ones are dialled, those that moved dialled anew, those that left given up after a while. */
  setPeers(peers: readonly TcpPeer[]): void {
    const { self, limits, logger } = this.options;
    const { counters, clusterId } = this;
    assert(
      peers.every((peer) => peer.id !== self),
      "a node is not its own peer",
    );
    const stay = new Set(peers.map(({ id }) => id));
    for (const id of this.dialers.keys()) {
      if (!stay.has(id) && !this.leaving.has(id)) this.leaving.set(id, performance.now() + limits.farewellMs);
    }
    for (const peer of peers) {
      this.leaving.delete(peer.id);
      const known = this.dialers.get(peer.id);
      if (known?.peer.host === peer.host && known.peer.port === peer.port) continue;
      known?.dialer.close();
      const dialer = new Dialer({ peer, clusterId, proof: this.proof, limits, logger, counters });
      this.dialers.set(peer.id, { peer, dialer });
      if (this.sweeper !== null && !this.closed) dialer.start();
    }
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) {
      assert(message.from === this.options.self, "a node sends in its own name only");
      const dialer = this.dialers.get(message.to)?.dialer;
      if (dialer === undefined) this.counters.messagesDropped++;
      else dialer.post(message);
    }
    for (const { dialer } of this.dialers.values()) dialer.flush();
  }

  connected(peer: NodeId): boolean {
    return this.dialers.get(peer)?.dialer.connected ?? false;
  }

  close(): void {
    this.closed = true;
    if (this.sweeper !== null) clearInterval(this.sweeper);
    for (const { dialer } of this.dialers.values()) dialer.close();
    this.acceptor.close();
  }

  /** Looks for connections that are open and dead. */
  private sweep(): void {
    const nowMs = performance.now();
    for (const [id, untilMs] of this.leaving) {
      if (nowMs < untilMs) continue;
      this.leaving.delete(id);
      this.dialers.get(id)?.dialer.close();
      this.dialers.delete(id);
    }
    for (const { dialer } of this.dialers.values()) dialer.sweep(nowMs);
    this.acceptor.sweep(nowMs);
  }
}
