/**
 * Counts what takes effect how often when answers get lost, on three real processes:
 *
 *     bun bench/exactly_once.ts [clients] [increments] [share of answers that are cut] [increments between two deaths]
 *
 * So many clients (16) raise one counter so many times each (500) by compare-and-set, each through relays that break the
 * connection instead of passing an answer on (0.2); the leader is killed and started again after every so many increments
 * (1000). Exits 1 unless every acknowledged increment took effect once, and every one that was given up at most once.
 */
import { loadavg } from "node:os";
import { seededRandom } from "../src/lib/random.ts";
import { connect } from "../src/mod.ts";
import { RealCluster } from "../test/e2e/cluster.ts";
import { relaysBefore } from "../test/e2e/relays.ts";
import { CounterLoad } from "../test/helpers/counter_load.ts";

const [clients = 16, increments = 500, cutRate = 0.2, between = 1000] = process.argv.slice(2).map(Number);
const random = seededRandom(1);
const load = new CounterLoad();
let deaths = 0;
let dying: Promise<void> = Promise.resolve();

const cluster = await RealCluster.start();
const proxies = await relaysBefore(cluster, { random, cutRate });
try {
  const endpoints = proxies.map(({ endpoint }) => endpoint);
  load.onAcknowledged = () => {
    const count = load.acknowledged.size;
    if (count % between === 0 && count < clients * increments) dying = dying.then(killLeader);
  };
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async (_, at) => {
      using client = connect({ endpoints, timeoutMs: 30_000 });
      await load.run(client, { name: `client-${at}`, count: increments });
    }),
  );
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  await dying;
  using client = connect({ endpoints: cluster.endpoints.split(","), timeoutMs: 30_000 });
  const problems = await load.problems(client);
  const counter = Number((await client.get("counter"))?.text);
  console.log(
    JSON.stringify({
      clients,
      increments: clients * increments,
      acknowledged: load.acknowledged.size,
      given_up: load.givenUp.size,
      counter,
      conflicts: load.conflicts,
      answers_cut: proxies.reduce((sum, { cuts }) => sum + cuts, 0),
      answers_passed: proxies.reduce((sum, { passed }) => sum + passed, 0),
      leaders_killed: deaths,
      seconds,
      problems: problems.length,
      load: loadavg()[0],
    }),
  );
  for (const problem of problems.slice(0, 20)) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
} finally {
  for (const proxy of proxies) proxy.stop();
  await cluster.stop();
}

async function killLeader(): Promise<void> {
  const leader = await cluster.leader();
  await cluster.kill(leader);
  cluster.start(leader);
  deaths++;
}
