/** One life of a node, from its start until it falls: a real node on the ports of its machine, and what must hold of it after each turn. */
import type { Random } from "../lib/random.ts";
import { Node } from "../node/mod.ts";
import {
  checkState,
  checkStep,
  type Entry,
  type EntryId,
  type Membership,
  type DirectoryNumber,
  type Message,
  noMembership,
  type NodeId,
  type RaftState,
  type Snapshot,
  snapshotOf,
} from "../raft/mod.ts";
import type { SnapshotStore, Storage } from "../storage/mod.ts";
import { streamOf } from "./chance.ts";
import { type ClockOwner, SimClock } from "./clock.ts";
import type { Surroundings } from "./host.ts";
import { ObservedStore } from "./observed_store.ts";
import { SimDatagrams } from "./sim_datagrams.ts";
import { SimFrames, type SimTransport } from "./sim_transport.ts";

export interface LifeOptions {
  readonly id: NodeId;
  /** Counts the lives of this machine from 1. */
  readonly number: number;
  /** That of the disk. */
  readonly directoryNumber: DirectoryNumber;
  readonly storage: Storage;
  readonly snapshots: SnapshotStore;
  /** Runs the timers of the node. */
  readonly owner: ClockOwner;
  /** What the clock shows at the start, and how fast it runs. */
  readonly clock: { readonly offsetMs: number; readonly rate: number };
  /** Called before each message leaves; may throw to end the life right there. */
  readonly onLeaving: () => void;
}

export class Life {
  readonly node: Node;
  readonly clock: SimClock;
  readonly transport: SimTransport;
  /** The state at the end of the last turn, if there was one. */
  private before: Snapshot | null = null;
  private commitSeen = 0;

  constructor(
    private readonly options: LifeOptions,
    private readonly around: Surroundings,
  ) {
    const { id, number } = options;
    const { plan, clusterId, clusterIdBytes, network, founders, trace, timeline } = around;
    this.clock = new SimClock(timeline, options.owner, { offsetMs: options.clock.offsetMs });
    this.clock.setRate(options.clock.rate);
    const carriage = {
      self: id,
      clusterId: clusterIdBytes,
      network,
      onLeaving: (message: Message): void => this.onLeaving(message),
    };
    if (plan.datagrams === null) this.transport = new SimFrames(carriage);
    else {
      const chance = streamOf(plan.seed, `datagrams ${id} life ${number}`);
      const datagrams = { plan: plan.datagrams, clock: this.clock, random: chance, trace };
      this.transport = new SimDatagrams({ ...carriage, ...datagrams });
    }
    const random: Random = streamOf(plan.seed, `node ${id} life ${number}`);
    this.node = new Node(
      {
        id,
        cluster: "sim",
        clusterId,
        directoryNumber: options.directoryNumber,
        version: "0.0.0",
        pid: number,
        servers: [],
        bootstrap: founders.voters.includes(id) ? founders : noMembership,
        limits: plan.limits,
        transportKind: "simulated",
        clusterKey: null,
      },
      {
        storage: options.storage,
        snapshots: options.snapshots,
        transport: this.transport,
        clock: this.clock,
        random,
        logger: {
          log: (_level, event, fields) => trace.note(number, () => `n${id} ${event} ${JSON.stringify(fields)}`),
        },
        newMachine: () =>
          new ObservedStore({
            onApplied: (entry, stateHash) => this.onApplied(entry, stateHash),
            onRestored: (index, stateHash) => around.safety.applied.onRestored(index, stateHash),
          }),
      },
    );
    trace.note(id, () => `n${id} starts, boot ${this.node.boot}`);
  }

  /** The core's state. */
  get state(): Readonly<RaftState> {
    return this.node.inspect(0);
  }

  /** The configuration that was in force when it was last looked at, and where the log began and ended. */
  private looked: { readonly membership: Membership; readonly first: number; readonly last: EntryId } | null = null;

  /** What must hold of the node after each turn, alone and with all others. */
  afterTurn(): void {
    const { state } = this;
    checkState(state);
    if (this.before !== null) checkStep(this.before, state);
    this.before = snapshotOf(state);
    this.observe();
    this.around.safety.onLeading(state);
    this.checkConfiguration(state);
    this.around.trace.note(
      state.log.lastIndex,
      () =>
        `n${this.options.id} ${state.role.kind} in term ${state.term}: log to ${state.log.lastIndex}, commit ${state.log.commitIndex}`,
    );
  }

  /** Looks when the configuration, the beginning of the log or its last term has changed, or the log became shorter. */
  private checkConfiguration(state: Readonly<RaftState>): void {
    const { membership, log } = state;
    const { looked } = this;
    const { last, firstIndex: first } = log;
    this.looked = { membership, first, last };
    const isSame =
      looked?.membership === membership &&
      looked.first === first &&
      looked.last.term === last.term &&
      looked.last.index <= last.index;
    if (!isSame) this.around.safety.configurations.checkActing(state);
  }

  /**
   * Compares leadership and commit index with all that is known. Called as often as possible, because the disks must be
   * right at the very moment (I7), and because the power may fail in the middle of a turn.
   */
  observe(): void {
    const { state } = this;
    if (state.role.kind === "leader") this.around.safety.onLeader(state);
    if (state.log.commitIndex === this.commitSeen) return;
    this.around.safety.onCommit(state, this.commitSeen);
    this.commitSeen = state.log.commitIndex;
  }

  /** The node is gone: none of its timers fires any more, and nothing of it leaves. */
  end(): void {
    this.clock.clear();
    this.transport.close();
  }

  private onLeaving(message: Message): void {
    this.options.onLeaving();
    this.observe();
    this.around.safety.onLeaving(message, this.state.log.commitIndex);
  }

  private onApplied(entry: Entry, stateHash: string): void {
    const { reference, safety } = this.around;
    this.observe();
    if (entry.index > reference.appliedIndex) reference.apply(entry, this.around.timeline.now);
    safety.applied.onApplied(entry, stateHash);
  }
}
