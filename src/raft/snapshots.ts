/**
 * Snapshots, where the log cannot help: what is compacted because of them, how they come to a follower, and what its log is
 * afterwards (thesis §5.1). Their bytes are the driver's: the core only says which ones go where.
 */
import { assert } from "../lib/assert.ts";
import { assertAgreesWithCommitted, commitUpTo, type Follower } from "./follower.ts";
import type { Leader } from "./leader.ts";
import type { InstallSnapshot, InstallSnapshotResponse } from "./message.ts";
import type { Progress } from "./progress.ts";
import { Sending } from "./sending.ts";
import type { RaftState } from "./state.ts";
import type { EntryId, Index, NodeId, SnapshotInfo } from "./types.ts";

/** Notes the snapshot that this life began with. */
export function restoreSnapshot(state: RaftState, snapshot: SnapshotInfo): void {
  assert(state.snapshot === null && snapshot.index === state.log.appliedIndex, "not the snapshot that was recorded");
  state.snapshot = snapshot;
}

/** Notes a durable snapshot and compacts the log up to `compactTo`. */
export function takeSnapshot(state: RaftState, snapshot: SnapshotInfo, compactTo: Index): void {
  const { log } = state;
  assert(snapshot.index <= log.appliedIndex && log.matches(snapshot), "a snapshot is of what is applied (rule S1)");
  const { index = -1 } = state.snapshot ?? {};
  assert(
    snapshot.index > index || (snapshot.index === index && state.snapshotIsDamaged),
    "a snapshot is newer than the last",
  );
  assert(compactTo <= snapshot.index, "only what the snapshot stands for may go (rule S1)");
  assert(snapshot.bytes > 0, "no image is empty");
  state.snapshot = snapshot;
  state.snapshotIsDamaged = false;
  log.compactTo(Math.max(compactTo, log.compacted.index));
  state.compactionDue = true;
  if (state.role.kind !== "leader") return;
  for (const progress of state.role.progress.values()) progress.onCompacted(log.firstIndex);
}

/** Sends chunks of the newest snapshot to a follower whose next entry is gone, as far as its window allows. */
export function sendSnapshot(
  state: RaftState,
  leader: Leader,
  { to, progress }: { readonly to: NodeId; readonly progress: Progress },
): void {
  const { sending } = progress;
  // A snapshot that the log no longer follows would not help: begin with the newest.
  if (sending !== null && sending.snapshot.index + 1 < state.log.firstIndex) progress.giveUpSnapshot(++leader.sessions);
  if (progress.sending === null) {
    if (state.snapshotIsDamaged) return; // the driver is making another
    if (state.now < progress.snapshotFrom) return;
    progress.becomeSnapshot(newSending(state, progress));
  }
  sendChunks(state, { to, progress });
}

function sendChunks(state: RaftState, { to, progress }: { readonly to: NodeId; readonly progress: Progress }): void {
  const { sending, session } = progress;
  assert(sending !== null, "chunks belong to a snapshot");
  const { index, term, membership, bytes } = sending.snapshot;
  for (let chunk = sending.take(); chunk !== null; chunk = sending.take()) {
    state.chunkOrders.push({
      message: {
        kind: "InstallSnapshot",
        ...state.envelope(to),
        session,
        snapshot: { index, term },
        membership,
        bytes,
        offset: chunk.offset,
      },
      length: chunk.length,
    });
  }
}

/** A snapshot turned out to be damaged when it was read: whoever was to get it waits for another (rule P12). */
export function onSnapshotDamaged(state: RaftState, { index }: EntryId): void {
  if (state.snapshot?.index === index) state.snapshotIsDamaged = true;
  const { role } = state;
  if (role.kind !== "leader") return;
  for (const progress of role.progress.values()) {
    if (progress.sending?.snapshot.index === index) progress.giveUpSnapshot(++role.sessions);
  }
}

function newSending(state: RaftState, progress: Progress): Sending {
  const { snapshot, options, now } = state;
  assert(snapshot !== null, "what is compacted is in a snapshot");
  return new Sending(snapshot, {
    chunkBytesMax: options.chunkBytesMax,
    inflightMax: options.inflightChunksMax,
    patienceLooks: progress.chunkPatienceLooks,
    now,
  });
}

/** Learns how far a transfer has come, or that it must begin again. */
export function onChunkAnswered(
  state: RaftState,
  leader: Leader,
  { progress, message }: { readonly progress: Progress; readonly message: InstallSnapshotResponse },
): void {
  const { sending } = progress;
  if (sending === null || sending.snapshot.index !== message.index) return;
  // Before anything has arrived there is nothing to be lost: such an answer only means that chunks came in disorder.
  if (message.received === null) {
    if (sending.received > 0)
      progress.onSnapshotRefused({
        session: ++leader.sessions,
        now: state.now,
        waitMs: state.options.electionTimeoutMs,
      });
  } else if (message.received <= sending.snapshot.bytes) sending.onReceived(message.received, state.now);
}

/**
 * A transfer of which nothing arrives although the follower answers is given up after an election timeout (rule S6), the next one
 * after two, and so on.
 */
export function onSnapshotLook(state: RaftState, leader: Leader, progress: Progress): void {
  const { sending } = progress;
  if (sending === null || sending.stalledMs(state.now) < progress.stallMs(state.options.electionTimeoutMs)) return;
  progress.onSnapshotStalled(++leader.sessions);
}

/** Takes in a chunk, if it is the next of its transfer or the first of a newer one (rules S2 and S5). */
export function stepInstallSnapshot(state: RaftState, follower: Follower, message: InstallSnapshot): void {
  const { log } = state;
  const { snapshot, session } = message;
  // The log leads to the snapshot already: what follows in it stays, and all before is committed (rule S2).
  if (log.matches(snapshot)) commitUpTo(state, snapshot.index);
  if (snapshot.index <= log.commitIndex) {
    assertAgreesWithCommitted(log, snapshot);
    acknowledge(state, message, log.commitIndex);
    return;
  }
  if (isStale(follower, message)) return;
  if (!isCurrent(follower, message)) {
    follower.receiving = null;
    if (message.offset === 0) follower.receiving = { session, snapshot, bytes: 0 };
  }
  const { receiving } = follower;
  if (receiving?.bytes === message.offset) {
    receiving.bytes += message.chunk.length;
    state.chunks.push(message);
    if (receiving.bytes === message.bytes) return; // answered by whether it can be installed
  }
  answer(state, message, receiving?.bytes ?? null);
}

/** Whether the chunk belongs to an earlier transfer than the one under way: sessions of a leader rise, and so do its snapshots. */
function isStale({ receiving }: Follower, { session, snapshot }: InstallSnapshot): boolean {
  if (receiving === null) return false;
  return session < receiving.session || (session === receiving.session && snapshot.index < receiving.snapshot.index);
}

function isCurrent({ receiving }: Follower, { session, snapshot }: InstallSnapshot): boolean {
  return receiving?.session === session && receiving.snapshot.index === snapshot.index;
}

function answer(state: RaftState, message: InstallSnapshot, received: number | null): void {
  state.send({
    kind: "InstallSnapshotResponse",
    ...state.envelope(message.from),
    session: message.session,
    boot: state.boot,
    index: message.snapshot.index,
    received,
  });
}

/** What the log holds is what counts (rule S6). */
function acknowledge(state: RaftState, to: { readonly from: NodeId; readonly session: number }, index: Index): void {
  state.send({
    kind: "AppendEntriesResponse",
    ...state.envelope(to.from),
    session: to.session,
    boot: state.boot,
    outcome: { kind: "accepted", matchIndex: index },
  });
}

/** Whether `snapshot` is the one that this node waits for, and would bring it further than its log. */
export function canInstall({ role, log }: RaftState, snapshot: EntryId): boolean {
  if (role.kind !== "follower" || role.receiving?.snapshot.index !== snapshot.index) return false;
  return snapshot.index > log.commitIndex && !log.matches(snapshot);
}

/** The log begins anew behind the snapshot, with the configuration that it carries (rule S2). */
export function install(state: RaftState, snapshot: SnapshotInfo): void {
  const { role, log } = state;
  assert(canInstall(state, snapshot), "installed what was not awaited");
  assert(role.kind === "follower" && role.receiving !== null && role.leader !== null, "a snapshot comes from a leader");
  const { session } = role.receiving;
  role.receiving = null;
  log.restart(snapshot);
  state.snapshot = snapshot;
  state.snapshotIsDamaged = false;
  state.unreadable = null;
  state.compactionDue = true;
  acknowledge(state, { from: role.leader, session }, snapshot.index);
}

/** The image was damaged: the transfer begins again. */
export function refuseInstall({ role }: RaftState, snapshot: EntryId): void {
  if (role.kind === "follower" && role.receiving?.snapshot.index === snapshot.index) role.receiving = null;
}

/** The least index from which every follower that answers can go on: what follows it must stay in the log. */
export function neededIndex({ role, now, options }: RaftState): Index {
  if (role.kind !== "leader") return Infinity;
  let needed = Infinity;
  for (const { contactAt, matchIndex, sending } of role.progress.values()) {
    if (now - contactAt < options.electionTimeoutMs) needed = Math.min(needed, sending?.snapshot.index ?? matchIndex);
  }
  return needed;
}
