/** The machines of a run with all that is between them, and the rules that watch over them. Does nothing by itself but restart who fell. */
import { assert } from "../lib/assert.ts";
import type { Random } from "../lib/random.ts";
import type { NodeId } from "../raft/mod.ts";
import { clusterIdBytes } from "../wire/mod.ts";
import { between, happens, pick, streamOf } from "./chance.ts";
import { History } from "./history.ts";
import { Host } from "./host.ts";
import { calm, SimNetwork } from "./network.ts";
import type { Plan } from "./plan.ts";
import { Reference } from "./reference.ts";
import { Safety } from "./safety.ts";
import { Timeline } from "./timeline.ts";
import { Trace } from "./trace.ts";

const clusterId = "70726f615f73696d756c61746f720000";

export class Cluster {
  readonly timeline = new Timeline();
  readonly trace: Trace;
  readonly network: SimNetwork;
  readonly safety: Safety;
  readonly reference = new Reference();
  readonly history: History;
  readonly hosts: readonly Host[];
  readonly ids: readonly NodeId[];
  /** Who falls stays down, if it is in here. */
  private readonly lost = new Set<NodeId>();
  /** How often a machine fell. */
  falls = 0;
  private readonly restarts: Random;
  /** Writes handed to disks. */
  private writes = 0;

  constructor(
    readonly plan: Plan,
    write: ((line: string) => void) | null,
  ) {
    const { timeline, reference } = this;
    this.trace = new Trace(() => timeline.now, write);
    this.history = new History(reference, plan.keys);
    this.restarts = streamOf(plan.seed, "restarts");
    this.ids = Array.from({ length: plan.nodes }, (_, position) => position + 1);
    this.safety = new Safety((id) => this.host(id).disk.durable);
    this.network = new SimNetwork({
      seed: plan.seed,
      clusterId: clusterIdBytes(clusterId),
      timeline,
      trace: this.trace,
      conditions: calm(plan.delayMs),
    });
    const around = {
      plan,
      ids: this.ids,
      clusterId,
      clusterIdBytes: clusterIdBytes(clusterId),
      timeline,
      trace: this.trace,
      network: this.network,
      safety: this.safety,
      reference,
      onFall: (host: Host) => this.onFall(host),
      onWritten: (host: Host) => this.onWritten(host),
    };
    this.hosts = this.ids.map((id) => new Host(id, around));
    for (const host of this.hosts) host.boot();
  }

  host(id: NodeId): Host {
    const host = this.hosts[id - 1];
    assert(host !== undefined, `there is no n${id}`);
    return host;
  }

  get up(): readonly Host[] {
    return this.hosts.filter((host) => host.isUp);
  }

  /** The machine that leads the highest term, as far as it knows itself. */
  get leader(): Host | null {
    let leader: Host | null = null;
    for (const host of this.up) {
      if (host.state.role.kind !== "leader") continue;
      if (leader === null || host.state.term > leader.state.term) leader = host;
    }
    return leader;
  }

  /** All that believe to lead: a leader that was deposed and has not heard of it is one of them. */
  get believers(): readonly Host[] {
    return this.hosts.filter((host) => host.isUp && host.state.role.kind === "leader");
  }

  /** Somebody to be hit by a fault: the leader more often than others. */
  victim(random: Random): Host {
    const { leader } = this;
    return leader !== null && happens(random, 0.4) ? leader : pick(random, this.hosts);
  }

  /** Switches a machine off, for good. */
  lose(host: Host): void {
    this.lost.add(host.id);
    if (host.isUp) host.crash();
  }

  private onWritten(writer: Host): boolean {
    if (++this.writes !== this.plan.powerCutAtWrite) return false;
    for (const host of this.hosts) if (host !== writer && host.isUp) host.crash();
    return true;
  }

  private onFall(host: Host): void {
    this.falls++;
    const { electionTimeoutMs } = this.plan.limits;
    const quick = happens(this.restarts, 0.5);
    this.timeline.after(between(this.restarts, 0, electionTimeoutMs * (quick ? 0.2 : 4)), () => {
      if (!host.isUp && !this.lost.has(host.id)) host.boot();
    });
  }
}
