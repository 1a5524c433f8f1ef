/**
 * Raft as built here, in one page.
 *
 * {@link Raft} is a value that inputs change: messages of peers (`step`), time (`tick`), proposals, reads, and the news
 * that writes are durable (`persisted`) or entries applied. It does nothing itself. `ready()` says what must happen: messages
 * that may leave at once, one ordered write with the messages that wait for it, committed entries, decided reads.
 *
 * - **Elections** (§5.2) begin with a pre-vote (thesis §9.6), so that a node that was cut off returns without raising
 *   terms. Whoever hears a leader, or leads with a quorum behind it, ignores candidates (§4.2.3). A leader without a quorum
 *   for one election timeout steps down (§6.2).
 * - **Replication** (§5.3) probes one append at a time until the logs are known to agree, then streams within a window.
 *   Answers say what is stored, not what was asked, so loss, repetition and reordering are harmless. Refusals carry
 *   a hint that skips whole terms.
 * - **Commitment** (§5.4.2) counts durable copies of an entry of the leader's own term; each term begins with an empty one.
 * - **Snapshots** (thesis §5.1). The driver takes them and says so; the log forgets what they stand for, and storage records
 *   both in one write. A follower whose next entry is gone gets one in chunks. Where its log leads there already, only the commit
 *   index moves; otherwise the whole log goes. What ends a transfer is that the logs connect again, however they came to.
 * - **Reads** (thesis §6.4) note the commit index and wait for a round of heartbeats that starts afterwards. A follower asks
 *   the leader for such an index. Reads that say so are answered without a round while the leader holds a lease
 *   (thesis §6.4.1, `lease.ts`).
 * - **Transfer** (thesis §3.10) stops proposals, catches the target up and tells it to campaign.
 * - **Membership** (thesis §4) is an entry like any other, in force once it is appended. Where voters change, two majorities decide
 *   until the leader has committed that and then, by itself, the configuration without the old half. Voters are learners first.
 *   Who has left is remembered for ever, told when it asks, and never taken back. A voter is bound to its data directory, and
 *   nobody counts it on another one (`directories.ts`).
 * - **Durability**: `RaftState.send` decides what waits for the disk. Followers may have an entry on disk before the leader does.
 *
 * Caveats. A learner receives the log and never campaigns. Nothing here reads a wall clock.
 */
export * from "./types.ts";
export * from "./message.ts";
export * from "./ready.ts";
export {
  isJoint,
  membersOf,
  newMembership,
  noMembership,
  type MembershipCodec,
  type MembershipTarget,
} from "./membership.ts";
export { Raft } from "./raft.ts";
export type { RaftOptions, RaftState } from "./state.ts";
export { checkState, checkStep, snapshotOf, type Snapshot } from "./invariants.ts";
