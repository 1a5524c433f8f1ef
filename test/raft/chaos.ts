/**
 * A run from a seed: first everything goes wrong at once (loss, repeats, reordering, crashes, slow disks, cut links), then
 * all of it is mended and the group must agree and work again. Safety is checked by the harness after every step.
 */
import { assert } from "../../src/lib/assert.ts";
import { seededRandom, type Random } from "../../src/lib/random.ts";
import { membersOf, type Message, type NodeId } from "../../src/raft/mod.ts";
import { isJoint } from "../../src/raft/membership.ts";
import { Cluster, textOf } from "./harness.ts";
import type { TestNode } from "./test_node.ts";
import { formatEvent } from "./trace.ts";

/** What a run came to, so that a test can see that the runs together reached everything. */
export interface ChaosCounts {
  readonly commits: number;
  readonly terms: number;
  readonly readsAnswered: number;
  readonly crashes: number;
  readonly transfers: number;
  /** Configurations that were begun. */
  readonly changes: number;
  readonly refused: number;
  readonly installs: number;
}

export interface ChaosOptions {
  readonly seed: number;
  readonly steps: number;
  /** Receives the whole history, line by line. */
  readonly trace?: (line: string) => void;
}

/** How long a mended group may take to elect a leader and to agree, in election timeouts. */
const healTimeoutsMax = 12;

/** Does what the seed says and throws when a rule is broken. */
export function chaos({ seed, steps, trace }: ChaosOptions): ChaosCounts {
  const run = new ChaosRun(seed, trace);
  for (let step = 0; step < steps; step++) run.step();
  run.heal();
  return run.counts;
}

class ChaosRun {
  private readonly random: Random;
  private readonly cluster: Cluster;
  private readonly ids: readonly NodeId[];
  /** What goes wrong at the moment: calm lets logs grow, storms make them part. */
  private lossChance = 0;
  private repeatChance = 0;
  private crashChance = 0;
  private readonly orderedNetwork: boolean;
  /** Whose timers stand still: a leader that does not notice that it was replaced. */
  private sleeper: NodeId | null = null;
  /** Short ones make for many elections, long ones for long logs. */
  private readonly electionTimeoutMs: number;
  /** Some of what was on its way at any time, to come again when nobody expects it. */
  private readonly past: Message[] = [];
  private readonly proposed = new Map<string, "accepted" | "refused">();
  private crashes = 0;
  private transfers = 0;
  private changes = 0;
  private refused = 0;
  private installs = 0;
  /** How likely a node that may take a snapshot does: never, seldom, or all the time. */
  private readonly snapshotChance: number;

  constructor(seed: number, trace: ((line: string) => void) | undefined) {
    this.random = seededRandom(seed);
    const { random } = this;
    this.electionTimeoutMs = this.pick([100, 100, 300]);
    this.cluster = new Cluster({
      voters: this.pick([1, 2, 3, 3, 3, 4, 5, 5, 5]),
      learners: random.integer(0, 9) === 0 ? 1 : 0,
      spares: this.pick([0, 0, 1, 2, 3]),
      directories: seed % 2 === 0,
      seed,
      limits: {
        electionTimeoutMs: this.electionTimeoutMs,
        heartbeatMs: this.electionTimeoutMs / 5,
        appendBytesMax: random.integer(1, 40),
        inflightMessagesMax: random.integer(1, 6),
        inflightBytesMax: random.integer(10, 100),
        uncommittedBytesMax: random.integer(20, 200),
        tailBytesMax: random.integer(1, 60),
        applyBytesMax: random.integer(1, 50),
        chunkBytesMax: random.integer(5, 200),
        inflightChunksMax: random.integer(1, 4),
      },
      observe: (event) => {
        if (event.kind === "install") this.installs++;
        trace?.(formatEvent(event));
      },
    });
    this.ids = this.cluster.ids;
    this.orderedNetwork = random.next() < 0.3;
    this.snapshotChance = this.pick([0, 0.02, 0.2]);
    const slowDisks = random.next() < 0.7;
    for (const id of this.ids) this.cluster.node(id).autoDisk = !slowDisks;
  }

  get counts(): ChaosCounts {
    const nodes = [...this.cluster.nodes.values()];
    const reads = nodes.flatMap((node) => [...node.reads.values()]);
    return {
      commits: this.cluster.safety.commitIndex,
      terms: Math.max(...nodes.map((node) => node.durable.hardState.term)),
      readsAnswered: reads.filter((read) => typeof read.index === "number").length,
      crashes: this.crashes,
      transfers: this.transfers,
      changes: this.changes,
      refused: this.refused,
      installs: this.installs,
    };
  }

  /** One thing happens to one node or to some messages. */
  step(): void {
    const { random, cluster } = this;
    if (random.next() < this.crashChance) this.crashOrRestart();
    if (random.next() < 0.015) this.changeWeather();
    for (const node of cluster.up) if (node.turnOpen && random.next() < 0.2) node.endTurn();
    const node = cluster.node(this.pick(this.ids));
    if (random.next() < this.snapshotChance) this.snapshot(node);
    const choice = random.integer(0, 99);
    if (choice < 45) this.deliverSome();
    else if (choice < 60) this.passTime();
    else if (choice < 75) this.completeSome();
    else if (!node.up) cluster.restart(node.id);
    else if (choice < 85) this.propose(this.target(node.id));
    else if (choice < 92) cluster.read(this.target(node.id), { lease: choice % 2 === 0 });
    else if (choice < 94) this.transfer(node.id);
    else if (choice < 98) this.change(node.id);
    else node.turnOpen = true;
  }

  /** Mends everything; then there is one leader, a new proposal is applied everywhere, and no read is left waiting. */
  heal(): void {
    const { cluster } = this;
    cluster.heal();
    for (const node of cluster.nodes.values()) {
      if (!node.up) cluster.restart(node.id);
      if (node.turnOpen) node.endTurn();
      node.autoDisk = true;
      node.complete(node.writes.length);
    }
    const limitMs = healTimeoutsMax * this.electionTimeoutMs;
    cluster.runUntil(() => this.agreed(), limitMs);
    const leader = cluster.leader;
    assert(leader !== null, "a group that agrees has a leader");
    const accepted = cluster.propose(leader, "the last word");
    assert(accepted.ok, "a leader without a backlog takes proposals");
    const reads = this.members.map((node) => ({ id: node.id, token: cluster.read(node.id) }));
    const isAnswered = ({ id, token }: { readonly id: NodeId; readonly token: number }): boolean =>
      typeof cluster.readIndex(id, token) === "number";
    cluster.runUntil(
      () =>
        this.agreed() &&
        this.members.every((node) => node.applied.length === accepted.id.index) &&
        reads.every(isAnswered),
      limitMs,
    );
    assert(reads.every(isAnswered), "a read was not answered");
    if (this.members.length < cluster.ids.length) cluster.run(3 * this.electionTimeoutMs); // until those who left know
    const decided = cluster.up.every((node) => [...node.reads.values()].every((read) => read.index !== undefined));
    assert(decided, "a read was left without an answer");
    for (const node of cluster.up) {
      const commands = node.applied.filter((entry) => entry.kind === "commands");
      this.checkApplied(commands.map((entry) => textOf(entry.payload)));
    }
  }

  /** One leader that everybody follows and that means to stay, all logs the same and committed. */
  private agreed(): boolean {
    const { cluster } = this;
    const leader = cluster.leader;
    if (leader === null) return false;
    const { log, term, role } = cluster.raft(leader).view;
    if (role.kind === "leader" && role.transfer !== null) return false;
    if (isJoint(cluster.raft(leader).view.membership)) return false;
    return this.members.every(({ raft: { view } }) => {
      const sameLog = view.log.lastIndex === log.lastIndex && view.log.last.term === log.last.term;
      return view.term === term && view.leader === leader && sameLog && view.log.commitIndex === log.lastIndex;
    });
  }

  /** Those who belong to the group, as its leader sees it. */
  private get members(): readonly TestNode[] {
    const { cluster } = this;
    const { leader } = cluster;
    assert(leader !== null, "only a leader knows who belongs to the group");
    return membersOf(cluster.raft(leader).view.membership).map((id) => cluster.node(id));
  }

  /** What was refused never appears, and nothing appears twice. */
  private checkApplied(commands: readonly string[]): void {
    assert(new Set(commands).size === commands.length, "a proposal was applied twice");
    for (const text of commands) assert(this.proposed.get(text) !== "refused", "a refused proposal was applied");
  }

  private deliverSome(): void {
    const { random, cluster } = this;
    for (let count = random.integer(1, 12); count > 0 && cluster.pool.length > 0; count--) {
      const position = this.orderedNetwork ? 0 : random.integer(0, cluster.pool.length - 1);
      const message = cluster.pool[position];
      if (message === undefined) return;
      if (random.next() < this.repeatChance) cluster.pool.push(message);
      if (random.next() < this.repeatChance) cluster.pool.push(this.pick([message, ...this.past]));
      this.past[random.integer(0, Math.min(this.past.length, 99))] = message;
      if (random.next() < this.lossChance) cluster.pool.splice(position, 1);
      else cluster.deliverAt(position);
    }
  }

  private completeSome(): void {
    const waiting = this.cluster.up.filter((node) => node.writes.length > 0);
    if (waiting.length === 0) return;
    const node = this.pick(waiting);
    node.complete(this.random.integer(1, node.writes.length));
  }

  private passTime(): void {
    const { random, cluster } = this;
    cluster.advance(random.next() < 0.02 ? random.integer(500, 2500) : random.next() * 100);
    for (const node of cluster.up) {
      const due = node.raft.deadline <= cluster.now && node.id !== this.sleeper;
      if (due && random.next() < 0.9) cluster.tick(node.id);
    }
  }

  private snapshot(node: TestNode): void {
    if (node.up && this.canSnapshot(node)) node.takeSnapshot(this.random.integer(0, 5));
  }

  /** There is something new, and it is known whose state it is: who joins learns that late. */
  private canSnapshot({ applied, raft: { view } }: TestNode): boolean {
    const isNews = applied.length > (view.snapshot?.index ?? 0);
    return isNews && view.log.memberships.at(applied.length).voters.length > 0;
  }

  private propose(id: NodeId): void {
    const text = `${this.proposed.size} ${"x".repeat(this.random.integer(0, 30))}`;
    const proposal = this.cluster.propose(id, text);
    this.proposed.set(text, proposal.ok ? "accepted" : "refused");
    if (!proposal.ok && proposal.reason === "overloaded") this.refused++;
  }

  private transfer(id: NodeId): void {
    const started = this.cluster.transfer(this.target(id), this.random.next() < 0.5 ? null : this.pick(this.ids));
    if (started.ok) this.transfers++;
  }

  /** Somebody comes, goes, or is promoted or demoted, mostly one at a time. */
  private change(id: NodeId): void {
    const { random, cluster } = this;
    const leader = this.target(id);
    if (!cluster.node(leader).up) return;
    const { voters, learners, retired } = cluster.raft(leader).view.membership;
    const roleOf = (member: NodeId): string => {
      if (!retired.includes(member) && random.next() < 0.25)
        return this.pick(["voter", "voter", "voter", "learner", "learner", "gone"]);
      return voters.includes(member) ? "voter" : learners.includes(member) ? "learner" : "gone";
    };
    const roles = new Map(this.ids.map((member) => [member, roleOf(member)]));
    const withRole = (role: string): NodeId[] => this.ids.filter((member) => roles.get(member) === role);
    if (cluster.change(leader, { voters: withRole("voter"), learners: withRole("learner") }).ok) this.changes++;
  }

  /** Mostly somebody who believes to lead, as a client would choose and a fault should hit, otherwise `id`. */
  private target(id: NodeId): NodeId {
    const leaders = this.cluster.up.filter((node) => node.raft.view.role.kind === "leader");
    return leaders.length > 0 && this.random.next() < 0.8 ? this.pick(leaders).id : id;
  }

  private crashOrRestart(): void {
    const { random, cluster } = this;
    const node = cluster.node(this.pick(this.ids));
    if (!node.up) {
      cluster.restart(node.id);
      return;
    }
    this.crashes++;
    cluster.crash(node.id, random.integer(0, node.writes.length));
    if (random.next() < 0.5) cluster.restart(node.id);
  }

  private changeWeather(): void {
    const { random, cluster } = this;
    this.lossChance = this.pick([0, 0, 0.05, 0.3]);
    this.repeatChance = this.pick([0, 0.02, 0.2]);
    this.crashChance = this.pick([0, 0, 0.01, 0.03]);
    cluster.heal();
    const leader = this.target(1);
    this.sleeper = random.next() < 0.3 ? leader : null;
    const left = this.pick([
      [],
      this.ids.filter(() => random.next() < 0.4),
      [leader],
      [leader],
      [leader, this.pick(this.ids)],
    ]);
    cluster.partition(
      left,
      this.ids.filter((id) => !left.includes(id)),
    );
    if (random.next() < 0.2) cluster.cut(this.pick(this.ids), this.pick(this.ids)); // one way only
  }

  private pick<T>(values: readonly T[]): T {
    const value = values[this.random.integer(0, values.length - 1)];
    assert(value !== undefined, "nothing to pick from");
    return value;
  }
}
