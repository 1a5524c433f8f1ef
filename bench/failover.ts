/**
 * Measures what a user feels when nodes die or hand over, on three real processes with default timeouts:
 *
 *     bun bench/failover.ts kill [rounds]      SIGKILL the leader; time until the next `proa kv put` has succeeded
 *     bun bench/failover.ts kill-all [rounds]  SIGKILL all nodes during writes; acknowledged writes that are gone (must be 0)
 *     bun bench/failover.ts transfer [rounds]  hand leadership over under load; the longest time without an acknowledgement
 */
import { loadavg } from "node:os";
import { RealCluster } from "../test/e2e/cluster.ts";
import { until } from "../test/helpers/until.ts";
import { Load, lostKeys } from "../test/e2e/load.ts";

const [mode = "kill", roundsText = "20"] = process.argv.slice(2);
const rounds = Number(roundsText);
const cluster = await RealCluster.start();
try {
  switch (mode) {
    case "kill":
      await killLeader();
      break;
    case "kill-all":
      await killAll();
      break;
    case "transfer":
      await transfer();
      break;
    default:
      throw new Error(`the modes are kill, kill-all and transfer, not ${mode}`);
  }
} finally {
  await cluster.stop();
}

async function killLeader(): Promise<void> {
  const times: number[] = [];
  const acknowledged: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const leader = await cluster.leader();
    await cluster.kill(leader);
    const key = `kill-${round}`;
    const start = performance.now();
    const put = await cluster.proa(["kv", "put", key, key]);
    times.push(performance.now() - start);
    if (put.status !== 0) {
      for (const id of cluster.ids) console.error(`--- node ${id}\n${cluster.log(id).slice(-3000)}`);
      throw new Error(`the put failed with ${put.status}: ${put.stderr}`);
    }
    acknowledged.push(key);
    cluster.start(leader);
    await cluster.caughtUp();
  }
  const lost = await Promise.all(cluster.ids.map((id) => lostKeys(cluster, id, acknowledged)));
  report("leader killed, next put", times, { lost: lost.flat().length });
}

async function killAll(): Promise<void> {
  const acknowledged: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const load = new Load(cluster, { callers: 32, prefix: `r${round}` });
    const goal = 200 + ((round * 137) % 1500); // a different moment each time
    await until("some writes are acknowledged", () => Promise.resolve(load.acknowledgedCount > goal));
    await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
    acknowledged.push(...(await load.stop()).acknowledged);
    for (const id of cluster.ids) cluster.start(id);
    await cluster.leader();
    await cluster.caughtUp();
  }
  const lost = await Promise.all(cluster.ids.map((id) => lostKeys(cluster, id, acknowledged)));
  console.log(
    JSON.stringify({
      what: "all killed",
      rounds,
      acknowledged: acknowledged.length,
      lost: lost.flat().length,
      load: loadavg()[0],
    }),
  );
}

async function transfer(): Promise<void> {
  const pauses: number[] = [];
  let failed = 0;
  for (let round = 0; round < rounds; round++) {
    const from = await cluster.leader();
    const to = cluster.ids[(cluster.ids.indexOf(from) + 1) % cluster.ids.length] ?? 1;
    const load = new Load(cluster, { callers: 16, prefix: `t${round}` });
    await until("writes go on", () => Promise.resolve(load.acknowledgedCount > 300));
    const done = await cluster.proa(["leader", "transfer", "--to", `${to}`]);
    if (done.status !== 0) throw new Error(`the transfer failed with ${done.status}: ${done.stderr}`);
    const before = load.acknowledgedCount;
    await until("writes go on", () => Promise.resolve(load.acknowledgedCount > before + 300));
    const end = await load.stop();
    failed += end.refused + end.unknown + end.unreachable;
    pauses.push(end.longestPauseMs);
  }
  report("transfer under load, longest pause", pauses, { failed });
}

function report(what: string, times: readonly number[], more: Readonly<Record<string, number>>): void {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? NaN);
  console.log(JSON.stringify({ what, rounds, median_ms: at(0.5), worst_ms: at(1), ...more, load: loadavg()[0] }));
}
