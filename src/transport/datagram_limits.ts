/** Every queue, window and wait of messages in datagrams, with its unit and its reason. */

export interface DatagramLimits {
  /** The largest frame sent and accepted. At least one append of the most payload, with one payload of the largest size on top. Bytes. */
  readonly frameBytesMax: number;
  /** What may wait for one peer, sent and not acknowledged included; beyond it messages are lost. At least one frame. Bytes. */
  readonly sendQueueBytesMax: number;
  /** What is kept of the frames of one peer that are not complete or not in turn. The sender keeps to it, too. At least two frames. Bytes. */
  readonly assemblyBytesMax: number;
  /** What one frame counts there beside its bytes, so that small ones are bounded, too. Bytes. */
  readonly frameKeepingBytes: number;
  /** When a frame is given up of which no further fragment comes. Milliseconds. */
  readonly assemblyMs: number;
  /** How long ordered frames wait for a missing one that the sender has given up unheard. Milliseconds. */
  readonly gapMs: number;
  /** When a frame with entries is no longer sent again unless more of it arrives: by then the leader has begun anew. Milliseconds. */
  readonly bulkLifeMs: number;
  /** The same for all others, which are repeated by a newer one anyway. Milliseconds. */
  readonly urgentLifeMs: number;
  /** What may be on its way to one peer at first, and at least. Bytes. */
  readonly windowBytesMin: number;
  /** Urgent messages may exceed the window by this, so that no backlog silences a leader. Bytes. */
  readonly urgentBytesMax: number;
  /** No datagram is taken for lost earlier, since the other side may be writing to its disk. Milliseconds. */
  readonly resendMinMs: number;
  /** The longest wait before a datagram without an answer is sent again. Milliseconds. */
  readonly resendMaxMs: number;
  /** How long an acknowledgement waits for something to travel with. Well below {@link resendMinMs}. Milliseconds. */
  readonly ackDelayMs: number;
  /** How often a peer is called that has not answered yet. Milliseconds. */
  readonly helloMs: number;
  /** Not more often than this is a stranger answered. Milliseconds. */
  readonly helloGapMs: number;
  /** When a silent peer is asked whether it is still there. Milliseconds. */
  readonly pingMs: number;
  /** When a peer that stays silent is taken for gone. Milliseconds. */
  readonly silenceMs: number;
  /** How long a node that is no peer any more can still be sent to: long enough to tell it that it has left. Milliseconds. */
  readonly farewellMs: number;
}

/** The largest datagram that passes everywhere, tunnels included. Bytes. */
export const safeDatagramBytes = 1200;

/** The limits of one link. */
export interface LinkLimits extends DatagramLimits {
  /** The most that may be on its way: what the system keeps for a process that is busy. Bytes. */
  readonly windowBytesMax: number;
}

export const defaultDatagramLimits: DatagramLimits = {
  frameBytesMax: 8 * 1024 * 1024,
  sendQueueBytesMax: 32 * 1024 * 1024,
  assemblyBytesMax: 16 * 1024 * 1024,
  frameKeepingBytes: 128,
  assemblyMs: 5000,
  gapMs: 1000,
  bulkLifeMs: 3000,
  urgentLifeMs: 1000,
  windowBytesMin: 48 * 1024,
  urgentBytesMax: 16 * 1024,
  resendMinMs: 20,
  resendMaxMs: 400,
  ackDelayMs: 5,
  helloMs: 250,
  helloGapMs: 10,
  pingMs: 1000,
  silenceMs: 3000,
  farewellMs: 60_000,
};
