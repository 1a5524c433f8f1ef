/**
 * Counts what watchers miss, repeat or see out of order while leaders change, on three real processes:
 *
 *     bun bench/watch.ts [events] [changes of leaders] [share of answers that are cut]
 *
 * A client puts so many keys (100000), and the leader changes so often meanwhile (100): one time in five because it is
 * killed, else it hands over. Three watchers look on; each one's connection breaks instead of passing an answer on, as often
 * as it is said (0.02). Exits 1 unless each of them has seen every event once, in the order of the revisions.
 */
import { loadavg } from "node:os";
import { seededRandom } from "../src/lib/random.ts";
import { connect, UnknownOutcomeError } from "../src/mod.ts";
import type { Client } from "../src/mod.ts";
import { RealCluster } from "../test/e2e/cluster.ts";
import { relaysBefore } from "../test/e2e/relays.ts";

const [events = 100_000, changes = 100, cutRate = 0.02] = process.argv.slice(2).map(Number);
const callers = 64;
const watchers = 3;
const prefix = "event/";

interface Seen {
  readonly revision: number;
  readonly key: string;
}

const cluster = await RealCluster.start();
const random = seededRandom(1);
const proxies = await relaysBefore(cluster, { random, cutRate });
const clients: Client[] = [];
let sent = 0;
let done = 0;
let unknown = 0;
let kills = 0;
try {
  const startedAt = performance.now();
  const stop = new AbortController();
  const seen = Array.from({ length: watchers }, (): Seen[] => []);
  const watching = seen.map((list) => watch(list, stop.signal));
  const writer = newClient(cluster.endpoints.split(","));
  const writing = Promise.all(Array.from({ length: callers }, () => write(writer)));
  for (let change = 1; change <= changes; change++) {
    await until(() => done >= Math.floor((change * events) / (changes + 1)));
    await changeLeader(change % 5 === 0);
  }
  await writing;
  const expected: Seen[] = [];
  for await (const item of writer.scan({ prefix })) expected.push({ revision: item.modRevision, key: item.keyText });
  expected.sort((a, b) => a.revision - b.revision);
  const last = expected.at(-1)?.revision ?? 0;
  await until(() => seen.every((list) => (list.at(-1)?.revision ?? 0) >= last));
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  stop.abort(new Error("all was seen"));
  await Promise.all(watching);
  const verdicts = seen.map((list) => verdictOf(list, expected));
  console.log(
    JSON.stringify({
      events: expected.length,
      unknown_puts: unknown,
      leader_changes: changes,
      of_them_killed: kills,
      term: (await cluster.status(await cluster.leader()))?.term,
      watchers,
      connections_cut: proxies.reduce((sum, { cuts }) => sum + cuts, 0),
      ...verdicts.reduce((sum, one) => ({
        missed: sum.missed + one.missed,
        repeated: sum.repeated + one.repeated,
        out_of_order: sum.out_of_order + one.out_of_order,
      })),
      seconds,
      load: loadavg()[0],
    }),
  );
  if (verdicts.some(({ missed, repeated, out_of_order: disorder }) => missed + repeated + disorder > 0))
    process.exitCode = 1;
} finally {
  for (const client of clients) client.close();
  for (const proxy of proxies) proxy.stop();
  await cluster.stop();
}

function newClient(endpoints: readonly string[]): Client {
  const client = connect({ endpoints, timeoutMs: 60_000 });
  clients.push(client);
  return client;
}

async function write(client: Client): Promise<void> {
  while (sent < events) {
    const key = `${prefix}${sent++}`;
    try {
      await client.put(key, "");
    } catch (error) {
      if (!(error instanceof UnknownOutcomeError)) throw error;
      unknown++;
    }
    done++;
  }
}

async function watch(list: Seen[], signal: AbortSignal): Promise<void> {
  const client = newClient(proxies.map(({ endpoint }) => endpoint));
  try {
    for await (const { revision, events: changed } of client.watch({ prefix }, { from: 1, signal })) {
      for (const { key } of changed) list.push({ revision, key: new TextDecoder().decode(key) });
    }
  } catch (error) {
    if (error !== signal.reason) throw error;
  }
}

async function changeLeader(byForce: boolean): Promise<void> {
  const leader = await cluster.leader();
  if (byForce) {
    await cluster.kill(leader);
    await until(async () => (await cluster.leader()) !== leader);
    cluster.start(leader);
    kills++;
    await until(async () => (await cluster.status(leader))?.leader === (await cluster.leader()));
    return;
  }
  const url = `http://${cluster.endpoint(leader)}/v1/leader/transfer`;
  await fetch(url, { method: "POST", body: "{}", headers: { "content-type": "application/json" } });
}

function verdictOf(list: readonly Seen[], expected: readonly Seen[]): Readonly<Record<Fault, number>> {
  const times = new Map<string, number>();
  for (const { key } of list) times.set(key, (times.get(key) ?? 0) + 1);
  return {
    missed: expected.filter(({ key }) => !times.has(key)).length,
    repeated: [...times.values()].filter((count) => count > 1).length,
    out_of_order: list.filter(({ revision }, at) => revision <= (list[at - 1]?.revision ?? 0)).length,
  };
}

type Fault = "missed" | "repeated" | "out_of_order";

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}
