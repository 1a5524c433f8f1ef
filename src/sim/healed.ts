/** What the proofs of the second phase work with: the machines that are whole, who leads them, and a client of their own. */
import type { Random } from "../lib/random.ts";
import type { Node } from "../node/mod.ts";
import { type Membership, membersOf, type Millis } from "../raft/mod.ts";
import type { Cluster } from "./cluster.ts";
import { type Command, encodeCommands } from "./commands.ts";
import type { Host } from "./host.ts";
import { notHanging } from "./operations.ts";
import { valueIdBytes } from "./versions.ts";

/** Lets time pass until a condition holds; false when it did not by the deadline. */
export type RunUntil = (condition: () => boolean, deadline: Millis) => boolean;

export interface Healed {
  readonly cluster: Cluster;
  /** The members that are whole: a majority of those who vote, and perhaps learners. */
  readonly core: readonly Host[];
  /** What the cluster lives by, for good: nobody wishes for other members any more. */
  readonly membership: Membership;
  readonly random: Random;
  readonly runUntil: RunUntil;
  readonly writer: ProbeWriter;
}

/**
 * The leader that all members among `hosts` follow, once it knows what is committed and no change of members is under way.
 * Strangers among them do not matter, and who has left does not either.
 */
export function leaderOf(hosts: readonly Host[]): Host | null {
  const leaders = hosts.filter((host) => host.isUp && host.state.role.kind === "leader");
  const leader = leaders.toSorted((a, b) => b.state.term - a.state.term)[0];
  if (leader === undefined || leader.node?.view(0).ready !== true) return null;
  const { term, log, membership } = leader.state;
  const isSettled = membership.outgoing.length === 0 && log.memberships.currentIndex <= log.commitIndex;
  if (!isSettled || !membership.voters.includes(leader.id)) return null;
  const agreed = membersAmong(hosts, membership).every(
    (host) => host.isUp && host.state.term === term && host.state.leader === leader.id,
  );
  return agreed ? leader : null;
}

export function membersAmong(hosts: readonly Host[], membership: Membership): readonly Host[] {
  const members = membersOf(membership);
  return hosts.filter(({ id }) => members.includes(id));
}

/** Values from here on are those of the writes that prove that the cluster works. */
const probeValue = 0xffff_0000;

/** Puts values that no client uses, and records what becomes of them like any client. */
export class ProbeWriter {
  private value = probeValue;

  constructor(private readonly cluster: Cluster) {}

  /** Asks `host` to put the next value; `onEnd` hears whether it was applied. False when nobody was there to be asked. */
  put(host: Host | null, onEnd: (applied: boolean) => void): boolean {
    const { history } = this.cluster;
    const commands: readonly Command[] = [
      { kind: "put", key: "a", value: this.value++, length: valueIdBytes, ifRevision: null, ...notHanging },
    ];
    const record = history.beginWrite(commands);
    const request = { commands: encodeCommands(commands), count: 1 };
    const ask = (node: Node, answered: () => void): void => {
      node.write(0, request, (outcome) => {
        answered();
        if (outcome.kind === "notApplied") history.refuseWrite(record);
        onEnd(outcome.kind === "applied");
      });
    };
    const wasSent = host?.request(ask, () => onEnd(false)) ?? false;
    if (!wasSent) history.refuseWrite(record);
    return wasSent;
  }
}
