/** Changes of the members in the middle of everything else: machines join, learners are promoted, and anybody may be removed, the leader too. */
import type { MembershipOutcome, MembershipRequest } from "../node/mod.ts";
import type { NodeId } from "../raft/mod.ts";
import { between, happens, pick, sample } from "./chance.ts";
import type { Cluster } from "./cluster.ts";
import { type Faults, meanGapMs, type Trouble } from "./fault.ts";
import { check } from "./violation.ts";

export const memberFaults = {
  members: (trouble) => {
    const { cluster, random, timeoutMs, repeat } = trouble;
    // Two wishes at a time may together leave nobody but those who are lost.
    const { faults } = cluster.plan;
    const operators = faults.has("bit-rot") || faults.has("wipes") ? 1 : random.integer(1, 3);
    for (let number = 1; number <= operators; number++) startOperator(trouble, number);
    // Whoever has left goes on running for a while: it must not disturb.
    const runsOnMs = timeoutMs * between(random, 2, 20);
    repeat(runsOnMs / 2, () => {
      const { retired } = cluster.safety.configurations.current.membership;
      const gone = cluster.hosts.filter(({ id }) => retired.includes(id) && happens(random, 0.5));
      for (const host of gone) cluster.retire(host);
    });
  },
} satisfies Faults;

/** Somebody who wishes for other members again and again, and waits for the end of each wish before the next. */
function startOperator(trouble: Trouble, number: number): void {
  const { cluster, random, timeoutMs, repeat, after } = trouble;
  let waits = false;
  repeat(meanGapMs(trouble) / 3, () => {
    const request = waits ? null : drawRequest(trouble);
    if (request === null || !isSurvived(cluster, request)) return;
    if (request.kind === "add") {
      // A machine may be started before it is a member, or only afterwards.
      const { id } = request.server;
      after(happens(random, 0.5) ? 0 : between(random, 0, 2 * timeoutMs), () => cluster.join(cluster.host(id)));
    }
    waits = true;
    ask(trouble, { number, request, plan: happens(random, 0.1) }, () => (waits = false));
  });
}

/** Whether it leaves a majority of those who are not lost. */
function isSurvived(cluster: Cluster, request: MembershipRequest): boolean {
  if (!cluster.hosts.some((host) => host.isLost)) return true;
  cluster.requests.add(request);
  const survives = cluster.survives((host) => host.isLost);
  cluster.requests.delete(request);
  return survives;
}

/** What could be wished for: that the cluster grows, while there is somebody to join, and otherwise anything. */
function drawRequest({ cluster, random }: Trouble): MembershipRequest | null {
  const { voters, learners, retired } = (cluster.leader?.state ?? cluster.safety.configurations.current).membership;
  const members = [...voters, ...learners];
  const strangers = cluster.machines.filter(({ id }) => !members.includes(id) && !retired.includes(id));
  if (members.length < 2 && happens(random, 0.9) && strangers.length === 0) return null; // nothing that would not be refused
  if (happens(random, 0.02) && retired.length > 0) return addition(pick(random, retired)); // to be refused
  if (strangers.length > 0 && happens(random, 0.5)) return addition(pick(random, strangers).id);
  if (learners.length > 0 && happens(random, 0.6)) return { kind: "promote", id: pick(random, learners) };
  if (happens(random, 0.5)) {
    const { leader } = cluster;
    return { kind: "remove", id: leader !== null && happens(random, 0.4) ? leader.id : pick(random, members) };
  }
  return { kind: "set", voters: sample(random, members, random.integer(1, members.length)) };
}

function addition(id: NodeId): MembershipRequest {
  return { kind: "add", server: { id, replicate: `n${id}:1`, service: `n${id}:2` } };
}

/** Asks a node for a change, mostly the leader; `onEnd` is called once nobody works on it any more. */
function ask(
  { cluster, random }: Trouble,
  wish: { readonly number: number; readonly request: MembershipRequest; readonly plan: boolean },
  onEnd: () => void,
): void {
  const { number, request, plan } = wish;
  const { requests, trace, leader } = cluster;
  const host = leader !== null && happens(random, 0.8) ? leader : pick(random, cluster.hosts);
  const end = (how: string): void => {
    requests.delete(request);
    trace.note(number, () => `o${number} ${describeRequest(request)}: ${how}`);
    onEnd();
  };
  requests.add(request);
  trace.note(number, () => `o${number} asks ${plan ? "whether to " : "to "}${describeRequest(request)} at n${host.id}`);
  const wasSent = host.request(
    (node, answered) => {
      node.changeMembership(0, request, { plan }, (outcome) => {
        answered();
        checkOutcome(cluster, request, outcome);
        end("reason" in outcome ? `${outcome.kind}, ${outcome.reason}` : outcome.kind);
      });
    },
    () => end("lost"),
  );
  if (!wasSent) end("not sent");
}

/** What was told to be done is done. */
function checkOutcome({ safety }: Cluster, request: MembershipRequest, outcome: MembershipOutcome): void {
  if (outcome.kind !== "changed") return;
  check(safety.configurations.wasCommitted(outcome.after), "M1", () => {
    return `${describeRequest(request)} is said to be done, and what it led to is not committed (M1)`;
  });
}

function describeRequest(request: MembershipRequest): string {
  if (request.kind === "add") return `add n${request.server.id}`;
  return request.kind === "set" ? `set n${request.voters.join(", n")}` : `${request.kind} n${request.id}`;
}
