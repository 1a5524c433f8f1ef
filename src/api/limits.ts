/** Every limit of the service port, with its unit and its reason. */

export interface ServiceLimits {
  /** How long a request waits for a leader and a quorum unless it says otherwise: a few elections. Milliseconds. */
  readonly timeoutMsDefault: number;
  /** The longest wait that a request may ask for, so that nobody parks requests here. Milliseconds. */
  readonly timeoutMsMax: number;
  /** The longest value of a put, in bytes. All nodes must agree. */
  readonly valueBytesMax: number;
  /** The largest JSON body, far above the few fields that one holds. Bytes. */
  readonly jsonBytesMax: number;
  /** The largest body of a batch of operations: what fits into a message of the binary protocol, in base64. Bytes. */
  readonly batchBytesMax: number;
  /** Request bodies that are being received, together: what slow or many uploads can hold in memory. Bytes. */
  readonly receivingBytesMax: number;
  /** The largest WebSocket message: a batch must fit into one log entry. Bytes. */
  readonly messageBytesMax: number;
  /** Queries in one message, and operations in one batch: each may be answered with a value of the largest size. */
  readonly queriesMax: number;
  /** What a connection may leave unread before it is closed as too slow. Bytes. */
  readonly unreadBytesMax: number;
  /** Requests kept here, because nobody leads or because they were forwarded and are not answered yet. */
  readonly heldRequestsMax: number;
  /** The same in bytes of commands and queries. */
  readonly heldBytesMax: number;
  /** Who may wait for changes at once: each costs a look into the history whenever the store gets newer. */
  readonly watchersMax: number;
  /** Snapshots that may leave at once: each keeps what changes meanwhile as it was, up to the whole store once more. */
  readonly snapshotsMax: number;
  /** How long a client may take nothing of a snapshot before it is cut off. Milliseconds. */
  readonly snapshotPauseMsMax: number;
  /** What is encoded of a snapshot at a time, so that those who wait meanwhile do not feel it. Bytes. */
  readonly snapshotSliceBytes: number;
  /** How often a request may be handed on: once to a leader, once more if that was just deposed. */
  readonly hopsMax: number;
  /** How often held requests are tried although no change was announced. Milliseconds. */
  readonly retryMs: number;
}

export const defaultServiceLimits: ServiceLimits = {
  timeoutMsDefault: 5000,
  timeoutMsMax: 60_000,
  valueBytesMax: 1024 * 1024,
  jsonBytesMax: 64 * 1024,
  batchBytesMax: 6 * 1024 * 1024,
  receivingBytesMax: 256 * 1024 * 1024,
  messageBytesMax: 4 * 1024 * 1024,
  queriesMax: 1024,
  unreadBytesMax: 32 * 1024 * 1024,
  heldRequestsMax: 20_000,
  heldBytesMax: 64 * 1024 * 1024,
  watchersMax: 10_000,
  snapshotsMax: 4,
  snapshotPauseMsMax: 60_000,
  snapshotSliceBytes: 128 * 1024,
  hopsMax: 2,
  retryMs: 100,
};

/**
 * How long the node itself waits when a client waits `timeoutMs`: a tenth less, at most 50 ms, so that the answer
 * arrives before the client gives up. A node that a request is forwarded to does the same with what is left.
 */
export function patienceMs(timeoutMs: number): number {
  return timeoutMs - Math.min(50, timeoutMs / 10);
}
