/** Increments by compare-and-set through relays that cut answers, while leaders die: each takes effect as often as its caller is told. */
import { expect, test } from "bun:test";
import { assert } from "../../src/lib/assert.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { connect } from "../../src/mod.ts";
import { withCluster } from "../api/service_cluster.ts";
import type { ServiceCluster } from "../api/service_cluster.ts";
import { CounterLoad } from "../helpers/counter_load.ts";
import { CuttingProxy } from "../helpers/cutting_proxy.ts";

const clients = 4;
const increments = 10;

/** Puts a relay before every service port, for clients and for nodes that hand writes on. */
async function withProxies(
  cluster: ServiceCluster,
  use: (proxies: readonly CuttingProxy[]) => Promise<void>,
): Promise<void> {
  const random = seededRandom(7);
  const proxies: CuttingProxy[] = [];
  for (const { id, service } of cluster.nodes) {
    const proxy = await CuttingProxy.start({ target: service.port, random, cutRate: 0.2 });
    proxies.push(proxy);
    cluster.redirect(id, proxy.endpoint);
  }
  try {
    await use(proxies);
  } finally {
    for (const proxy of proxies) proxy.stop();
  }
}

test(
  "increments take effect once, while answers are cut and two leaders of five die",
  () =>
    withCluster(5, (cluster) =>
      withProxies(cluster, async (proxies) => {
        await cluster.leader();
        const endpoints = proxies.map(({ endpoint }) => endpoint);
        const load = new CounterLoad();
        const dead = new Set<number>();
        const deaths: Promise<void>[] = [];
        load.onAcknowledged = () => {
          if (load.acknowledged.size !== 10 && load.acknowledged.size !== 25) return;
          const living = cluster.nodes.filter(({ id }) => !dead.has(id));
          const doomed = living.find(({ node }) => node.view(0).role === "leader") ?? living[0];
          assert(doomed !== undefined, "there are five nodes");
          dead.add(doomed.id);
          doomed.node.stop();
          deaths.push(doomed.service.stop());
        };
        await Promise.all(
          Array.from({ length: clients }, async (_, at) => {
            using client = connect({ endpoints, timeoutMs: 20_000 });
            await load.run(client, { name: `client-${at}`, count: increments });
          }),
        );
        await Promise.all(deaths);
        for (const proxy of proxies) proxy.cutRate = 0;
        using client = connect({ endpoints, timeoutMs: 20_000 });
        expect(await load.problems(client)).toEqual([]);
        expect(load.acknowledged.size + load.givenUp.size).toBe(clients * increments);
        expect(dead.size).toBe(2);
        expect(proxies.some(({ cuts }) => cuts > 0)).toBe(true);
      }),
    ),
  60_000,
);
