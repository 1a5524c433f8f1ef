/**
 * The second phase of a run: a majority is made whole, the rest stays broken in some way, and within a bound the whole ones
 * must agree on a leader, take a write, come to the same state, and stay in peace (I12).
 */
import type { Random } from "../lib/random.ts";
import type { Node } from "../node/mod.ts";
import type { Millis } from "../raft/mod.ts";
import { happens, pick, sample, streamOf } from "./chance.ts";
import type { Cluster } from "./cluster.ts";
import { type Command, encodeCommands } from "./commands.ts";
import type { Host } from "./host.ts";
import { waysWhere } from "./links.ts";
import { calm } from "./network.ts";
import { check } from "./violation.ts";

/** The bound, in election timeouts: many times what a good run needs, because elections may be split by bad luck. */
const boundTimeouts = 60;
/** How long a cluster that has healed must stay as it is, in election timeouts. */
const peaceTimeouts = 4;

/** Heals a majority and proves that it works. `runUntil` lets time pass until a condition holds; false at the deadline. */
export function proveLiveness(cluster: Cluster, runUntil: (condition: () => boolean, deadline: Millis) => boolean): void {
  const { plan, timeline, network } = cluster;
  const core = heal(cluster);
  const deadline = timeline.now + boundTimeouts * plan.limits.electionTimeoutMs;
  const must = (condition: () => boolean, what: string): void => {
    check(runUntil(condition, deadline), "I12", () => `${what} ${boundTimeouts} election timeouts after n${core.map(({ id }) => id).join(", n")} were healed (I12)`);
  };
  must(() => core.every((host) => host.isUp) && leaderOf(core) !== null, "there is no leader");
  writeOnce(cluster, core, must);
  must(() => isConverged(core), "the states differ");
  must(() => core.every((host) => host.unanswered === 0), "requests are not answered");
  network.loseAll(); // what was sent long ago may still end a term, and is no fault of the leader
  const leader = leaderOf(core);
  const term = leader?.state.term;
  runUntil(() => false, timeline.now + peaceTimeouts * plan.limits.electionTimeoutMs);
  const isCalm = leader !== null && leaderOf(core) === leader && leader.state.term === term;
  check(isCalm, "I12", () => `n${leader?.id} lost term ${term} although nothing was wrong in the core (I12)`);
}

/** Makes a random majority whole, breaks the others, and returns the majority. */
function heal(cluster: Cluster): readonly Host[] {
  const { plan, network, hosts, ids, lost } = cluster;
  const random = streamOf(plan.seed, "liveness");
  const core = sample(random, hosts, random.integer(Math.floor(hosts.length / 2) + 1, hosts.length));
  network.conditions = calm(plan.delayMs);
  for (const host of core) {
    if (!host.isUp) host.boot();
  }
  const others = hosts.filter((host) => !core.includes(host));
  for (const host of others) breakForGood(cluster, host, random);
  cluster.trace.note(core.length, () => `healed: n${core.map(({ id }) => id).join(", n")} of n${ids.join(", n")}; lost: ${[...lost].join()}`);
  return core;
}

/** What becomes of a machine that is not to heal: all of it must be harmless to the others. */
function breakForGood(cluster: Cluster, host: Host, random: Random): void {
  const { network, ids, lost, trace } = cluster;
  const { id } = host;
  const way = pick(random, ["down", "cut off", "deaf", "mute", "asleep"]);
  trace.note(id, () => `n${id} is ${way} for good`);
  if (way === "down") {
    lost.add(id);
    if (host.isUp) host.crash();
  } else if (way === "asleep") host.sleep();
  else {
    const hears = way === "mute";
    const speaks = way === "deaf";
    network.links.cut(waysWhere(ids, ({ from, to }) => (from === id && !speaks) || (to === id && !hears)));
    // It may also go on falling and coming back.
    if (happens(random, 0.2) && host.isUp) host.crash();
  }
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
function writeOnce(cluster: Cluster, core: readonly Host[], must: (condition: () => boolean, what: string) => void): void {
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
    (status) => status !== undefined && status.applied_index === first.applied_index && status.last_index === first.applied_index && status.state_hash === first.state_hash,
  );
}
