/**
 * What the leader knows of one follower, and how it sends to it: carefully while it probes, at full speed once it knows, and
 * a snapshot where the log cannot help any more.
 */
import { assert } from "../lib/assert.ts";
import { Inflights } from "./inflights.ts";
import type { Sending } from "./sending.ts";
import type { DirectoryNumber, Index, Millis } from "./types.ts";

/** After so many refusals of a snapshot the wait for the next one is not doubled any more. */
const refusalDoublingsMax = 6;
/** After so many snapshots that stalled the patience with the next one is not doubled any more. */
const stallDoublingsMax = 4;

export class Progress {
  /**
   * - `probe`: where the logs part is unknown; one append at a time.
   * - `replicate`: appends are sent ahead of their acknowledgements, within the window.
   * - `snapshot`: what it needs next is compacted; no appends leave until it says that it has what the log begins with.
   */
  state: "probe" | "replicate" | "snapshot" = "probe";
  /** Known to be stored by the follower, durably. Only rises within a session (rule L7). */
  matchIndex: Index = 0;
  /** Everything between matchIndex and nextIndex is in flight. Invariant: matchIndex < nextIndex. */
  nextIndex: Index;
  /** Whether the one append of `probe` is on its way. */
  probeSent = false;
  readonly inflights: Inflights;
  /** The snapshot on its way, exactly while the state is `snapshot`. */
  sending: Sending | null = null;
  /** The commit index that the follower was last told. */
  commitIndexSent: Index = 0;
  /** Echoed by the follower; answers of another session do not count (rule L11). */
  session: number;
  /** The data directory that it is counted on; 0 before it has answered or voted for this leader (rule P13). */
  directory: DirectoryNumber;
  /** Whether it cannot read the entry behind `matchIndex`, until it is started again as another program (rule X4). */
  cannotRead = false;
  /** When the next snapshot may be sent, after it has refused some. */
  snapshotFrom: Millis = 0;
  private snapshotsRefused = 0;
  private snapshotsStalled = 0;
  /** How patient the last snapshot that stalled was with its chunks (see {@link Sending.patienceLooks}). */
  chunkPatienceLooks = 1;
  /** Whether it was last heard from another directory than the one that it is bound to: nothing that it says counts. */
  isRefused = false;
  /** The life of the follower that answers now; 0 before its first answer. */
  boot = 0;
  /** The greatest index that it acknowledged in this term in lives before this one: what its disk must still have (rule P13). */
  private promisedIndex: Index = 0;
  /** Whether its disk lost what it had acknowledged: then nothing that it says counts any more, for it has forgotten its votes, too. */
  hasReverted = false;
  /** When it last answered in this term. */
  contactAt: Millis;
  /** The newest round of heartbeats that it answered (rule R2). */
  ackedRound = 0;
  /** Milliseconds between a heartbeat and its answer; null before the first. */
  rttMs: number | null = null;
  /** When an answer to a heartbeat was last taken for a sign about appends. */
  private lookedAt: Millis;
  /** `matchIndex` at that time: a window that did not move until the next is taken for lost. */
  private matchIndexSeen: Index = -1;

  constructor(options: {
    readonly nextIndex: Index;
    readonly session: number;
    readonly directory: DirectoryNumber;
    readonly now: Millis;
    readonly inflightMessagesMax: number;
    readonly inflightBytesMax: number;
  }) {
    this.nextIndex = options.nextIndex;
    this.session = options.session;
    this.directory = options.directory;
    this.contactAt = options.now;
    this.lookedAt = options.now;
    this.inflights = new Inflights(options.inflightMessagesMax, options.inflightBytesMax);
  }

  /** Whether an append may leave now. */
  get paused(): boolean {
    if (this.hasReverted || this.cannotRead) return true;
    return this.state === "replicate" ? this.inflights.full : this.probeSent || this.state === "snapshot";
  }

  /** An append of `count` entries, ending at `lastIndex`, was handed out. */
  onSent(sent: { readonly count: number; readonly lastIndex: Index; readonly bytes: number }): void {
    assert(!this.paused, "sent to a paused follower");
    if (this.state === "probe") {
      this.probeSent = true;
      return;
    }
    if (sent.count === 0) return;
    this.nextIndex = sent.lastIndex + 1;
    this.inflights.add({ lastIndex: sent.lastIndex, bytes: sent.bytes });
  }

  /**
   * The follower stores everything up to `index`, and the leader's log begins with `firstIndex`. Returns whether that was news.
   * Whatever reconnects to the log ends a snapshot (rule S6).
   */
  onAccepted(index: Index, firstIndex: Index): boolean {
    this.probeSent = false;
    const news = index > this.matchIndex;
    if (news) this.matchIndex = index;
    if (this.state === "snapshot") {
      if (this.matchIndex + 1 < firstIndex) return news;
      this.becomeProbe(this.matchIndex + 1);
    }
    this.nextIndex = Math.max(this.nextIndex, this.matchIndex + 1);
    this.inflights.freeTo(this.matchIndex);
    // Only an answer about the frontier ends a probe: an older repeat says nothing about what comes next.
    if (this.state === "probe" && index >= this.nextIndex - 1) this.becomeReplicate();
    return news;
  }

  /**
   * The follower refused an append behind `previousIndex`; `agreeIndex` is the last entry that may still agree.
   * Returns false for a refusal that a later answer has overtaken (rule L8).
   */
  onRejected(rejected: { readonly previousIndex: Index; readonly agreeIndex: Index }): boolean {
    if (rejected.previousIndex <= this.matchIndex || this.state === "snapshot") return false;
    if (this.state === "probe" && rejected.previousIndex !== this.nextIndex - 1) return false;
    if (rejected.previousIndex >= this.nextIndex) return false;
    this.becomeProbe(Math.max(this.matchIndex + 1, Math.min(rejected.previousIndex, rejected.agreeIndex + 1)));
    return true;
  }

  /**
   * A heartbeat was answered, so the way is open: a lost probe may be repeated. Returns whether the window of
   * `replicate` has not moved since the last look, which means that it may be lost as a whole. Looks at most twice in
   * `heartbeatMs`: reads make for many more rounds, and what is merely on its way must not be sent with each of them.
   */
  onHeartbeatAnswered({ now, heartbeatMs }: { readonly now: Millis; readonly heartbeatMs: Millis }): boolean {
    if (now - this.lookedAt < heartbeatMs / 2) return false;
    this.lookedAt = now;
    this.probeSent = false;
    this.sending?.look();
    const stuck = this.inflights.length > 0 && this.matchIndexSeen === this.matchIndex;
    this.matchIndexSeen = this.matchIndex;
    return stuck;
  }

  /** The follower stores all up to `index`, and cannot read what follows: nothing more is sent to this life of it. */
  onUnreadable(index: Index): void {
    if (index !== this.matchIndex || this.state === "snapshot") return;
    this.becomeProbe(index + 1);
    this.cannotRead = true;
  }

  /** The log begins with `firstIndex` now. Whether the follower lacks what is gone is not known before it was asked. */
  onCompacted(firstIndex: Index): void {
    if (this.state !== "snapshot" && this.nextIndex < firstIndex) this.becomeProbe(firstIndex);
  }

  /** In this life the follower's log holds nothing behind `lastIndex` that could agree with ours. */
  onTold(lastIndex: Index): void {
    // What this life acknowledged does not count here: refusals from before may still be on their way.
    if (lastIndex < this.promisedIndex) this.hasReverted = true;
  }

  /** The follower was restarted: what it said in its last life no longer counts (rule L11). */
  onRestarted(restarted: { readonly boot: number; readonly session: number; readonly firstIndex: Index }): void {
    const nextIndex = Math.max(this.matchIndex + 1, restarted.firstIndex);
    this.boot = restarted.boot;
    this.promisedIndex = Math.max(this.promisedIndex, this.matchIndex);
    this.session = restarted.session;
    this.matchIndex = 0;
    this.commitIndexSent = 0;
    this.cannotRead = false;
    this.forgetFailedSnapshots();
    this.snapshotFrom = 0;
    this.becomeProbe(nextIndex);
  }

  /** What the follower needs is only in `sending`. */
  becomeSnapshot(sending: Sending): void {
    assert(this.matchIndex <= sending.snapshot.index, "a follower needs no snapshot of what it has");
    this.state = "snapshot";
    this.sending = sending;
    this.probeSent = false;
    this.nextIndex = sending.snapshot.index + 1;
    this.inflights.clear();
  }

  /** The transfer is given up: the next one is of another session, and begins at its beginning (rule S5). */
  giveUpSnapshot(session: number): void {
    assert(this.state === "snapshot", "there is no snapshot to give up");
    this.session = session;
    this.commitIndexSent = 0;
    this.becomeProbe(this.matchIndex + 1);
  }

  /**
   * The follower let go of what had arrived, perhaps because it cannot read it: each time it is left in peace for longer, so that a
   * snapshot that is refused again and again does not fill the network.
   */
  onSnapshotRefused({
    session,
    now,
    waitMs,
  }: {
    readonly session: number;
    readonly now: Millis;
    readonly waitMs: Millis;
  }): void {
    this.giveUpSnapshot(session);
    this.snapshotFrom = now + waitMs * 2 ** Math.min(this.snapshotsRefused, refusalDoublingsMax);
    this.snapshotsRefused++;
  }

  /** Nothing of the snapshot has arrived for {@link stallMs}. */
  onSnapshotStalled(session: number): void {
    this.chunkPatienceLooks = this.sending?.patienceLooks ?? 1;
    this.giveUpSnapshot(session);
    this.snapshotsStalled++;
  }

  /**
   * For how long nothing of a snapshot may arrive before it begins anew: `leastMs`, and twice as long after each that came to
   * nothing, because on a slow way a single chunk may take longer. Milliseconds.
   */
  stallMs(leastMs: Millis): Millis {
    return leastMs * 2 ** Math.min(this.snapshotsStalled, stallDoublingsMax);
  }

  private forgetFailedSnapshots(): void {
    this.snapshotsRefused = 0;
    this.snapshotsStalled = 0;
    this.chunkPatienceLooks = 1;
  }

  private becomeReplicate(): void {
    this.forgetFailedSnapshots();
    this.state = "replicate";
    this.nextIndex = this.matchIndex + 1;
    this.inflights.clear();
  }

  private becomeProbe(nextIndex: Index): void {
    assert(nextIndex > this.matchIndex, "would probe what is known to match");
    this.state = "probe";
    this.sending = null;
    this.probeSent = false;
    this.nextIndex = nextIndex;
    this.inflights.clear();
  }
}
