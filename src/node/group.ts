/**
 * One replicated group on this node: its core, its state machine, and those who wait for either. Takes requests in,
 * and carries out what the core says except for what all groups share: disk, network and time.
 */
import { unreachable } from "../lib/assert.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import type { Logger } from "../lib/logger.ts";
import { release } from "../lib/release.ts";
import type { Random } from "../lib/random.ts";
import type { StateMachine } from "../kv/mod.ts";
import type { SnapshotStore } from "../storage/mod.ts";
import {
  type AppendEntries,
  type DirectoryNumber,
  type Entry,
  type EntryId,
  type GroupId,
  type LogReader,
  type Message,
  type Millis,
  Raft,
  type ReadState,
  type Ready,
  type Restored,
  type Server,
  type SoftState,
} from "../raft/mod.ts";
import { membershipCodec, payloadProblem } from "../wire/mod.ts";
import { Admission } from "./admission.ts";
import { Batcher } from "./batcher.ts";
import { Company } from "./company.ts";
import { Housekeeping, type Propose } from "./housekeeping.ts";
import { LeaseKeeper } from "./lease_keeper.ts";
import type { NodeLimits } from "./options.ts";
import type { Refusal, TransferOutcome, WriteOutcome } from "./outcomes.ts";
import { targetOf, type MembershipOutcome, type MembershipRequest } from "./membership.ts";
import { MembershipChanges } from "./membership_changes.ts";
import { Reads, type ReadRequest } from "./reads.ts";
import { Snapshotter } from "./snapshotter.ts";
import type { Consistency, GroupView, OpenImage, WriteRequest } from "./service.ts";
import { Transfers } from "./transfers.ts";
import { Waiters } from "./waiters.ts";

export interface GroupOptions {
  readonly id: number;
  readonly group: GroupId;
  readonly directory: DirectoryNumber;
  readonly limits: NodeLimits;
}

export interface GroupPorts {
  readonly restored: Restored;
  readonly log: LogReader;
  readonly snapshots: SnapshotStore;
  readonly machine: StateMachine;
  readonly random: Random;
  /** The clock; never goes back. */
  readonly now: () => Millis;
  readonly logger: Logger;
  /** Called after each change that {@link GroupView} shows beyond its revision and applied index. */
  readonly onChange: () => void;
  /** Called when there is something to do in a next turn that no request brought. */
  readonly wake: () => void;
}

export class Group {
  private readonly id: GroupId;
  private readonly wake: () => void;
  readonly raft: Raft;
  readonly machine: StateMachine;
  readonly snapshotter: Snapshotter;
  private readonly limits: NodeLimits;
  private readonly logger: Logger;
  private readonly onChange: () => void;
  private readonly now: () => Millis;
  private readonly admission: Admission;
  private readonly batcher: Batcher;
  private readonly company: Company;
  private readonly waiters = new Waiters();
  private readonly reads = new Reads();
  private readonly transfers = new Transfers();
  private readonly changes = new MembershipChanges();
  private readonly housekeeping: Housekeeping;
  private readonly leases: LeaseKeeper;
  private readonly results = new ByteWriter(4096);
  private readonly answers = new ByteWriter(4096);
  /** The entry that cannot be read of which the log of the program was last told. */
  private unreadableTold = 0;
  private wasReady = false;
  private wasRemoved = false;
  private stopping = false;

  constructor(options: GroupOptions, ports: GroupPorts, now: Millis) {
    this.id = options.group;
    this.limits = options.limits;
    this.machine = ports.machine;
    this.logger = ports.logger;
    this.onChange = ports.onChange;
    this.now = ports.now;
    this.wake = ports.wake;
    this.admission = new Admission(options.limits);
    this.batcher = new Batcher(options.limits.payloadBytesMax);
    this.company = new Company(options.limits);
    const propose: Propose = (request, done) => {
      this.batcher.add(request, { count: request.count, done });
      ports.wake();
    };
    this.housekeeping = new Housekeeping(ports.machine, propose);
    this.leases = new LeaseKeeper(ports.machine, { propose, now: ports.now });
    const { machine, random, logger, restored } = ports;
    this.snapshotter = new Snapshotter(options.group, options.limits, {
      store: ports.snapshots,
      machine,
      random,
      logger,
    });
    const snapshot = this.snapshotter.restore(restored.snapshot);
    this.raft = new Raft({ ...options.limits, ...options, codec: membershipCodec }, restored, ports.log, random, now);
    if (snapshot !== null) this.raft.snapshotRestored(snapshot);
  }

  get view(): GroupView {
    const { role, term, leader } = this.raft.view;
    const { revision, appliedIndex } = this.machine;
    return {
      role: role.kind,
      term,
      leader,
      revision,
      appliedIndex,
      ready: this.ready,
      removed: this.raft.view.isRemoved,
    };
  }

  /** A leader is known and has committed in its term, so that a request would not have to wait for that. */
  private get ready(): boolean {
    const { leader, log, term } = this.raft.view;
    return leader !== null && log.termAt(log.commitIndex) === term;
  }

  /** Queues commands to be proposed at the end of the turn, or refuses them at once. */
  write(request: WriteRequest, done: (outcome: WriteOutcome) => void): void {
    const refusal = this.refusal();
    if (refusal !== null) done(refusal);
    else this.admit(request, done);
  }

  private admit(request: WriteRequest, done: (outcome: WriteOutcome) => void): void {
    const { admission, now } = this;
    const { commands, count } = request;
    const burden = { bytes: commands.length, count };
    if (!admission.admits(burden)) return done(this.refuse("overloaded"));
    const enteredAt = now();
    admission.enter(burden);
    this.batcher.add(request, {
      count,
      done: (outcome) => {
        if (outcome.kind === "applied") admission.leaveApplied(burden, { enteredAt, now: now() });
        else admission.leave(burden);
        done(outcome);
      },
    });
  }

  private refusal(): Refusal | null {
    if (this.stopping) return this.refuse("stopping");
    const { role } = this.raft.view;
    return role.kind === "leader" ? null : this.refuseWithoutOffice();
  }

  private refuseWithoutOffice(): Refusal {
    const { leader, isRemoved } = this.raft.view;
    return this.refuse(leader !== null ? "notLeader" : isRemoved ? "removed" : "noLeader");
  }

  private refuse(reason: Refusal["reason"]): Refusal {
    return { kind: "notApplied", reason, leader: this.raft.view.leader };
  }

  read(request: ReadRequest, consistency: Consistency): void {
    if (this.stopping) request.done(this.refuse("stopping"));
    else if (consistency === "stale") this.answer(request);
    else if (this.reads.isFull(this.limits)) request.done(this.refuse("overloaded"));
    else this.reads.add(request, { lease: consistency === "lease" });
  }

  private answer(request: ReadRequest): void {
    const { answers, machine } = this;
    answers.reset();
    const clock = this.leases.isLeading ? this.leases : null;
    const end = machine.read(request.queries, answers, { clock, answersBytesMax: this.limits.answerBytesMax });
    switch (end) {
      case "answered":
        return request.done({ kind: "answered", answers: answers.peek(), appliedIndex: machine.appliedIndex });
      case "needsClock":
        return request.done(this.refuseWithoutOffice());
      case "tooLarge":
        return request.done(this.refuse("overloaded"));
      default:
        unreachable(end);
    }
  }

  openImage(): OpenImage | null {
    const { machine } = this;
    const { log } = this.raft.view;
    const index = machine.appliedIndex;
    const membership = log.memberships.at(index);
    if (index === 0 || membership.voters.length === 0) return null; // it is new, or has not been told yet whom it joins
    const meta = { group: this.id, index, term: log.termAt(index), membership };
    return { meta, revision: machine.revision, keys: machine.keyCount, image: machine.image() };
  }

  transferLeader(to: number | null, now: Millis, done: (outcome: TransferOutcome) => void): void {
    if (this.stopping) return done(this.refuse("stopping"));
    this.submitAll(now); // what came before the transfer is proposed before it
    const { id, term } = this.raft.view;
    const start = this.raft.transferLeader(to, now);
    if (start.ok) {
      // The core gives up after one timeout; the target may by then be in an election that takes another.
      this.transfers.add({ from: id, term, deadline: now + 2 * this.limits.electionTimeoutMs, done });
    } else if (start.reason === "notLeader") done(this.refuseWithoutOffice());
    else done({ kind: "refused", reason: start.reason });
  }

  /** `servers` says where the members listen now. */
  changeMembership(
    wish: { readonly request: MembershipRequest; readonly servers: readonly Server[]; readonly plan: boolean },
    now: Millis,
    done: (outcome: MembershipOutcome) => void,
  ): void {
    const refusal = this.refusal();
    if (refusal !== null) return done(refusal);
    this.submitAll(now); // what came before the change is proposed before it
    const before = this.raft.view.membership;
    const target = targetOf(before, wish.request, wish.servers);
    if ("reason" in target) return done({ kind: "refused", ...target });
    const answer = wish.plan ? this.raft.planMembership(target, now) : this.raft.changeMembership(target, now);
    if (!answer.ok) {
      if (answer.reason === "notLeader") done(this.refuseWithoutOffice());
      else done({ kind: "refused", reason: answer.reason, nodes: answer.nodes });
    } else if ("after" in answer) done({ kind: "planned", before, after: answer.after });
    else this.changes.add({ id: answer.id, before, done });
  }

  /** A message of a peer. */
  step(message: Message, now: Millis): void {
    this.raft.step(message.kind === "AppendEntries" ? readable(message) : message, now);
    const { unreadable } = this.raft.view;
    if (unreadable === null || unreadable.index === this.unreadableTold) return;
    this.unreadableTold = unreadable.index;
    this.logger.log("error", "entry refused", {
      ...unreadable,
      hint: "start this node with the proa that the leader runs",
    });
  }

  /** When {@link tick} has something to do next. */
  get deadline(): Millis {
    const { raft, company, waiters, transfers, changes, leases } = this;
    const others = Math.min(waiters.deadline, transfers.deadline, changes.deadline, leases.deadline);
    return Math.min(raft.deadline, company.deadline, others);
  }

  tick(now: Millis): void {
    if (now >= this.raft.deadline) this.raft.tick(now);
    if (now >= this.waiters.deadline) this.waiters.fail("leadershipLost");
    if (now >= this.changes.deadline) this.changes.fail("leadershipLost");
    this.transfers.onTime(now, this.raft.view.leader);
    this.leases.run(now);
  }

  /** Hands what has arrived in this turn to the core, but for what waits for more. `now` is no earlier than its arrival. */
  submit(now: Millis): void {
    const leasedOnly = this.reads.waitForCompany(now, this.limits);
    if (leasedOnly) this.wake(); // the next turn shows whether more have come
    this.requestReads(now, { leasedOnly });
    const { log, role } = this.raft.view;
    const underway = role.kind === "leader" ? log.lastIndex - log.commitIndex : 0;
    if (!this.company.waits(now, { batcher: this.batcher, underway })) this.propose();
  }

  private submitAll(now: Millis): void {
    this.requestReads(now, { leasedOnly: false });
    this.propose();
  }

  private requestReads(now: Millis, which: { readonly leasedOnly: boolean }): void {
    for (const request of this.reads.takeArrived(which)) this.raft.requestRead(request, now);
  }

  private propose(): void {
    for (let batch = this.batcher.peek(); batch !== undefined; batch = this.batcher.peek()) {
      const proposal = this.raft.propose(batch.payload);
      if (!proposal.ok) {
        // A transfer ends soon and a full tail drains; without the office nobody here can propose it.
        if (proposal.reason === "notLeader") this.refuseQueued();
        return;
      }
      this.batcher.drop();
      this.company.onProposed(batch.parts.length);
      this.waiters.add(proposal.id, batch.parts);
    }
  }

  private refuseQueued(): void {
    const refusal = this.refuseWithoutOffice();
    for (const part of this.batcher.takeAll()) part.done(refusal);
  }

  /** Carries out the part of `ready` that concerns this group alone, after its messages and its write were handed over. */
  carryOut(ready: Ready, now: Millis): void {
    if (ready.softState !== null) this.onSoftState(ready.softState, now);
    if (this.raft.view.isRemoved && !this.wasRemoved) this.onRemoved();
    for (const entry of ready.committed) this.apply(entry);
    // A long log that is applied after a start would else lie in memory until the collector comes by.
    if (ready.committedIsCopy) for (const { payload } of ready.committed) release(payload);
    if (ready.committed.length > 0) this.raft.applied(this.machine.appliedIndex);
    for (const chunk of ready.chunks) {
      if (!this.snapshotter.keep(this.raft, chunk)) continue;
      this.waiters.onSkipped(this.machine.appliedIndex);
      this.changes.fail("leadershipLost");
    }
    if (ready.committed.length > 0 && !this.stopping && this.raft.view.role.kind === "leader" && this.ready)
      this.housekeeping.run();
    for (const read of ready.reads) this.onReadDecided(read);
    for (const request of this.reads.takeAnswerable(this.machine.appliedIndex)) this.answer(request);
    // Without a leader they might wait for ever: a node that has left and was never told so gets no more of the log (rule R3).
    if (this.raft.view.leader === null)
      for (const request of this.reads.takeConfirmed()) request.done(this.refuseWithoutOffice());
    if (ready.softState !== null || this.ready !== this.wasReady) {
      this.wasReady = this.ready;
      this.onChange();
    }
  }

  private onSoftState(soft: SoftState, now: Millis): void {
    this.logger.log("info", "role", { role: soft.role, term: soft.term, leader: soft.leader });
    this.leases.onOffice(soft.role === "leader");
    if (soft.role === "leader") {
      const inLog = (id: EntryId): boolean => this.raft.view.log.matches(id);
      this.changes.onLeadershipWon(inLog);
      this.waiters.onLeadershipWon(inLog);
    } else {
      this.waiters.onLeadershipLost(now + this.limits.electionTimeoutMs);
      this.changes.onLeadershipLost(now + 2 * this.limits.electionTimeoutMs);
      this.refuseQueued();
    }
    this.transfers.onChange(soft);
  }

  private onRemoved(): void {
    this.wasRemoved = true;
    this.logger.log("warn", "this node has left the cluster for good", { advice: "stop it and delete its directory" });
  }

  private apply(entry: Entry): void {
    const { log, leader } = this.raft.view;
    this.snapshotter.onApplied(entry);
    const isAwaited = this.waiters.expects(entry);
    this.results.reset();
    this.machine.apply(entry, isAwaited ? this.results : null);
    this.waiters.onApplied(entry, this.results.peek(), leader);
    this.changes.onApplied(entry, () => log.memberships.at(entry.index), leader);
  }

  private onReadDecided(read: ReadState): void {
    const refusal = this.refuseWithoutOffice();
    for (const request of this.reads.onDecided(read)) request.done(refusal);
  }

  /** Answers all who wait: from now on nothing is taken in. */
  stop(): void {
    this.stopping = true;
    for (const part of this.batcher.takeAll()) part.done(this.refuse("stopping"));
    this.waiters.fail("stopping");
    this.reads.refuseAll("stopping");
    this.changes.fail("stopping");
    this.transfers.refuseAll();
    this.snapshotter.close();
  }
}

/** The batch up to the first entry that this program could not apply: what it cannot apply must not reach its log (rule X4). */
function readable(message: AppendEntries): AppendEntries {
  for (const [position, { kind, payload }] of message.entries.entries()) {
    const problem = kind === "commands" ? payloadProblem(payload) : null;
    if (problem !== null) return { ...message, entries: message.entries.slice(0, position), unreadable: problem };
  }
  return message;
}
