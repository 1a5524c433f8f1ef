/** A cluster on a network that a scenario breaks, and a client that nothing is broken for. */
import { connect, type Client } from "../../src/mod.ts";
import { RealCluster, until, type StatusView } from "./cluster.ts";
import type { Heal } from "./packet_filter.ts";
import { RoutedNetwork, type Protocol } from "./routed_network.ts";

/** How long one request may take: longer than any election under load. Milliseconds. */
const patienceMs = 20_000;

export class BrokenWorld {
  private readonly client: Client;
  private count = 0;

  private constructor(
    readonly cluster: RealCluster,
    readonly network: RoutedNetwork,
    readonly kind: Protocol,
  ) {
    this.client = connect({ endpoints: cluster.endpoints.split(","), timeoutMs: patienceMs });
  }

  /** `nodes` nodes, each on a machine of its own, that speak `kind` and hear nothing else. */
  static async start(nodes: number, kind: Protocol, flags: readonly string[] = []): Promise<BrokenWorld> {
    const network = new RoutedNetwork(nodes, kind);
    const cluster = await RealCluster.start(nodes, ["--transport", kind, ...flags], network.place);
    return new BrokenWorld(cluster, network, kind);
  }

  /** Writes `times` values of `bytes` one after the other, and reads each back. Throws where the cluster does not serve. */
  async serves(times = 3, bytes = 10): Promise<void> {
    for (let i = 0; i < times; i++) {
      const key = `key ${++this.count}`;
      const value = `${this.count}`.padEnd(bytes, ".");
      await this.client.put(key, value);
      const found = (await this.client.get(key))?.text;
      if (found !== value) throw new Error(`${key} holds ${String(found?.length)} bytes that were not written last`);
    }
  }

  /** The leader, and the others. */
  async roles(): Promise<{ readonly leader: number; readonly others: readonly number[] }> {
    const leader = await this.cluster.leader();
    return { leader, others: this.cluster.ids.filter((id) => id !== leader) };
  }

  /** Waits until another node leads in the place of `old`, which is cut off until `heal`, and the cluster serves. */
  async replaces(old: number, heal: Heal): Promise<void> {
    const others = this.cluster.ids.filter((id) => id !== old);
    await until("another node leads", async () => {
      const statuses = await Promise.all(others.map((id) => this.cluster.status(id)));
      return statuses.some((status) => status?.role === "leader");
    });
    await this.serves();
    heal();
    await this.cluster.caughtUp();
  }

  /** Waits until the leader hears a follower, or does not. */
  async hears(leader: number, follower: number, isHeard: boolean): Promise<void> {
    await until(`node ${leader} ${isHeard ? "hears" : "misses"} node ${follower}`, async () => {
      const status = await this.cluster.status(leader);
      return status?.peers.find(({ id }) => id === follower)?.active === isHeard;
    });
  }

  /** A counter of what carries messages, added up over all nodes. */
  async counted(name: keyof StatusView["transport"]): Promise<number> {
    const statuses = await this.cluster.statuses();
    return statuses.reduce((sum, status) => sum + (status?.transport[name] ?? 0), 0);
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.cluster.stop();
  }
}
