/**
 * One machine: its disk and clock, and a real node that lives on it, dies with the power and starts again. Everything
 * that reaches the node comes through here, in order, and waits while the machine is asleep.
 */
import { assert } from "../lib/assert.ts";
import { CorruptError, ProaError } from "../lib/errors.ts";
import type { Random } from "../lib/random.ts";
import type { Node } from "../node/mod.ts";
import type { Membership, NodeId, RaftState } from "../raft/mod.ts";
import { between, happens, streamOf } from "./chance.ts";
import { describeWrite } from "./describe.ts";
import { SimDisk } from "./disk.ts";
import { Life } from "./life.ts";
import { MachineDisks } from "./machine_disks.ts";
import type { Packet, SimNetwork } from "./network.ts";
import type { Plan } from "./plan.ts";
import type { Reference } from "./reference.ts";
import type { Safety } from "./safety.ts";
import type { Timeline } from "./timeline.ts";
import type { Trace } from "./trace.ts";
import { check } from "./violation.ts";

/** What all machines of a run share. */
export interface Surroundings {
  readonly plan: Plan;
  /** What the cluster is founded with. A machine that is not in it joins. */
  readonly founders: Membership;
  /** 32 hexadecimal digits. */
  readonly clusterId: string;
  readonly clusterIdBytes: Uint8Array;
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly network: SimNetwork;
  readonly safety: Safety;
  readonly reference: Reference;
  /** A node is gone: the power was cut, the disk failed, or it was stopped. */
  readonly onFall: (host: Host) => void;
  /** A write was handed to the disk of `host`. Returns whether its power fails right now. */
  readonly onWritten: (host: Host) => boolean;
}

/** A client's connection, open until its request is answered. */
interface Connection {
  readonly onLost: () => void;
}

/** What waits while the machine is asleep, in the order in which it is then done: sockets and disk before timers (rule X2). */
const arrivals = ["input", "timer", "turn"] as const;
type Arrival = (typeof arrivals)[number];

/** Ends the life of a node in the middle of what it does. */
class PowerCutError extends Error {
  override readonly name = "PowerCutError";
}

export class Host {
  readonly disks: MachineDisks;
  /** How fast the clock of this machine runs. */
  clockRate = 1;
  /** How likely the power fails at each call for disk or network. */
  suddenDeath = 0;
  private life: Life | null = null;
  private lives = 0;
  private asleep = false;
  private readonly held: Record<Arrival, (() => void)[]> = { input: [], timer: [], turn: [] };
  private readonly connections = new Set<Connection>();
  private readonly random: Random;

  constructor(
    readonly id: NodeId,
    private readonly around: Surroundings,
  ) {
    const { plan, timeline, safety, trace, network } = around;
    this.random = streamOf(plan.seed, `machine ${id}`);
    this.disks = new MachineDisks((number) => {
      const disk: SimDisk = new SimDisk({
        random: streamOf(plan.seed, number === 1 ? `disk ${id}` : `disk ${id}, ${number}`),
        timeline,
        writeMs: plan.writeMs,
        wake: (tell) => this.arrive("input", tell),
        watcher: {
          onWrite: (write, lastTerm) => {
            this.life?.observe();
            trace.note(write.seq, () => `n${id} writes #${write.seq}: ${describeWrite(write)}`);
            safety.onWrite(this.state, write, lastTerm);
          },
          onWritten: () => {
            if (around.onWritten(this)) throw new PowerCutError("the power failed");
            this.maybeDie();
          },
          onDurable: (before, durable) => safety.onDurable({ id, directory: disk.directoryNumber }, before, durable),
          onDropped: (entry, before) => safety.onDropped({ id, term: before }, entry),
          termAt: (index) => safety.committedTerm(index),
        },
      });
      return disk;
    });
    network.attach(id, (packet) => this.receive(packet));
  }

  /** The disk that it runs on. */
  get disk(): SimDisk {
    return this.disks.current;
  }

  /** Whether its data directory was lost: then nothing that it promises counts any more. */
  get isWiped(): boolean {
    return this.disks.lostOne;
  }

  /** Whether nothing is to be expected of it any more. */
  get isLost(): boolean {
    return this.isWiped || this.disk.isRotten;
  }

  /** The node that runs here now; null while the machine is down. */
  get node(): Node | null {
    return this.life?.node ?? null;
  }

  get isUp(): boolean {
    return this.life !== null;
  }

  get isAsleep(): boolean {
    return this.asleep;
  }

  /** Requests that the node was given and has not answered. */
  get unanswered(): number {
    return this.connections.size;
  }

  /** The core's state. The machine must be up. */
  get state(): Readonly<RaftState> {
    return this.running.state;
  }

  /** Starts the node on what its disk holds. It stays down when that is damaged. */
  boot(): void {
    assert(this.life === null, "a machine is started once a life");
    try {
      this.life = this.newLife();
      this.around.safety.onBoot(this.state);
    } catch (error) {
      if (!this.isDamage(error)) throw error;
      this.around.trace.note(this.id, () => `n${this.id} does not start: ${error.message}`);
      this.disk.crash();
    }
  }

  private newLife(): Life {
    return new Life(
      {
        id: this.id,
        number: ++this.lives,
        directoryNumber: this.disk.directoryNumber,
        storage: this.disk.open(),
        snapshots: this.disk.openSnapshots(),
        owner: this,
        clock: { offsetMs: between(this.random, 0, 1e6), rate: this.clockRate },
        onLeaving: () => this.maybeDie(),
      },
      this.around,
    );
  }

  /** Whether a node stopped as it should: because it read what had rotted. */
  private isDamage(error: unknown): error is CorruptError {
    return error instanceof CorruptError && this.disk.isRotten;
  }

  /** Cuts the power. */
  crash(): void {
    this.fall("loses its power");
  }

  /** Cuts the power, and with it the data directory is gone: a new, empty one takes its place. */
  wipe(): void {
    if (this.isUp) this.fall("loses its power, and its data directory");
    this.disks.replace();
  }

  /** Ends the node in order: it answers all who wait, and only then goes. */
  stop(): void {
    assert(!this.asleep, "a machine that is asleep cannot be asked to stop");
    this.running.node.stop();
    check(
      this.connections.size === 0,
      "C2",
      () => `n${this.id} stopped with ${this.connections.size} requests unanswered (C2)`,
    );
    this.fall("is stopped");
  }

  /** Nothing reaches the node and none of its timers fires until {@link wakeUp}. */
  sleep(): void {
    if (this.asleep) return;
    this.asleep = true;
    this.around.trace.note(this.id, () => `n${this.id} falls asleep`);
  }

  wakeUp(): void {
    if (!this.asleep) return;
    this.asleep = false;
    this.around.trace.note(this.id, () => `n${this.id} wakes up`);
    const { lives } = this;
    for (const kind of arrivals) {
      for (const callback of this.held[kind].splice(0)) {
        if (this.runs(lives)) this.enter(kind, callback);
      }
    }
  }

  /** The clock of this machine runs at another speed from now on. */
  setClockRate(rate: number): void {
    this.clockRate = rate;
    this.life?.clock.setRate(rate);
  }

  leapClock(forwardMs: number): void {
    this.life?.clock.leap(forwardMs);
  }

  /**
   * Hands a request to the node; `answered` is to be called when the node answers it. `onLost` is called instead when
   * the node falls before. False when nobody listens here: then nothing was sent.
   */
  request(ask: (node: Node, answered: () => void) => void, onLost: () => void): boolean {
    if (this.life === null) return false;
    const connection = { onLost };
    this.connections.add(connection);
    this.arrive("input", () => {
      ask(this.running.node, () => {
        check(this.connections.delete(connection), "C2", () => `n${this.id} answered a request twice (C2)`);
      });
    });
    return true;
  }

  timer(callback: () => void): void {
    this.arrive("timer", callback);
  }

  turn(callback: () => void): void {
    const { lives } = this;
    const { timeline, plan } = this.around;
    const lateMs = plan.turnMs === 0 ? 0 : between(this.random, 0, plan.turnMs);
    timeline.after(lateMs, () => {
      if (this.runs(lives)) this.arrive("turn", callback);
    });
  }

  /** Whether life number `lives` goes on. */
  private runs(lives: number): boolean {
    return this.life !== null && this.lives === lives;
  }

  private get running(): Life {
    assert(this.life !== null, `n${this.id} is down`);
    return this.life;
  }

  private receive(packet: Packet): void {
    const { life } = this;
    if (life === null) return;
    this.arrive("input", () => life.transport.receive(packet));
  }

  /** Lets something reach the node, at once or when the machine wakes up. */
  private arrive(kind: Arrival, callback: () => void): void {
    if (this.life === null) return;
    if (this.asleep) this.held[kind].push(callback);
    else this.enter(kind, callback);
  }

  private enter(kind: Arrival, callback: () => void): void {
    try {
      callback();
      if (kind === "turn") this.running.afterTurn();
    } catch (error) {
      if (error instanceof PowerCutError) this.fall("loses its power on the way");
      else if (error instanceof ProaError && error.code === "DISK_FAILED") this.fall(`stops: ${error.message}`);
      else if (error instanceof ProaError && error.code === "DATA_FOREIGN" && this.isWiped)
        this.fall(`stops: ${error.message}`);
      else if (this.isDamage(error)) this.fall(`stops: ${error.message}`);
      else throw error;
    }
  }

  private fall(how: string): void {
    this.running.observe();
    this.around.trace.note(this.id, () => `n${this.id} ${how}`);
    this.running.end();
    this.life = null;
    this.asleep = false;
    for (const kind of arrivals) this.held[kind] = [];
    this.disk.crash();
    const lost = [...this.connections];
    this.connections.clear();
    for (const { onLost } of lost) onLost();
    this.around.onFall(this);
  }

  private maybeDie(): void {
    if (happens(this.random, this.suddenDeath)) throw new PowerCutError("the power failed");
  }
}
