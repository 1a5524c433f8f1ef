/**
 * The second phase of a run: a majority is made whole, the rest stays broken in some way, and within a bound the whole ones
 * must agree on a leader, take a write, come to the same state, and stay in peace (I12).
 */
import type { Random } from "../lib/random.ts";
import type { Node } from "../node/mod.ts";
import type { Millis, NodeId } from "../raft/mod.ts";
import { happens, pick, sample, streamOf } from "./chance.ts";
import type { Cluster } from "./cluster.ts";
import { type Command, encodeCommands } from "./commands.ts";
import type { Host } from "./host.ts";
import { type Way, waysWhere } from "./links.ts";
import { calm } from "./network.ts";
import { check } from "./violation.ts";

/** The bound, in election timeouts: many times what a good run needs, because elections may be split by bad luck. */
const boundTimeouts = 60;
/** Lets time pass until a condition holds; false when it did not by the deadline. */
type RunUntil = (condition: () => boolean, deadline: Millis) => boolean;

/** How long a cluster that has healed must stay as it is, in election timeouts. */
const peaceTimeouts = 4;

/** Heals a majority and proves that it works. `runUntil` lets time pass until a condition holds; false at the deadline. */
export function proveLiveness(cluster: Cluster, runUntil: RunUntil): void {
  const { plan, timeline, network } = cluster;
  const random = streamOf(plan.seed, "liveness");
  const core = sample(random, cluster.hosts, random.integer(Math.floor(plan.nodes / 2) + 1, plan.nodes));
  const mend = heal(cluster, core, random);
  const deadline = timeline.now + boundTimeouts * plan.limits.electionTimeoutMs;
  const must = (condition: () => boolean, what: string): void => {
    const whole = core.map(({ id }) => `n${id}`).join(", ");
    check(
      runUntil(condition, deadline),
      "I12",
      () => `${what} ${boundTimeouts} election timeouts after ${whole} were healed (I12)`,
    );
  };
  must(() => leaderOf(core) !== null, "there is no leader");
  writeOnce(cluster, core, must);
  must(() => isConverged(core), "the states differ");
  must(() => core.every((host) => host.unanswered === 0), "requests are not answered");
  network.loseAll(); // what was sent long ago may still end a term, and is no fault of the leader
  must(() => leaderOf(core) !== null, "there is no leader");
  keepPeace(cluster, core, { random, runUntil, mend });
}

/** A leader that everybody in the core hears stays, whoever else comes back and hears it not (rules E2 and E3). */
function keepPeace(
  cluster: Cluster,
  core: readonly Host[],
  {
    random,
    runUntil,
    mend,
  }: { readonly random: Random; readonly runUntil: RunUntil; readonly mend: () => readonly NodeId[] },
): void {
  const { ids, network, plan, timeline } = cluster;
  const leader = leaderOf(core);
  const term = leader?.state.term;
  const friends = core.filter((host) => host !== leader && happens(random, 0.7)).map(({ id }) => id);
  const back = mend();
  const isCut = ({ from, to }: Way): boolean =>
    back.includes(from) ? !friends.includes(to) : back.includes(to) && !friends.includes(from);
  network.links.cut(waysWhere(ids, isCut));
  runUntil(() => false, timeline.now + peaceTimeouts * plan.limits.electionTimeoutMs);
  const isCalm = leader !== null && leaderOf(core) === leader && leader.state.term === term;
  check(isCalm, "I12", () => `n${leader?.id} lost term ${term} although nothing was wrong in the core (I12)`);
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
    if (core.includes(host)) continue;
    const way = pick(random, ["down", "cut off", "cut off", "deaf", "mute", "asleep"] as const);
    trace.note(host.id, () => `n${host.id} is ${way} for good`);
    if (way === "asleep") host.sleep();
    else if (way === "down") cluster.lose(host);
    else {
      const isCut = ({ from, to }: Way): boolean =>
        (from === host.id && way !== "deaf") || (to === host.id && way !== "mute");
      const mendOne = network.links.cut(waysWhere(ids, isCut));
      if (way === "cut off") cuts.set(host.id, mendOne);
    }
  }
  return () => {
    for (const mendOne of cuts.values()) mendOne();
    return [...cuts.keys()];
  };
}

/** The leader that all of `core` follow, once it knows what is committed. */
function leaderOf(core: readonly Host[]): Host | null {
  const leader = core.find((host) => host.isUp && host.state.role.kind === "leader");
  if (leader === undefined) return null;
  const { term } = leader.state;
  const agreed = core.every((host) => host.isUp && host.state.term === term && host.state.leader === leader.id);
  return agreed && leader.node?.view(0).ready === true ? leader : null;
}

/** A client's write must be taken, by whoever leads now; it tries again and again, as a client would. */
function writeOnce(
  cluster: Cluster,
  core: readonly Host[],
  must: (condition: () => boolean, what: string) => void,
): void {
  const { timeline, history, plan } = cluster;
  let applied = false;
  let waits = false;
  let retryAt = timeline.now;
  let value = probeValue;
  must(() => {
    if (applied || waits || timeline.now < retryAt) return applied;
    const commands: readonly Command[] = [{ kind: "put", key: "a", value: value++, ifRevision: null }];
    const record = history.beginWrite(commands);
    const request = { commands: encodeCommands(commands, () => 0), count: 1 };
    retryAt = timeline.now + plan.limits.electionTimeoutMs / 2;
    waits = true;
    const ask = (node: Node, answered: () => void): void => {
      node.write(0, request, (outcome) => {
        answered();
        waits = false;
        applied = outcome.kind === "applied";
        if (outcome.kind === "notApplied") history.refuseWrite(record);
      });
    };
    const sent = leaderOf(core)?.request(ask, () => (waits = false)) ?? false;
    if (!sent) {
      waits = false;
      history.refuseWrite(record);
    }
    return false;
  }, "no write was taken");
}

/** Values from here on are those of the writes that prove that the cluster works. */
const probeValue = 0xffff_0000;

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
