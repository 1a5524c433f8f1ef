/** Every limit of a node, with its unit and its reason. */
import { assert } from "../lib/assert.ts";

export interface NodeLimits {
  /** How long a follower hears nothing before it thinks of an election; each wait is drawn from [1, 2] times this. Milliseconds. */
  readonly electionTimeoutMs: number;
  /** How often a leader that has nothing to send makes itself heard. Milliseconds, well below the election timeout. */
  readonly heartbeatMs: number;
  /**
   * How long followers may wait to hear that an entry is committed, for the next entry to tell them: alone it costs as many
   * messages as an entry. Longer than a put takes, and too short to be noticed by those who watch a follower. Milliseconds.
   */
  readonly commitNewsMs: number;
  /**
   * How long reads may wait for the round of earlier ones to be answered, to share the next round with all that come meanwhile:
   * each costs every node a message and a turn. Longer than a round takes between near machines. Milliseconds.
   */
  readonly readRoundMs: number;
  /** From so many requests in the last round on, reads wait for company as long as every turn brings more of them. */
  readonly readCompanyMin: number;
  /** The most that they wait: less than a round takes. Milliseconds. */
  readonly readCompanyMs: number;
  /**
   * How many times as fast as another's the clock of any node may run, at most: what reads with a lease trust. Quartz
   * and the corrections of NTP together stay within 0.1 %; a tenth is far from that, and costs a lease little.
   */
  readonly clockRatioMax: number;
  /** How much earlier a lease ends than it could, for clocks that are read in coarse steps. Milliseconds. */
  readonly leaseMarginMs: number;
  /** Where a batch is sealed although more commands wait: bigger ones gain no throughput and cost latency. Bytes. */
  readonly payloadBytesMax: number;
  /**
   * While so many proposals are not committed, a batch of less than {@link batchBytesMin} waits for company: an entry costs
   * every node a message and a write, whatever it holds.
   */
  readonly uncommittedProposalsMax: number;
  /** While fewer are, and after a commit for those whom it answered to ask again, it waits so long at most. Milliseconds. */
  readonly writeCompanyMs: number;
  /** Enough for an entry of its own. Bytes. */
  readonly batchBytesMin: number;
  /** The most payload that one AppendEntries carries. Bytes. */
  readonly appendBytesMax: number;
  /** The window of one follower: appends that are on their way and not acknowledged. */
  readonly inflightMessagesMax: number;
  /** The same window in payload bytes, which bounds what a slow follower holds in memory. */
  readonly inflightBytesMax: number;
  /** The uncommitted tail of the log; beyond it nothing is proposed (rule L12). What a busy machine commits in a fifth of a second. Bytes. */
  readonly uncommittedBytesMax: number;
  /** The newest entries that stay in memory for followers that are close behind; older ones are read from disk. Bytes. */
  readonly tailBytesMax: number;
  /** Commands that wait to be proposed or to be applied; beyond it they are refused as overloaded. What is allowed at a time is less while they wait for long. Bytes. */
  readonly waitingBytesMax: number;
  /** The same in number. */
  readonly waitingWritesMax: number;
  /** How long a write may wait before less is let in: well below what people notice, well above what a full batch takes. Milliseconds. */
  readonly waitGoalMs: number;
  /** Reads that wait for their index; beyond it they are refused as overloaded. */
  readonly waitingReadsMax: number;
  /** The same in bytes of their queries. */
  readonly waitingReadBytesMax: number;
  /** The answers to one read request, which may hold many queries: at least one page of a range. Beyond it the request is refused. Bytes. */
  readonly answerBytesMax: number;
  /** The most committed payload applied at once, of which a turn has a few: a long backlog must not silence the heartbeats. Bytes. */
  readonly applyBytesMax: number;
  /**
   * How far the log grows before the store is written to a snapshot and the log compacted; each time up to half more, drawn
   * anew, so that the nodes of a cluster do not all do it at once. Entries, which bound how long a start takes.
   */
  readonly snapshotEntries: number;
  /** The same in bytes of payload. Where half of the last snapshot is more, that: so at most twice as much is written to snapshots as to the log. */
  readonly snapshotBytes: number;
  /** What stays in the log before a snapshot, so that a follower that was away for a moment needs none. Entries and bytes, whichever is less. */
  readonly trailingEntries: number;
  readonly trailingBytes: number;
  /** What one turn writes to a snapshot, so that those who wait for the turn do not feel it. Bytes. */
  readonly snapshotSliceBytes: number;
  /** What one message carries of a snapshot: small enough that it does not hold up the heartbeats behind it on a slow link. Bytes. */
  readonly chunkBytesMax: number;
  /** Chunks of a snapshot that are on their way to one follower and not acknowledged. */
  readonly inflightChunksMax: number;
}

export const defaultLimits: NodeLimits = {
  electionTimeoutMs: 400,
  heartbeatMs: 80,
  commitNewsMs: 5,
  readRoundMs: 5,
  readCompanyMin: 8,
  readCompanyMs: 2,
  clockRatioMax: 1.1,
  leaseMarginMs: 5,
  payloadBytesMax: 512 * 1024,
  uncommittedProposalsMax: 2,
  batchBytesMin: 32 * 1024,
  writeCompanyMs: 2,
  appendBytesMax: 1024 * 1024,
  inflightMessagesMax: 256,
  inflightBytesMax: 16 * 1024 * 1024,
  uncommittedBytesMax: 16 * 1024 * 1024,
  tailBytesMax: 8 * 1024 * 1024,
  waitingBytesMax: 32 * 1024 * 1024,
  waitingWritesMax: 200_000,
  waitGoalMs: 125,
  waitingReadsMax: 100_000,
  waitingReadBytesMax: 64 * 1024 * 1024,
  answerBytesMax: 64 * 1024 * 1024,
  applyBytesMax: 1024 * 1024,
  snapshotEntries: 100_000,
  snapshotBytes: 128 * 1024 * 1024,
  trailingEntries: 10_000,
  trailingBytes: 16 * 1024 * 1024,
  snapshotSliceBytes: 128 * 1024,
  chunkBytesMax: 64 * 1024,
  inflightChunksMax: 8,
};

/** Stops the process on limits that cannot work together. */
export function assertLimits(limits: NodeLimits): void {
  assert(limits.heartbeatMs > 0, "heartbeatMs must be positive");
  assert(limits.electionTimeoutMs >= 3 * limits.heartbeatMs, "electionTimeoutMs must be at least three heartbeats");
  assert(limits.clockRatioMax >= 1, "one of two clocks is the faster one");
  assert(limits.leaseMarginMs >= 0, "a lease must not last longer than it can");
  assert(limits.uncommittedBytesMax >= limits.payloadBytesMax, "uncommittedBytesMax must hold one payload");
  assert(limits.uncommittedProposalsMax > 0, "what waits for company waits for a commit");
  assert(limits.snapshotEntries > 0 && limits.snapshotBytes > 0, "a snapshot must be of something new");
  assert(limits.snapshotSliceBytes > 0 && limits.chunkBytesMax > 0, "a piece of a snapshot must not be empty");
  assert(limits.inflightChunksMax > 0, "the window of chunks must not be empty");
  assert(limits.inflightMessagesMax > 0 && limits.inflightBytesMax > 0, "the window must not be empty");
}
