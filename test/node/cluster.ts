/** A group of real nodes in one process: memory storage, memory network, one virtual clock. Nothing happens until a test lets it. */
import { assert } from "../../src/lib/assert.ts";
import { ByteReader } from "../../src/lib/byte_reader.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { type StateMachine, Store } from "../../src/kv/mod.ts";
import {
  type Clock,
  type Consistency,
  defaultLimits,
  type MembershipOutcome,
  type MembershipRequest,
  Node,
  type NodeLimits,
  type ReadOutcome,
  type WriteOutcome,
} from "../../src/node/mod.ts";
import { type Membership, newMembership, noMembership } from "../../src/raft/mod.ts";
import { MemorySnapshots, MemoryStorage } from "../../src/storage/mod.ts";
import { MemoryNetwork } from "../../src/transport/mod.ts";
import {
  type CommandResult,
  type GetAnswer,
  readGetAnswer,
  readResult,
  writeGet,
  writePut,
} from "../../src/wire/mod.ts";
import { VirtualClock } from "../helpers/virtual_clock.ts";

/** In every frame. */
export const clusterId = "0123456789abcdef0123456789abcdef";
const utf8 = new TextEncoder();

/** A write as its client saw it end; null while it waits. */
export type WriteEnd =
  { readonly kind: "applied"; readonly result: CommandResult } | Exclude<WriteOutcome, { kind: "applied" }>;
export type ReadEnd =
  { readonly kind: "answered"; readonly answer: GetAnswer } | Exclude<ReadOutcome, { kind: "answered" }>;

export class TestCluster {
  readonly clock = new VirtualClock();
  readonly network: MemoryNetwork;
  readonly limits: NodeLimits;
  private readonly ids: number[];
  /** Who votes in the logs of new nodes. */
  private readonly bootstrap: Membership;
  private readonly joined = new Set<number>();
  private readonly running = new Map<number, Node>();
  private readonly disks = new Map<number, MemoryStorage>();
  private readonly snapshotDisks = new Map<number, MemorySnapshots>();
  private readonly autoComplete: boolean;
  /** Callbacks of nodes that stand still, in the order in which they came due. */
  private readonly held = new Map<number, (() => void)[]>();
  /** What the state machines of nodes throw at the next entry. */
  private readonly broken = new Map<number, string>();

  constructor(options: {
    readonly nodes: number;
    readonly seed?: number;
    readonly autoComplete?: boolean;
    readonly limits?: Partial<NodeLimits>;
  }) {
    this.ids = Array.from({ length: options.nodes }, (_, i) => i + 1);
    this.limits = { ...defaultLimits, ...options.limits };
    this.autoComplete = options.autoComplete ?? true;
    this.network = new MemoryNetwork({ random: seededRandom(options.seed ?? 1), clusterId, encode: true });
    this.bootstrap = newMembership({ voters: this.ids });
    for (const id of this.ids) this.startNew(id);
  }

  /** Starts a new node that knows nothing of the cluster, as `proa node start --join` does. */
  join(id: number): void {
    this.ids.push(id);
    this.joined.add(id);
    this.startNew(id);
  }

  private startNew(id: number): void {
    this.disks.set(id, new MemoryStorage({ autoComplete: this.autoComplete }));
    this.snapshotDisks.set(id, new MemorySnapshots());
    this.start(id);
  }

  /** Starts a node with its disk, with other limits where some are given. */
  start(id: number, limits: Partial<NodeLimits> = {}): void {
    const servers = this.ids.map(serverOf);
    const node = new Node(
      {
        id,
        cluster: "test",
        clusterId,
        directoryNumber: id,
        version: "0.0.0",
        pid: id,
        servers,
        bootstrap: this.joined.has(id) ? noMembership : this.bootstrap,
        limits: { ...this.limits, ...limits },
        transportKind: "memory",
        clusterKey: null,
      },
      {
        storage: this.disk(id),
        snapshots: this.snapshots(id),
        transport: this.network.attach(id),
        clock: this.clockOf(id),
        random: seededRandom(100 + id + this.disks.size),
        logger: silentLogger,
        newMachine: () => this.newMachine(id),
      },
    );
    this.running.set(id, node);
  }

  /** The node stands still, as a process that was stopped does: what comes for it waits. */
  pause(id: number): void {
    this.held.set(id, []);
  }

  resume(id: number): void {
    const callbacks = this.held.get(id) ?? [];
    this.held.delete(id);
    for (const callback of callbacks) callback();
  }

  /** From now on the state machine of a node throws at every entry. */
  breakMachine(id: number, message: string): void {
    this.broken.set(id, message);
  }

  private newMachine(id: number): StateMachine {
    const store = new Store();
    const apply = store.apply.bind(store);
    store.apply = (entry, results) => {
      const message = this.broken.get(id);
      if (message !== undefined) throw new Error(message);
      apply(entry, results);
    };
    return store;
  }

  private clockOf(id: number): Clock {
    const { clock } = this;
    const run = (callback: () => void): void => {
      const held = this.held.get(id);
      if (held === undefined) callback();
      else held.push(callback);
    };
    return {
      now: () => clock.now(),
      at: (deadline, callback) => clock.at(deadline, () => run(callback)),
      defer: (callback) => clock.defer(() => run(callback)),
    };
  }

  /** Cuts the power: the node is gone with all that its disk had not confirmed. */
  crash(id: number): void {
    this.node(id).stop();
    this.running.delete(id);
    this.disks.set(id, this.disk(id).crash());
    this.snapshotDisks.set(id, this.snapshots(id).crash());
  }

  snapshots(id: number): MemorySnapshots {
    const snapshots = this.snapshotDisks.get(id);
    assert(snapshots !== undefined, `there is no node ${id}`);
    return snapshots;
  }

  node(id: number): Node {
    const node = this.running.get(id);
    assert(node !== undefined, `node ${id} does not run`);
    return node;
  }

  disk(id: number): MemoryStorage {
    const disk = this.disks.get(id);
    assert(disk !== undefined, `there is no node ${id}`);
    return disk;
  }

  get nodes(): readonly Node[] {
    return [...this.running.values()];
  }

  /** Runs turns and delivers messages until nothing moves. */
  settle(): void {
    for (let moves = 0; this.clock.runDeferred() || this.network.deliverOne(); moves++) {
      assert(moves < 1_000_000, "the nodes never fall silent");
    }
  }

  advance(milliseconds: number): void {
    this.clock.advance(milliseconds, () => this.settle());
  }

  /** Lets time pass until `condition` holds; at most a virtual minute. */
  until(condition: () => boolean): void {
    this.settle();
    for (let steps = 0; !condition(); steps++) {
      assert(steps < 6000, "the condition never came true");
      this.advance(10);
    }
  }

  /** The one node that leads the newest term, waiting for an election if need be. */
  leader(): Node {
    let found: Node | undefined;
    this.until(() => {
      found = this.nodes.find((node) => node.view(0).role === "leader" && node.view(0).ready);
      return found !== undefined;
    });
    assert(found !== undefined, "until() came back without a leader");
    return found;
  }

  /** Some node that does not lead. */
  follower(): Node {
    const leader = this.leader();
    this.until(() => this.nodes.every((node) => node.view(0).ready));
    const follower = this.nodes.find((node) => node !== leader);
    assert(follower !== undefined, "there is no follower");
    return follower;
  }

  put(node: Node, key: string, value: string | Uint8Array): { end: WriteEnd | null } {
    const writer = new ByteWriter();
    writePut(writer, {
      key: utf8.encode(key),
      value: typeof value === "string" ? utf8.encode(value) : value,
      ifRevision: null,
    });
    return this.write(node, writer.take());
  }

  /** Writes one command. */
  write(node: Node, command: Uint8Array): { end: WriteEnd | null } {
    const waiting: { end: WriteEnd | null } = { end: null };
    node.write(0, { commands: command, count: 1 }, (outcome) => {
      assert(waiting.end === null, "a write ended twice");
      waiting.end =
        outcome.kind === "applied" ? { kind: "applied", result: readResult(new ByteReader(outcome.results)) } : outcome;
    });
    return waiting;
  }

  get(node: Node, key: string, consistency: Consistency = "linearizable"): { end: ReadEnd | null } {
    const writer = new ByteWriter();
    writeGet(writer, utf8.encode(key));
    const waiting: { end: ReadEnd | null } = { end: null };
    node.read(0, { queries: writer.take(), count: 1, consistency }, (outcome) => {
      assert(waiting.end === null, "a read ended twice");
      waiting.end =
        outcome.kind === "answered"
          ? { kind: "answered", answer: readGetAnswer(new ByteReader(outcome.answers.slice())) }
          : outcome;
    });
    return waiting;
  }

  /** Asks `node` for another configuration; `end` is null while that is under way. */
  change(node: Node, request: MembershipRequest, { plan = false } = {}): { end: MembershipOutcome | null } {
    const waiting: { end: MembershipOutcome | null } = { end: null };
    node.changeMembership(0, request, { plan }, (outcome) => {
      assert(waiting.end === null, "a change ended twice");
      waiting.end = outcome;
    });
    return waiting;
  }

  /** Cuts `id` off from everybody, both ways. */
  isolate(id: number): void {
    for (const other of this.ids) {
      if (other === id) continue;
      this.network.block(id, other);
      this.network.block(other, id);
    }
  }
}

/** Where a node of a test would listen. */
export function serverOf(id: number): { readonly id: number; readonly replicate: string; readonly service: string } {
  return { id, replicate: `127.0.0.1:${4000 + id}`, service: `127.0.0.1:${5000 + id}` };
}

/** The text that a read found, or null. */
export function textOf(read: { readonly end: ReadEnd | null }): string | null {
  assert(read.end?.kind === "answered", "the read was not answered");
  const { state } = read.end.answer;
  return state === null ? null : new TextDecoder().decode(state.value);
}
