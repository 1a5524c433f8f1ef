/** The machines of a run with all that is between them, and the rules that watch over them. Does nothing by itself but restart who fell. */
import { assert, unreachable } from "../lib/assert.ts";
import type { Random } from "../lib/random.ts";
import { type Membership, newMembership, type NodeId } from "../raft/mod.ts";
import type { MembershipRequest } from "../node/mod.ts";
import { clusterIdBytes } from "../wire/mod.ts";
import { between, happens, pick, streamOf } from "./chance.ts";
import { History } from "./history.ts";
import { Host } from "./host.ts";
import { calm, SimNetwork } from "./network.ts";
import type { Plan } from "./plan.ts";
import { decides, isMajority } from "./quorums.ts";
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
  readonly reference: Reference;
  readonly history: History;
  /** All that there are, by their ids: those that found the cluster, and behind them those that may join it. */
  readonly machines: readonly Host[];
  /** Those in service: founders from the beginning, others since they were told to join, until they are switched off for good. */
  hosts: readonly Host[];
  /** Changes of the members that were asked for and have not ended. */
  readonly requests = new Set<MembershipRequest>();
  /** Who falls stays down, if it is in here. */
  private readonly lost = new Set<NodeId>();
  /** Clients only read for now. */
  isQuiet = false;
  /** How often a machine fell. */
  falls = 0;
  private readonly restarts: Random;
  /** Writes handed to disks. */
  private writes = 0;

  constructor(
    readonly plan: Plan,
    write: ((line: string) => void) | null,
  ) {
    const { timeline } = this;
    const reference = new Reference({ clocksLeap: plan.faults.has("leaps") });
    this.reference = reference;
    this.trace = new Trace(() => timeline.now, write);
    this.history = new History(reference, plan.keys);
    this.restarts = streamOf(plan.seed, "restarts");
    const ids = Array.from({ length: plan.nodes + plan.joiners }, (_, position) => position + 1);
    const founders = newMembership({ voters: ids.slice(0, plan.nodes) });
    this.safety = new Safety(founders, {
      durableOf: (id) => this.host(id).disk.durable,
      everHeld: (id, entry) => this.host(id).disks.everHeld(entry),
    });
    this.network = new SimNetwork({
      seed: plan.seed,
      clusterId: clusterIdBytes(clusterId),
      timeline,
      trace: this.trace,
      conditions: calm(plan.delayMs),
    });
    const around = {
      plan,
      founders,
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
    this.machines = ids.map((id) => new Host(id, around));
    this.hosts = this.machines.slice(0, plan.nodes);
    for (const host of this.hosts) host.boot();
  }

  /** Those in service. */
  get ids(): readonly NodeId[] {
    return this.hosts.map(({ id }) => id);
  }

  host(id: NodeId): Host {
    const host = this.machines[id - 1];
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
    this.abandon(host);
    if (host.isUp) host.crash();
  }

  /** Starts a machine that is to join: with an empty disk, and knowing nobody. */
  join(host: Host): void {
    if (this.hosts.includes(host)) return;
    this.hosts = [...this.hosts, host];
    host.boot();
  }

  /** Takes a machine out of service that has left the cluster. Its id never comes back. */
  retire(host: Host): void {
    this.hosts = this.hosts.filter((other) => other !== host);
    this.lose(host);
  }

  /** Every configuration by which the cluster may live now, or may come to live without another wish. */
  get configurations(): readonly Membership[] {
    const { configurations } = this.safety;
    const { current } = configurations;
    // What a leader has put into its log and not yet handed to its disk.
    const begun = this.up.flatMap(({ state: { log, membership } }) => {
      const isBehind = log.memberships.changedIndex > current.index;
      const leadsHere = current.index < log.firstIndex || log.matches(current);
      return isBehind && leadsHere ? [membership] : [];
    });
    return [...configurations.inForce, ...begun];
  }

  /** Whether there is a majority without `lost` of everybody who decides, or will once what is asked for is done. */
  survives(lost: (host: Host) => boolean): boolean {
    const isWhole = (id: NodeId): boolean => !lost(this.host(id));
    return this.configurations.every(
      (membership) =>
        decides(membership, isWhole) &&
        [...this.requests].every((request) => isMajority(votersAfter(membership.voters, request), isWhole)),
    );
  }

  /** Should the machine fall, nobody starts it again. */
  abandon(host: Host): void {
    this.lost.add(host.id);
  }

  private onWritten(writer: Host): boolean {
    if (++this.writes !== this.plan.powerCutAtWrite) return false;
    for (const host of this.hosts) if (host !== writer && host.isUp) host.crash();
    return true;
  }

  /** Starts a machine that is down, unless it is switched off for good. */
  restart(host: Host): void {
    if (!host.isUp && !this.lost.has(host.id)) host.boot();
  }

  private onFall(host: Host): void {
    this.falls++;
    const { electionTimeoutMs } = this.plan.limits;
    const quick = happens(this.restarts, 0.5);
    this.timeline.after(between(this.restarts, 0, electionTimeoutMs * (quick ? 0.2 : 4)), () => {
      this.restart(host);
    });
  }
}

/** Who votes once `request` is done. */
function votersAfter(voters: readonly NodeId[], request: MembershipRequest): readonly NodeId[] {
  switch (request.kind) {
    case "add":
      return voters;
    case "promote":
      return [...new Set([...voters, request.id])];
    case "remove":
      return voters.filter((id) => id !== request.id);
    case "set":
      return request.voters;
    default:
      return unreachable(request);
  }
}
