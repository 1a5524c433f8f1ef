/** The port to the other nodes. It may drop, repeat and reorder; it never throws and never blocks. */
import type { Message, NodeId } from "../raft/mod.ts";

/** What the transport did and refused, ever rising. For status and metrics. */
export interface TransportCounters {
  messagesSent: number;
  messagesReceived: number;
  bytesSent: number;
  bytesReceived: number;
  /** Messages that were not sent: the queue of the peer was full, the peer unreachable or unknown, or the frame too large. */
  messagesDropped: number;
  /** Frames in our format that were damaged: length, checksum or content. */
  framesCorrupt: number;
  /** Bytes that were not for us: another protocol, version, cluster or receiver, or an unknown sender. */
  framesForeign: number;
  /** Sessions with peers that began, where messages travel in datagrams; connections made, elsewhere. */
  connectionsOpened: number;
  connectionsAccepted: number;
  /** Connections of others that we closed: too many of them, or silent for too long. */
  connectionsRefused: number;
  datagramsSent: number;
  datagramsReceived: number;
  /** Datagrams without an acknowledgement in time: what they held was sent again. */
  datagramsLost: number;
  /** Datagrams that came twice, or so late that nobody can tell. */
  datagramsRepeated: number;
  /** Datagrams of a session that is over, or that never began: old ones, replayed ones, guesses. */
  datagramsStale: number;
  /** Calls without a session, of which a few are answered: of peers that start, recordings of such calls, forgeries. */
  greetingsReceived: number;
  /** Frames that could not be put together: too large, too much at once, or never completed. */
  framesUnfinished: number;
}

export interface Transport {
  /** Hands messages over for delivery, each to its `to`. One call a turn, so that a transport can batch. Payloads are referenced until they left. */
  send(messages: readonly Message[]): void;
  /**
   * Called for each message that arrived whole and for us; what it throws is not caught. Set by the driver. Payloads
   * are the callee's: they are views of a frame that nobody writes to, and keep at most twice its size alive.
   */
  onMessage: (message: Message) => void;
  readonly counters: Readonly<TransportCounters>;
  /** Whether a connection to `peer` is up; always true where there are no connections. */
  connected(peer: NodeId): boolean;
  /** Ends all delivery, both ways. Messages sent afterwards are dropped. */
  close(): void;
}

/** Counters that start at zero. */
export function newTransportCounters(): TransportCounters {
  return {
    messagesSent: 0,
    messagesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    messagesDropped: 0,
    framesCorrupt: 0,
    framesForeign: 0,
    connectionsOpened: 0,
    connectionsAccepted: 0,
    connectionsRefused: 0,
    datagramsSent: 0,
    datagramsReceived: 0,
    datagramsLost: 0,
    datagramsRepeated: 0,
    datagramsStale: 0,
    greetingsReceived: 0,
    framesUnfinished: 0,
  };
}
