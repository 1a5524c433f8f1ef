/**
 * Measures what clients feel while members change, on real processes with default timeouts, under a load that never pauses:
 *
 *     bun bench/membership.ts grow [callers]              1 → 3 → 5 → 3 → 1 nodes, the leader leaving each time
 *     bun bench/membership.ts replace [callers] [rounds]  {1,2,3} → {4,5,6} in one change
 *
 * For each change: how long its command took, and the longest time without an acknowledgement from before it until 200 writes
 * after it; on the first line the same without any change. At the end the acknowledged writes that are gone (must be 0), and
 * what became of the others.
 */
import { loadavg } from "node:os";
import { RealCluster } from "../test/e2e/cluster.ts";
import { until } from "../test/helpers/until.ts";
import { Load, lostKeys } from "../test/e2e/load.ts";

const [mode = "grow", callersText = "16", roundsText = "5"] = process.argv.slice(2);
const callers = Number(callersText);

switch (mode) {
  case "grow":
    await withLoad(1, grow);
    break;
  case "replace":
    for (let round = 0; round < Number(roundsText); round++) await withLoad(3, replace);
    break;
  default:
    throw new Error(`the modes are grow and replace, not ${mode}`);
}

/** A cluster, and those who write to its `members`. */
interface Loaded {
  readonly cluster: RealCluster;
  readonly load: Load;
  readonly members: Set<number>;
}

async function withLoad(nodes: number, body: (loaded: Loaded) => Promise<void>): Promise<void> {
  const cluster = await RealCluster.start(nodes);
  try {
    const members = new Set(cluster.ids);
    const load = new Load(cluster, { callers, prefix: "k", targets: () => [...members] });
    const loaded = { cluster, load, members };
    await measured(loaded, "nothing", () => acknowledgements(loaded, 1000));
    await body(loaded);
    const { acknowledged, refused, unknown, unknownReasons, unreachable, longestPauseMs } = await load.stop();
    for (const reason of unknownReasons) console.error(reason);
    await cluster.caughtUp();
    const lost = await Promise.all([...members].map((id) => lostKeys(cluster, id, acknowledged)));
    const sums = { acknowledged: acknowledged.length, lost: lost.flat().length, refused, unknown, unreachable };
    console.log(
      JSON.stringify({ what: mode, ...sums, longest_pause_ms: Math.round(longestPauseMs), load: loadavg()[0] }),
    );
  } finally {
    await cluster.stop();
  }
}

async function grow(loaded: Loaded): Promise<void> {
  const { cluster, members } = loaded;
  for (const id of [2, 3, 4, 5]) {
    await learn(loaded, id);
    await measured(loaded, `promote ${id}`, () => proa(cluster, "cluster", "promote", `${id}`, "--timeout", "30s"));
    members.add(id);
  }
  while (members.size > 1) {
    const leader = await cluster.leader();
    await measured(loaded, `remove ${leader}, the leader of ${members.size}`, () =>
      proa(cluster, "cluster", "remove", `${leader}`, "--timeout", "30s"),
    );
    members.delete(leader);
    await cluster.forget(leader);
  }
}

async function replace(loaded: Loaded): Promise<void> {
  const { cluster, members } = loaded;
  for (const id of [4, 5, 6]) {
    await learn(loaded, id);
    members.add(id);
  }
  await measured(loaded, "set 4,5,6", () => proa(cluster, "cluster", "set", "4,5,6", "--timeout", "30s"));
  for (const id of [1, 2, 3]) members.delete(id);
  await acknowledgements(loaded, 200);
  for (const id of [1, 2, 3]) await cluster.forget(id);
}

/** A new node becomes a learner that has caught up. */
async function learn(loaded: Loaded, id: number): Promise<void> {
  const { cluster } = loaded;
  await cluster.reserve(id);
  await measured(loaded, `add ${id}`, async () => {
    await proa(cluster, "cluster", "add", `${id}`, ...cluster.addresses(id), "--learner");
    cluster.start(id);
    await until(`node ${id} has caught up`, async () => {
      const status = await cluster.status(await cluster.leader());
      return status?.peers.some((peer) => peer.id === id && peer.active && peer.lag < 100) === true;
    });
  });
}

async function measured({ load }: Loaded, what: string, body: () => Promise<void>): Promise<void> {
  load.takePause();
  const startedAt = performance.now();
  await body();
  const tookMs = performance.now() - startedAt;
  await acknowledgements({ load }, 200);
  console.log(JSON.stringify({ what, took_ms: Math.round(tookMs), pause_ms: Math.round(load.takePause()) }));
}

async function acknowledgements({ load }: Pick<Loaded, "load">, more: number): Promise<void> {
  const goal = load.acknowledgedCount + more;
  await until("writes go on", () => Promise.resolve(load.acknowledgedCount >= goal));
}

async function proa(cluster: RealCluster, ...args: readonly string[]): Promise<void> {
  const { status, stderr } = await cluster.proa(args);
  if (status !== 0) throw new Error(`proa ${args.join(" ")} ended with ${status}: ${stderr}`);
}
