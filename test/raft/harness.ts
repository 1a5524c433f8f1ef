/**
 * A group of cores in one process: messages, disks and time move only when a test says so, and every step is checked by
 * {@link Safety}. Deterministic: the same calls give the same run.
 */
import { assert } from "../../src/lib/assert.ts";
import { entryChecksum } from "../../src/lib/checksum.ts";
import { membersOf, newMembership, noMembership } from "../../src/raft/mod.ts";
import type {
  Entry,
  HardState,
  Index,
  Membership,
  MembershipProposal,
  Message,
  MessageKind,
  Millis,
  NodeId,
  Proposal,
  Raft,
  RaftOptions,
  Term,
  TransferStart,
} from "../../src/raft/mod.ts";
import { membershipCodec } from "../../src/wire/mod.ts";
import type { Progress } from "../../src/raft/progress.ts";
import { Safety } from "./safety.ts";
import { TestNode } from "./test_node.ts";
import type { Event } from "./trace.ts";

export interface ClusterOptions {
  /** The first `voters` ids vote, the next `learners` ids learn. */
  readonly voters: number;
  readonly learners?: number;
  /** These follow; they have joined and know nobody yet. */
  readonly spares?: number;
  /** Whether data directories have numbers, so that voters are bound to them. */
  readonly directories?: boolean;
  readonly seed?: number;
  readonly limits?: Partial<Omit<RaftOptions, "id" | "group">>;
  /** The pasts of nodes that do not start empty. */
  readonly pasts?: Readonly<Record<NodeId, Past>>;
  readonly observe?: (event: Event) => void;
}

/** What a node had on disk before the test. The term is that of the last entry unless told. */
export interface Past {
  readonly terms?: readonly Term[];
  readonly term?: Term;
  readonly vote?: NodeId;
}

/** Messages that have all these properties. */
export interface MessageFilter {
  readonly from?: NodeId;
  readonly to?: NodeId;
  readonly kind?: MessageKind;
}

export const testLimits: Omit<RaftOptions, "id" | "group"> = {
  electionTimeoutMs: 1000,
  heartbeatMs: 100,
  commitNewsMs: 0,
  readRoundMs: 20,
  clockRatioMax: 1.25,
  leaseMarginMs: 5,
  appendBytesMax: 64 * 1024,
  inflightMessagesMax: 64,
  inflightBytesMax: 1024 * 1024,
  uncommittedBytesMax: 1024 * 1024,
  tailBytesMax: 1024 * 1024,
  applyBytesMax: 1024 * 1024,
  chunkBytesMax: 64 * 1024,
  inflightChunksMax: 4,
  directory: 0,
  codec: membershipCodec,
};

export class Cluster {
  now: Millis = 0;
  readonly membership: Membership;
  readonly safety: Safety;
  readonly nodes: ReadonlyMap<NodeId, TestNode>;
  /** Who has stopped because its data directory was refused. */
  readonly refused = new Set<NodeId>();
  /** On their way, in the order in which they left. */
  pool: Message[] = [];
  /** Links that lose everything, as `from>to`. */
  private readonly cuts = new Set<string>();
  private readonly observe: (event: Event) => void;
  private lastToken = 0;

  constructor(options: ClusterOptions) {
    const { voters, learners = 0, spares = 0 } = options;
    const ids = Array.from({ length: voters + learners + spares }, (_, position) => position + 1);
    this.membership = newMembership({ voters: ids.slice(0, voters), learners: ids.slice(voters, voters + learners) });
    this.safety = new Safety();
    this.observe = options.observe ?? (() => undefined);
    this.nodes = new Map(ids.map((id) => [id, this.newNode(id, options)]));
    for (const node of this.nodes.values()) node.start(this.now);
  }

  node(id: NodeId): TestNode {
    const node = this.nodes.get(id);
    assert(node !== undefined, `there is no n${id}`);
    return node;
  }

  raft(id: NodeId): Raft {
    return this.node(id).raft;
  }

  get ids(): readonly NodeId[] {
    return [...this.nodes.keys()];
  }

  get up(): readonly TestNode[] {
    return [...this.nodes.values()].filter((node) => node.up);
  }

  /** What the leader `id` knows of its follower `of`. */
  progress(id: NodeId, of: NodeId): Progress {
    const { role } = this.raft(id).view;
    assert(role.kind === "leader", `n${id} does not lead`);
    const progress = role.progress.get(of);
    assert(progress !== undefined, `n${of} is not in the group`);
    return progress;
  }

  /** Who leads the highest term, of those that run. */
  get leader(): NodeId | null {
    const leaders = this.up.filter((node) => node.raft.view.role.kind === "leader");
    leaders.sort((a, b) => b.raft.view.term - a.raft.view.term);
    return leaders[0]?.id ?? null;
  }

  // Inputs.

  step(message: Message): void {
    const node = this.node(message.to);
    if (!node.up) return;
    node.input((raft) => raft.step(message, this.now));
    if (!node.raft.isRefused) return;
    node.crash(); // as the driver does
    this.refused.add(node.id);
  }

  tick(id: NodeId): void {
    this.node(id).input((raft) => raft.tick(this.now));
  }

  propose(id: NodeId, text: string): Proposal {
    return this.node(id).input((raft) => raft.propose(payloadOf(text)));
  }

  /** Asks for a read at `id`, perhaps with a lease, and returns its token; {@link readIndex} tells what became of it. */
  read(id: NodeId, { lease }: { readonly lease: boolean } = { lease: false }): number {
    const token = ++this.lastToken;
    const node = this.node(id);
    node.reads.set(token, { committedBefore: this.safety.commitIndex, index: undefined });
    node.input((raft) => raft.requestRead({ token, lease }, this.now));
    return token;
  }

  /** Undefined while undecided, null once given up. */
  readIndex(id: NodeId, token: number): Index | null | undefined {
    return this.node(id).reads.get(token)?.index;
  }

  transfer(id: NodeId, target: NodeId | null): TransferStart {
    return this.node(id).input((raft) => raft.transferLeader(target, this.now));
  }

  /** Begins a change of the configuration at `id`. */
  change(id: NodeId, target: Pick<Membership, "voters" | "learners">): MembershipProposal {
    return this.node(id).input((raft) => raft.changeMembership({ ...target, servers: [] }, this.now));
  }

  /** Several inputs of `id` in one turn. */
  inTurn(id: NodeId, inputs: () => void): void {
    const node = this.node(id);
    node.turnOpen = true;
    inputs();
    node.endTurn();
  }

  crash(id: NodeId, unconfirmed = 0): void {
    this.node(id).crash(unconfirmed);
  }

  restart(id: NodeId): void {
    const node = this.node(id);
    if (node.up) node.crash();
    node.start(this.now);
  }

  /** The node comes back on an empty data directory. */
  wipe(id: NodeId): void {
    const node = this.node(id);
    if (node.up) node.crash();
    node.wipe();
    node.start(this.now);
  }

  // The network.

  /** Delivers what matches, oldest first, and what that brings about, until nothing matches any more. */
  deliver(filter: MessageFilter = {}): void {
    for (let count = 0; ; count++) {
      assert(count < 100_000, "the group never comes to rest");
      const position = this.pool.findIndex((message) => matches(message, filter));
      if (position < 0) return;
      this.deliverAt(position);
    }
  }

  /** Delivers the message at `position` of the pool, if its link is not cut. */
  deliverAt(position: number): void {
    const [message] = this.pool.splice(position, 1);
    assert(message !== undefined, "nothing to deliver");
    this.arrive(message);
  }

  /** Delivers what matches now, and not what comes of it. */
  deliverOnce(filter: MessageFilter = {}): void {
    for (const message of this.take(filter)) this.arrive(message);
  }

  private arrive(message: Message): void {
    if (this.cuts.has(`${message.from}>${message.to}`)) this.observe({ kind: "lost", message });
    else this.step(message);
  }

  /** Takes what matches out of the network: lost, or delivered again later by {@link step}. */
  take(filter: MessageFilter = {}): readonly Message[] {
    const taken = this.pool.filter((message) => matches(message, filter));
    this.pool = this.pool.filter((message) => !matches(message, filter));
    return taken;
  }

  /** From now on nothing passes from `from` to `to`. */
  cut(from: NodeId, to: NodeId): void {
    this.cuts.add(`${from}>${to}`);
  }

  /** Cuts all links between `id` and the others. */
  isolate(id: NodeId): void {
    this.partition(
      [id],
      this.ids.filter((other) => other !== id),
    );
  }

  /** Cuts all links between two sets of nodes. */
  partition(left: readonly NodeId[], right: readonly NodeId[]): void {
    for (const a of left) {
      for (const b of right) {
        this.cut(a, b);
        this.cut(b, a);
      }
    }
  }

  heal(): void {
    this.cuts.clear();
  }

  // Time.

  /** Lets time pass without anybody noticing. */
  advance(ms: Millis): void {
    this.now += ms;
  }

  /** Lets time pass with every timer on time and a network without delay. */
  run(ms: Millis): void {
    const end = this.now + ms;
    for (let ticksNow = 0; ; ticksNow++) {
      assert(ticksNow < 100, "a timer that ran out stays due");
      this.deliver();
      const next = Math.min(...this.up.map((node) => node.raft.deadline));
      if (next > end) break;
      if (next > this.now) ticksNow = 0;
      this.now = Math.max(this.now, next);
      for (const node of this.up) if (node.raft.deadline <= this.now) this.tick(node.id);
    }
    this.now = end;
  }

  /** Runs until `condition` holds; fails after `msMax`. */
  runUntil(condition: () => boolean, msMax: Millis): void {
    const end = this.now + msMax;
    this.deliver();
    while (!condition()) {
      assert(this.now < end, `not reached within ${msMax} ms`);
      this.run(10);
    }
  }

  /** The timer of `id` alone runs out. */
  timeout(id: NodeId): void {
    this.now = Math.max(this.now, this.raft(id).deadline);
    this.tick(id);
  }

  /** Makes `id` campaign, and win on a network that works. */
  elect(id: NodeId): void {
    this.timeout(id);
    this.deliver();
    assert(this.raft(id).view.role.kind === "leader", `n${id} was not elected`);
  }

  private newNode(id: NodeId, { seed, limits, pasts, directories }: ClusterOptions): TestNode {
    const directory = directories === true ? 1000 * id : 0;
    const node = new TestNode({
      raft: { ...testLimits, ...limits, id, group: 0, directory },
      membership: membersOf(this.membership).includes(id) ? this.membership : noMembership,
      safety: this.safety,
      seed: (seed ?? 1) * 64 + id,
      durableOf: (other) => this.node(other).durable,
      send: (message) => this.send(message),
      observe: this.observe,
    });
    const past = pasts?.[id];
    if (past === undefined) return node;
    const entries = (past.terms ?? []).map((term, position) => pastEntry({ index: position + 1, term }));
    for (const entry of entries) this.safety.onEntry(entry, past.terms?.[entry.index - 2] ?? 0);
    const hardState: HardState = { term: past.term ?? past.terms?.at(-1) ?? 0, vote: past.vote ?? null };
    node.preset({ hardState, entries });
    return node;
  }

  private send(message: Message): void {
    assert(message.to !== message.from && this.nodes.has(message.to), "a message to nobody");
    this.observe({ kind: "sent", message });
    this.pool.push(message);
  }
}

function matches(message: Message, { from, to, kind }: MessageFilter): boolean {
  return (
    (from === undefined || message.from === from) &&
    (to === undefined || message.to === to) &&
    (kind === undefined || message.kind === kind)
  );
}

/** An entry as every node with the same past has it. */
export function pastEntry({ index, term }: { readonly index: Index; readonly term: Term }): Entry {
  const entry = { index, term, kind: "commands", payload: payloadOf(`${index}@${term}`) } as const;
  return { ...entry, checksum: entryChecksum(entry) };
}

export function payloadOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textOf(payload: Uint8Array): string {
  return new TextDecoder().decode(payload);
}
