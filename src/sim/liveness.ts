/**
 * The second phase of a run: a majority is made whole, the rest stays broken in some way, and within a bound the whole ones
 * must agree on a leader, take a write, come to the same state, and stay in peace (I12).
 */
import type { Random } from "../lib/random.ts";
import type { EntryId, Millis, NodeId, Term } from "../raft/mod.ts";
import { happens, pick, shuffled, streamOf } from "./chance.ts";
import type { Cluster } from "./cluster.ts";
import { type Healed, leaderOf, membersAmong, ProbeWriter, type RunUntil } from "./healed.ts";
import type { Host } from "./host.ts";
import { type Way, waysWhere } from "./ways.ts";
import { calm } from "./network.ts";
import { decides, halvesOf } from "./quorums.ts";
import { proveTransfer } from "./transfer_proof.ts";
import { check } from "./violation.ts";

/** The bound, in election timeouts: many times what a good run needs, because elections may be split by bad luck. */
const boundTimeouts = 60;
/** What a piece of a snapshot takes to arrive and be acknowledged, in times of the network and turns of the nodes. */
const pieceTimes = 4;
/** How long a cluster that has healed must stay as it is, in election timeouts. */
const peaceTimeouts = 3;

/** Heals a majority and proves that it works. `runUntil` lets time pass until a condition holds; false at the deadline. */
export function proveLiveness(cluster: Cluster, runUntil: RunUntil): void {
  const { plan, timeline, network, safety } = cluster;
  const random = streamOf(plan.seed, "liveness");
  const whole = chooseWhole(cluster, random);
  const mend = heal(cluster, whole, random);
  // Disks that were slow still have to catch up, for each write that was begun then takes as long as it would have then.
  const backlogMs = Math.max(0, ...whole.map(({ disk }) => disk.backlogMs));
  const boundMs = backlogMs + boundTimeouts * plan.limits.electionTimeoutMs + snapshotMs(cluster);
  const deadline = timeline.now + boundMs;
  const must = (condition: () => boolean, what: string): void => {
    const names = whole.map(({ id }) => `n${id}`).join(", ");
    check(
      runUntil(condition, deadline),
      "I12",
      () => `${what} ${Math.round(boundMs)} ms after ${names} were healed (I12)`,
    );
  };
  const isLed = runUntil(() => leaderOf(whole) !== null, deadline);
  if (!isLed && isDeadEnd(whole)) return;
  must(() => leaderOf(whole) !== null, "there is no leader");
  const { membership } = safety.configurations.current;
  const core = membersAmong(whole, membership);
  const healed = { cluster, core, membership, random, runUntil, writer: new ProbeWriter(cluster) };
  writeOnce(healed, must);
  must(() => cluster.reference.leaseCount === 0, "a lease has not ended");
  must(() => isConverged(core), "the states differ");
  must(() => whole.every((host) => host.unanswered === 0), "requests are not answered");
  must(() => core.every((host) => host.disk.isIdle), "a disk is behind");
  network.loseAll(); // what was sent long ago may still end a term, and is no fault of the leader
  must(() => leaderOf(core) !== null, "there is no leader");
  const terms = new Map(cluster.up.map(({ id, state }) => [id, state.term]));
  proveTransfer(healed);
  must(() => leaderOf(core) !== null, "there is no leader");
  keepPeace(healed, mend, terms);
}

/** What it may take to bring the biggest snapshot to somebody who gets it in the smallest pieces, one after the other. */
function snapshotMs({ plan, up }: Cluster): Millis {
  const bytes = Math.max(0, ...up.map(({ state }) => state.snapshot?.bytes ?? 0));
  return Math.ceil(bytes / plan.limits.chunkBytesMax) * pieceTimes * (plan.delayMs + plan.turnMs);
}

/**
 * Whether nobody among `hosts` can win an election any more, whatever happens: by the configuration that it knows, with those
 * whose logs are no newer than its own. Raft can come to this when a leader is gone for good while a change of the members
 * is under way: somebody who has to agree to the change, and does not know of it, has entries that only the lost one had.
 * Where all know the same configuration it cannot.
 */
function isDeadEnd(hosts: readonly Host[]): boolean {
  const [first, ...others] = hosts.map(({ state }) => state.log.memberships.currentIndex);
  if (others.every((index) => index === first)) return false;
  const logOf = ({ state }: Host): EntryId => state.log.last;
  const isNewer = (one: EntryId, other: EntryId): boolean =>
    one.term > other.term || (one.term === other.term && one.index > other.index);
  const canWin = (host: Host): boolean => {
    const { membership } = host.state;
    const votes = (id: NodeId): boolean =>
      hosts.some((other) => other.id === id && !isNewer(logOf(other), logOf(host)));
    return halvesOf(membership).some((half) => half.includes(host.id)) && decides(membership, votes);
  };
  return !hosts.some(canWin);
}

/**
 * Draws who is to be whole: enough to decide under every configuration that may turn out to be in force. Others may be
 * members or not, or may have left.
 */
function chooseWhole(cluster: Cluster, random: Random): readonly Host[] {
  const { configurations } = cluster;
  const sound = cluster.hosts.filter((host) => !host.isLost);
  const wanted = random.integer(1, sound.length);
  let whole = sound;
  for (const host of shuffled(random, sound)) {
    if (whole.length <= wanted) break;
    const rest = whole.filter((other) => other !== host);
    const isIn = (id: NodeId): boolean => rest.some((other) => other.id === id);
    if (configurations.every((membership) => decides(membership, isIn))) whole = rest;
  }
  return whole;
}

/**
 * A leader that a majority hears stays, whoever else comes back, has left (rule M11), or is cut off from it alone (rules E2 and E3).
 * It makes way only for those who were ahead of it before, in `terms`, because they won a vote and were then cut off (rule E4).
 */
function keepPeace(healed: Healed, mend: () => readonly NodeId[], terms: ReadonlyMap<NodeId, Term>): void {
  const { cluster, core, random, runUntil } = healed;
  const { ids, network, plan, timeline } = cluster;
  const leader = leaderOf(core);
  const term = leader?.state.term;
  const friends = core.filter((host) => host !== leader && happens(random, 0.7)).map(({ id }) => id);
  const back = mend();
  const isAhead = cluster.up.some(({ id, state }) => {
    return back.includes(id) && state.term > (term ?? 0) && state.term === terms.get(id);
  });
  const isCut = ({ from, to }: Way): boolean =>
    back.includes(from) ? !friends.includes(to) : back.includes(to) && !friends.includes(from);
  network.cuts.add(waysWhere(ids, isCut));
  const estranged = leader === null ? null : estrange(healed, leader);
  runUntil(() => false, timeline.now + peaceTimeouts * plan.limits.electionTimeoutMs);
  const others = core.filter((host) => host !== estranged);
  const isCalm = leader !== null && leaderOf(others) === leader && leader.state.term === term;
  check(
    isCalm || isAhead,
    "I12",
    () => `n${leader?.id} lost term ${term} although a majority heard it all the time (I12)`,
  );
}

/** Cuts the leader off from one of `core`, where that leaves it a majority: nobody has a fuller log than whom it cuts off. */
function estrange({ cluster, core, membership, random }: Healed, leader: Host): Host | null {
  const { ids, network, trace } = cluster;
  const dispensable = core.filter(
    (host) => host !== leader && decides(membership, (id) => core.some((other) => other.id === id && other !== host)),
  );
  if (dispensable.length === 0 || happens(random, 0.3)) return null;
  const victim = pick(random, dispensable);
  trace.note(victim.id, () => `n${victim.id} hears n${leader.id} no more`);
  const bothWays = happens(random, 0.5);
  const isCut = ({ from, to }: Way): boolean =>
    (from === leader.id && to === victim.id) || (bothWays && from === victim.id && to === leader.id);
  network.cuts.add(waysWhere(ids, isCut));
  return victim;
}

/** Makes `core` whole and breaks the others. Returns how to mend those that were cut off, and who they are. */
function heal(cluster: Cluster, core: readonly Host[], random: Random): () => readonly NodeId[] {
  const { plan, network, hosts, ids, trace } = cluster;
  network.conditions = calm(plan.delayMs);
  for (const host of core) {
    if (!host.isUp) host.boot();
  }
  trace.note(core.length, () => `healed: n${core.map(({ id }) => id).join(", n")} of ${ids.length}`);
  const cuts = new Map<NodeId, () => void>();
  for (const host of hosts) {
    // Who has lost its directory may come back as often as it likes.
    if (core.includes(host) || (host.isWiped && happens(random, 0.5))) continue;
    const way = pick(random, ["down", "cut off", "cut off", "deaf", "mute", "asleep"] as const);
    trace.note(host.id, () => `n${host.id} is ${way} for good`);
    if (way === "asleep") {
      cluster.abandon(host); // a power cut would wake it up
      host.sleep();
    } else if (way === "down") cluster.lose(host);
    else {
      const isCut = ({ from, to }: Way): boolean =>
        (from === host.id && way !== "deaf") || (to === host.id && way !== "mute");
      const mendOne = network.cuts.add(waysWhere(ids, isCut));
      if (way === "cut off") cuts.set(host.id, mendOne);
    }
  }
  return () => {
    for (const mendOne of cuts.values()) mendOne();
    return [...cuts.keys()];
  };
}

/** A client's write must be taken, by whoever leads now; it tries again and again, as a client would. */
function writeOnce({ cluster, core, writer }: Healed, must: (condition: () => boolean, what: string) => void): void {
  const { timeline, plan } = cluster;
  let applied = false;
  let waits = false;
  let retryAt = timeline.now;
  must(() => {
    if (applied || waits || timeline.now < retryAt) return applied;
    retryAt = timeline.now + plan.limits.electionTimeoutMs / 2;
    waits = true; // until it ends, which may be at once
    const wasSent = writer.put(leaderOf(core), (wasApplied) => {
      waits = false;
      applied ||= wasApplied;
    });
    if (!wasSent) waits = false;
    return false;
  }, "no write was taken");
}

/** Whether all of `core` have applied the same, and nothing is left to apply. */
function isConverged(core: readonly Host[]): boolean {
  const statuses = core.map((host) => host.node?.status(0));
  const [first] = statuses;
  if (first === undefined) return false;
  return statuses.every(
    (status) =>
      status !== undefined &&
      status.applied_index === first.applied_index &&
      status.last_index === first.applied_index &&
      status.state_hash === first.state_hash,
  );
}
