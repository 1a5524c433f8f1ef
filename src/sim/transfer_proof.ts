/** A leader that is asked to go hands its office over although writes go on (rule T1): the second phase of a run asks one to. */
import { pick } from "./chance.ts";
import { type Healed, leaderOf } from "./healed.ts";
import type { Host } from "./host.ts";
import { check } from "./violation.ts";

/** A slow disk may make one or two of them fail. */
const triesMax = 3;
/** How long a try may take, in election timeouts: the leader gives up after one, its caller after two. */
const tryTimeouts = 4;

/** Asks the leader to hand over to another voter of the core, if there is one, until one try succeeds. The core must have a leader. */
export function proveTransfer(healed: Healed): void {
  const { cluster, core, membership, random, runUntil } = healed;
  const { timeline, plan } = cluster;
  const voters = core.filter(({ id }) => membership.voters.includes(id));
  if (voters.length < 2) return;
  for (let tries = 0; tries < triesMax; tries++) {
    const deadline = timeline.now + tryTimeouts * plan.limits.electionTimeoutMs;
    if (!runUntil(() => leaderOf(core) !== null, deadline)) continue;
    const leader = leaderOf(core);
    const others = voters.filter((host) => host !== leader);
    if (leader !== null && tryTransfer(healed, { leader, target: pick(random, others), deadline })) return;
  }
  check(false, "T1", () => `${triesMax} transfers failed although nothing was wrong in the core (T1)`);
}

/** Whether the target led the very next term. */
function tryTransfer(
  healed: Healed,
  { leader, target, deadline }: { readonly leader: Host; readonly target: Host; readonly deadline: number },
): boolean {
  const { term } = leader.state;
  const seen = { ended: false, succeeded: false };
  const stopWriting = keepWriting(healed, leader);
  leader.request(
    (node, answered) => {
      node.transferLeader(0, target.id, (outcome) => {
        answered();
        seen.ended = true;
        seen.succeeded = outcome.kind === "transferred" && outcome.leader === target.id && outcome.term === term + 1;
      });
    },
    () => (seen.ended = true),
  );
  healed.runUntil(() => seen.ended, deadline);
  stopWriting();
  return seen.succeeded;
}

/** Writes to `host` again and again, as fast as it could answer. Returns how to end that. */
function keepWriting({ cluster, writer }: Healed, host: Host): () => void {
  const { timeline, plan } = cluster;
  let isOver = false;
  const write = (): void => {
    if (isOver) return;
    writer.put(host, () => undefined);
    timeline.after(plan.delayMs + plan.writeMs, write);
  };
  write();
  return () => (isOver = true);
}
