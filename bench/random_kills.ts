/**
 * Kills real processes at random moments (SIGKILL), some or all at once, while clients write, and starts them again:
 *
 *     bun bench/random_kills.ts [minutes] [callers] [nodes] [seed]
 *
 * Default: one minute, 16 callers, 3 nodes. Snapshots are small, so that nodes die while they take, send and install them, too.
 * Afterwards every acknowledged write must be on every node, all nodes must be equal, `proa log verify` must find every
 * directory whole, and no node may have ended by itself. Exits with 1 otherwise.
 */
import { loadavg } from "node:os";
import { randomInt } from "node:crypto";
import { seededRandom } from "../src/lib/random.ts";
import { RealCluster } from "../test/e2e/cluster.ts";
import { until } from "../test/helpers/until.ts";
import { Load, lostKeys } from "../test/e2e/load.ts";

const [minutes = 1, callers = 16, nodes = 3, seed = randomInt(2 ** 31)] = process.argv.slice(2).map(Number);
const random = seededRandom(seed);
const flags = ["--snapshot-entries", "300", "--snapshot-size", "1MiB"];

/** How long nodes are left alone, and how long they stay dead, at most. Milliseconds. */
const aliveMsMax = 2500;
const deadMsMax = 1500;
/** How many writes may be acknowledged in a time that is not cut short in the middle of an election, and how long that may take. */
const quietWritesMax = 2000;
const quietMsMax = 8000;

const counts = { kills: 0, all_at_once: 0, majorities: 0, while_starting: 0 };
const problems: string[] = [];

const cluster = await RealCluster.start(nodes, flags);
try {
  const load = new Load(cluster, { callers, prefix: "k" });
  const end = performance.now() + minutes * 60_000;
  while (performance.now() < end && problems.length === 0) {
    if (random.next() < 0.5) await pause(random.integer(0, aliveMsMax));
    else await acknowledgements(load, random.integer(1, quietWritesMax));
    await killSome();
  }
  const { acknowledged, refused, unknown, unreachable } = await load.stop();
  await until("a leader is there again", async () => (await cluster.leader()) > 0);
  await cluster.caughtUp();
  const lost = (await Promise.all(cluster.ids.map((id) => lostKeys(cluster, id, acknowledged)))).flat();
  if (lost.length > 0) problems.push(`lost: ${lost.slice(0, 10).join(", ")}`);
  const snapshots = cluster.ids.map((id) => cluster.log(id).split("snapshot taken").length - 1);
  const installed = cluster.ids.map((id) => cluster.log(id).split("snapshot installed").length - 1);
  for (const id of cluster.ids) checkAlive(id);
  await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
  for (const id of cluster.ids) await verify(id);
  console.log(
    JSON.stringify({
      what: "random kills",
      minutes,
      nodes,
      callers,
      seed,
      ...counts,
      snapshots_taken: sum(snapshots),
      snapshots_installed: sum(installed),
      acknowledged: acknowledged.length,
      lost: lost.length,
      refused,
      unknown,
      unreachable,
      problems,
      load: loadavg()[0],
    }),
  );
} finally {
  await cluster.stop();
}
if (problems.length > 0) process.exitCode = 1;

async function killSome(): Promise<void> {
  const chosen = cluster.ids.filter(() => random.next() < 0.5);
  const victims = random.next() < 0.2 ? cluster.ids : chosen.length > 0 ? chosen : cluster.ids.slice(0, 1);
  for (const id of victims) checkAlive(id);
  await Promise.all(victims.map((id) => cluster.kill(id)));
  counts.kills += victims.length;
  if (victims.length === cluster.ids.length) counts.all_at_once++;
  else if (victims.length > cluster.ids.length / 2) counts.majorities++;
  for (const id of victims) {
    await pause(random.integer(0, deadMsMax / victims.length));
    cluster.start(id);
    if (random.next() >= 0.2) continue;
    await pause(random.integer(0, 300)); // it reads its log, or has just begun to serve
    checkAlive(id);
    await cluster.kill(id);
    cluster.start(id);
    counts.kills++;
    counts.while_starting++;
  }
}

async function acknowledgements(load: Load, more: number): Promise<void> {
  const goal = load.acknowledgedCount + more;
  const end = performance.now() + quietMsMax;
  while (load.acknowledgedCount < goal && performance.now() < end) await pause(10);
}

function checkAlive(id: number): void {
  if (cluster.isRunning(id)) return;
  problems.push(`node ${id} ended by itself`);
  console.error(`--- node ${id}\n${cluster.log(id).slice(-3000)}`);
}

async function verify(id: number): Promise<void> {
  const { status, stdout, stderr } = await cluster.proa(["log", "verify", cluster.data(id)]);
  if (status !== 0) problems.push(`node ${id}: log verify ended with ${status}: ${stdout}${stderr}`);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
