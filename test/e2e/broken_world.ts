/** A cluster on a network that a scenario breaks, and a client that nothing is broken for. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { assert } from "../../src/lib/assert.ts";
import { connect, type Client } from "../../src/mod.ts";
import { RealCluster, type StatusView } from "./cluster.ts";
import { until } from "../helpers/until.ts";
import type { Journey } from "./network_scenarios.ts";
import type { Heal } from "./packet_filter.ts";
import { Recorder } from "./recorder.ts";
import { RoutedNetwork, type Protocol } from "./routed_network.ts";

/** How long one request may take: longer than elections under load, and than systems take to notice a hole. Milliseconds. */
const patienceMs = 40_000;

export class BrokenWorld {
  private readonly client: Client;
  private count = 0;

  private constructor(
    readonly cluster: RealCluster,
    readonly network: RoutedNetwork,
    readonly kind: Protocol,
    /** What sees and can repeat all that the nodes send each other; null if there is nobody. */
    readonly recorder: Recorder | null,
  ) {
    this.client = connect({ endpoints: cluster.endpoints.split(","), timeoutMs: patienceMs });
  }

  /** Nodes, each on a machine of its own, that speak `kind` and hear nothing else. */
  static async start(kind: Protocol, { nodes, isRecorded, flags }: Omit<Journey, "scenarios">): Promise<BrokenWorld> {
    const network = new RoutedNetwork(nodes + 1, kind); // one machine is for a node that comes later
    const recorder = isRecorded ? await Recorder.open(nodes, kind) : null;
    const keyed = isRecorded && kind === "tcp" ? keyFlags() : [];
    const cluster = await RealCluster.start(nodes, ["--transport", kind, ...flags, ...keyed], {
      ...network.place,
      prepare: (ports) => {
        network.silence(ports);
        recorder?.attach(ports);
      },
    });
    return new BrokenWorld(cluster, network, kind, recorder);
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

  /** Writes the same `keys` keys, each with `bytes`, all at once. */
  async fills(keys: number, bytes: number): Promise<void> {
    const value = new Uint8Array(bytes).fill(120);
    await Promise.all(Array.from({ length: keys }, (_, at) => this.client.put(`filled ${at}`, value)));
  }

  /** Makes a new node a voter, which must get a snapshot for that. */
  async addsNode(id: number): Promise<void> {
    const { cluster, network } = this;
    await cluster.reserve(id);
    network.silence([cluster.portsOf(id)]);
    await this.runs("cluster", "add", `${id}`, ...cluster.addresses(id), "--learner");
    cluster.start(id);
    await this.runs("cluster", "promote", `${id}`, "--timeout", "1m");
    await until("it says that it has a snapshot", () =>
      Promise.resolve(cluster.log(id).includes("snapshot installed")),
    );
    await cluster.caughtUp();
  }

  /** A command that must succeed. */
  async runs(...args: readonly string[]): Promise<void> {
    const { status, stderr } = await this.cluster.proa(args);
    assert(status === 0, `${args.join(" ")} ended with ${String(status)}: ${stderr}`);
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

  /** Lets a stranger act, who must be counted, and change neither leader nor term nor what the store holds. */
  async changesNothing(act: () => Promise<void>): Promise<void> {
    const { cluster } = this;
    await cluster.caughtUp();
    const before = await cluster.status(await cluster.leader());
    const refusedBefore = await this.refused();
    await act();
    await until("it is counted", async () => (await this.refused()) > refusedBefore);
    const leader = await cluster.leader();
    const after = await cluster.status(leader);
    assert(leader === before?.node_id && after?.term === before.term, "a stranger changed the leader");
    await cluster.caughtUp();
    assert(after.state_hash === before.state_hash, "a stranger changed what the store holds");
    await this.serves();
  }

  /** What came and was not taken, on all nodes. */
  private async refused(): Promise<number> {
    const names = ["framesCorrupt", "framesForeign", "datagramsStale", "datagramsRepeated"] as const;
    return (await Promise.all(names.map((name) => this.counted(name)))).reduce((sum, count) => sum + count, 0);
  }

  /** A counter of what carries messages, added up over all nodes. */
  async counted(name: keyof StatusView["transport"]): Promise<number> {
    const statuses = await this.cluster.statuses();
    return statuses.reduce((sum, status) => sum + (status?.transport[name] ?? 0), 0);
  }

  async stop(): Promise<void> {
    this.client.close();
    this.recorder?.close();
    await this.cluster.stop();
  }
}

/** Against strangers datagrams need no key; a connection that is repeated takes the place of the real one without it. */
function keyFlags(): readonly string[] {
  const file = "/run/cluster.key"; // ours alone, and gone with the namespaces
  writeFileSync(file, randomBytes(32).toString("hex"), { mode: 0o600 });
  return ["--cluster-key-file", file];
}
