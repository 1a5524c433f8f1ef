/**
 * The driver: the only place where the core meets disk, network and clock. Works in turns: take in all that has
 * arrived, let time pass, propose, and carry out what the core says. Everything is a callback in order, so that the same
 * code runs in a simulator.
 */
import { assert } from "../lib/assert.ts";
import { RingQueue } from "../lib/ring_queue.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import type { StateMachine } from "../kv/mod.ts";
import type {
  ChunkOrder,
  DirectoryNumber,
  GroupId,
  Membership,
  Message,
  NodeId,
  Persist,
  RaftState,
  Server,
} from "../raft/mod.ts";
import type { SnapshotStore, Storage } from "../storage/mod.ts";
import type { Transport } from "../transport/mod.ts";
import type { Clock } from "./clock.ts";
import { Group } from "./group.ts";
import { assertLimits, type NodeLimits } from "./options.ts";
import { addressBook, type MembershipOutcome, type MembershipRequest } from "./membership.ts";
import type { TransferOutcome, WriteOutcome } from "./outcomes.ts";
import type { ReadRequest } from "./reads.ts";
import { refusedDirectory } from "./refused_directory.ts";
import { nodeStatus } from "./report.ts";
import type { Consistency, GroupView, NodeService, OpenImage, WriteRequest } from "./service.ts";
import type { NodeStatus } from "./status.ts";

export interface NodeOptions {
  readonly id: NodeId;
  readonly cluster: string;
  /** 32 hexadecimal digits. */
  readonly clusterId: string;
  /** That of the data directory in which this node keeps what it promises (rule P13). */
  readonly directoryNumber: DirectoryNumber;
  readonly version: string;
  readonly pid: number;
  /** Where nodes listen, as far as the operator said so: counts more than what the log says. */
  readonly servers: readonly Server[];
  /** Who votes, if the store is new. */
  readonly bootstrap: Membership;
  readonly limits: NodeLimits;
  readonly transportKind: string;
  /** Tells the key of the cluster from others without telling it; null where there is none. */
  readonly clusterKey: string | null;
}

export interface NodePorts {
  readonly storage: Storage;
  readonly snapshots: SnapshotStore;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Makes the empty state machine of a group. */
  readonly newMachine: (group: GroupId) => StateMachine;
}

/** Every group that a node hosts; there is one until more are asked for. */
const groupZero: GroupId = 0;

/** How many times one turn asks the core what to do before it looks at the network again. */
const roundsPerTurnMax = 8;

export class Node implements NodeService {
  readonly id: NodeId;
  readonly boot: number;
  private readonly options: NodeOptions;
  private readonly storage: Storage;
  private readonly transport: Transport;
  private readonly clock: Clock;
  private readonly startedAt: number;
  private readonly group: Group;
  /** The configuration that listeners were last told of. */
  private membershipTold: Membership;
  private readonly listeners = new Set<() => void>();
  private readonly revisionListeners = new Set<() => void>();
  /** What the listeners know of. */
  private toldRevision = 0;
  private readonly inbox = new RingQueue<Message>();
  /** Writes that storage confirmed and the core has not been told. */
  private readonly confirmed = new RingQueue<number>();
  /** Messages that leave once the write `seq` is durable. */
  private readonly promised = new RingQueue<{ readonly seq: number; readonly messages: readonly Message[] }>();
  private turnScheduled = false;
  private cancelTimer: () => void = () => undefined;
  private timerDeadline = Infinity;
  private stopped = false;

  /** Loads the log and takes part from the next turn on. Throws what storage throws when its data cannot be trusted. */
  constructor(options: NodeOptions, ports: NodePorts) {
    assertLimits(options.limits);
    const { storage, transport, clock } = ports;
    this.id = options.id;
    this.options = options;
    this.storage = storage;
    this.transport = transport;
    this.clock = clock;
    this.startedAt = clock.now();
    const restored = storage.load(groupZero, options.bootstrap);
    this.boot = restored.boot;
    this.group = new Group(
      { id: options.id, group: groupZero, directory: options.directoryNumber, limits: options.limits },
      {
        restored,
        log: storage.reader(groupZero),
        snapshots: ports.snapshots,
        machine: ports.newMachine(groupZero),
        random: ports.random,
        now: () => clock.now(),
        logger: ports.logger,
        onChange: () => this.notify(),
        wake: () => this.schedule(),
      },
      clock.now(),
    );
    this.membershipTold = this.group.raft.view.membership;
    storage.onPersisted = (group, seq) => {
      assert(group === groupZero, "a write of an unknown group was confirmed");
      this.confirmed.push(seq);
      this.schedule();
    };
    transport.onMessage = (message) => {
      if (message.group !== groupZero) return;
      this.inbox.push(message);
      this.schedule();
    };
    this.schedule();
  }

  get servers(): readonly Server[] {
    return addressBook(this.group.raft.view.membership, this.options.servers);
  }

  view(group: GroupId): GroupView {
    return this.groupOf(group).view;
  }

  status(group: GroupId): NodeStatus {
    return nodeStatus({
      options: this.options,
      group,
      boot: this.boot,
      uptimeMs: this.clock.now() - this.startedAt,
      now: this.clock.now(),
      raft: this.groupOf(group).raft.view,
      machine: this.groupOf(group).machine,
      servers: this.servers,
      counters: this.transport.counters,
    });
  }

  /** The core's own state, for the invariants of the simulator; not to be changed. */
  inspect(group: GroupId): Readonly<RaftState> {
    return this.groupOf(group).raft.view;
  }

  write(group: GroupId, request: WriteRequest, done: (outcome: WriteOutcome) => void): void {
    this.groupOf(group).write(request, done);
    this.schedule();
  }

  read(
    group: GroupId,
    request: { readonly queries: Uint8Array; readonly count: number; readonly consistency: Consistency },
    done: ReadRequest["done"],
  ): void {
    this.groupOf(group).read({ queries: request.queries, count: request.count, done }, request.consistency);
    this.schedule();
  }

  transferLeader(group: GroupId, to: NodeId | null, done: (outcome: TransferOutcome) => void): void {
    this.groupOf(group).transferLeader(to, this.clock.now(), done);
    this.schedule();
  }

  changeMembership(
    group: GroupId,
    request: MembershipRequest,
    { plan }: { readonly plan: boolean },
    done: (outcome: MembershipOutcome) => void,
  ): void {
    this.groupOf(group).changeMembership({ request, servers: this.servers, plan }, this.clock.now(), done);
    this.schedule();
  }

  openImage(group: GroupId): OpenImage | null {
    return this.groupOf(group).openImage();
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  onRevision(group: GroupId, listener: () => void): () => void {
    assert(group === groupZero, "no such group");
    this.revisionListeners.add(listener);
    return () => void this.revisionListeners.delete(listener);
  }

  /** Answers all who wait and takes part in nothing more. The caller closes storage and transport afterwards. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.cancelTimer();
    this.group.stop();
    this.notify();
  }

  private groupOf(group: GroupId): Group {
    assert(group === groupZero, "no such group");
    return this.group;
  }

  private notify(): void {
    for (const listener of [...this.listeners]) listener();
  }

  private schedule(): void {
    if (this.turnScheduled || this.stopped) return;
    this.turnScheduled = true;
    this.clock.defer(() => this.turn());
  }

  /** One turn. What arrived is taken in before the time is looked at, so that lateness is not mistaken for silence (rule X2). */
  private turn(): void {
    this.turnScheduled = false;
    if (this.stopped) return;
    const { group } = this;
    this.takeConfirmed();
    const now = this.clock.now();
    for (let message = this.inbox.shift(); message !== undefined; message = this.inbox.shift())
      group.step(message, now);
    if (group.raft.isRefused) throw refusedDirectory(this.id, group.raft.view);
    group.tick(now);
    group.submit(now);
    for (let round = 0; round < roundsPerTurnMax && this.carryOut(now); round++);
    if (group.snapshotter.work(group.raft)) this.schedule();
    this.tellRevision();
    this.setTimer();
  }

  private tellRevision(): void {
    const { revision } = this.group.machine;
    if (revision === this.toldRevision) return;
    this.toldRevision = revision;
    for (const listener of [...this.revisionListeners]) listener();
  }

  /** Asks the core once what to do and does it. Returns whether there was anything. */
  private carryOut(now: number): boolean {
    const { group } = this;
    const ready = group.raft.ready();
    if (ready === null) return false;
    // Whoever has just become a member can be reached before anything is sent to it.
    const { membership } = group.raft.view;
    if (membership !== this.membershipTold) {
      this.membershipTold = membership;
      this.notify();
    }
    // Followers write while we write: a leader's entries leave before its own disk has them (thesis §10.2.1).
    if (ready.messages.length > 0) this.transport.send(ready.messages);
    if (ready.chunkOrders.length > 0) this.sendChunks(ready.chunkOrders);
    if (ready.persist !== null) this.persist(ready.persist);
    group.carryOut(ready, now);
    this.takeConfirmed();
    if (group.raft.hasMore) this.schedule();
    return true;
  }

  private sendChunks(orders: readonly ChunkOrder[]): void {
    const { snapshotter, raft } = this.group;
    this.transport.send(orders.map((order) => snapshotter.read(raft, order)).filter((message) => message !== null));
  }

  private persist(write: Persist): void {
    this.group.snapshotter.onWrite(write);
    if (write.thenSend.length > 0) this.promised.push({ seq: write.seq, messages: write.thenSend });
    this.storage.persist([write]);
    this.takeConfirmed();
  }

  /** Tells the core what is durable, and only then lets go what promised it (rules P1 and P2). */
  private takeConfirmed(): void {
    for (let seq = this.confirmed.shift(); seq !== undefined; seq = this.confirmed.shift()) {
      this.group.raft.persisted(seq);
      this.group.snapshotter.onPersisted(seq);
      for (let first = this.promised.peek(); first !== undefined && first.seq <= seq; first = this.promised.peek()) {
        this.transport.send(this.stillTrue(first.messages));
        this.promised.shift();
      }
    }
  }

  /** What an earlier leader was to be told is stored here may have been cut off by a later one meanwhile (rule P2). */
  private stillTrue(promises: readonly Message[]): readonly Message[] {
    const { term } = this.group.raft.view;
    const isOld = (message: Message): boolean => message.kind === "AppendEntriesResponse" && message.term < term;
    return promises.some(isOld) ? promises.filter((message) => !isOld(message)) : promises;
  }

  /** A timer that comes too early looks again: deadlines are put off with nearly every message, and a new timer each time costs more. */
  private setTimer(): void {
    const { deadline } = this.group;
    if (deadline >= this.timerDeadline) return;
    this.cancelTimer();
    this.timerDeadline = deadline;
    this.cancelTimer = this.clock.at(deadline, () => {
      this.timerDeadline = Infinity;
      // What is due is done in a turn of its own, so that the sockets are read first.
      if (this.clock.now() < this.group.deadline) this.setTimer();
      else this.schedule();
    });
  }
}
