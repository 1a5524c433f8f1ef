/** What can be wrong between nodes, one thing a scenario: each breaks it, shows that the cluster serves, and mends it. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../../src/lib/assert.ts";
import type { BrokenWorld } from "./broken_world.ts";
import { checkedLoad } from "./checked_load.ts";
import type { RealCluster } from "./cluster.ts";
import { until } from "../helpers/until.ts";
import { all, type Heal } from "./packet_filter.ts";
import type { Protocol } from "./routed_network.ts";
import { garbage, replayed } from "./stranger_scenarios.ts";

interface Scenario {
  readonly name: string;
  readonly run: (world: BrokenWorld) => Promise<void>;
  /** For one protocol only; default: for both. */
  readonly only?: Protocol;
  /** Takes long where this protocol carries the messages, because the cluster hardly serves: run by hand. */
  readonly crawlsWith?: Protocol;
}

/** Scenarios that one cluster goes through, in this order. */
export interface Journey {
  readonly nodes: number;
  /** Whether somebody sees, and can repeat, all that the nodes send. */
  readonly isRecorded: boolean;
  /** Of the nodes. */
  readonly flags: readonly string[];
  readonly scenarios: readonly Scenario[];
}

const three: readonly Scenario[] = [
  { name: "the office is handed over", run: handOver },
  { name: "1 % of all packets is lost", run: (world) => lossy(world, 0.01) },
  { name: "10 % of all packets are lost", run: (world) => lossy(world, 0.1) },
  { name: "20 % of all packets are lost", run: (world) => lossy(world, 0.2) },
  {
    name: "a fifth of all packets is lost and a fifth repeated, and what is answered is linearizable",
    run: lossyAndRepeating,
    crawlsWith: "tcp",
  },
  { name: "a follower is deaf to its leader", run: deafFollower },
  { name: "the leader is mute: another one is elected", run: muteLeader },
  { name: "the leader is deaf: it notices, and another one is elected", run: deafLeader },
  { name: "the link of a follower flaps", run: flappingFollower },
  { name: "the link of the leader flaps", run: flappingLeader },
  { name: "packets above 1,280 bytes vanish", run: hole, only: "udp" },
  {
    name: "packets above 1,280 bytes vanish, and the system tries smaller ones",
    run: probedHole,
    only: "tcp",
    crawlsWith: "tcp",
  },
  { name: "packets above 1,280 bytes are refused, and the router says so", run: narrow, only: "tcp" },
  { name: "a follower is behind a slow link", run: slowFollower },
];

const five: readonly Scenario[] = [
  { name: "each of five nodes sees two others: they elect, commit, and elect again without the leader", run: ring },
  { name: "datagrams of the size that was configured vanish: nodes notice", run: configuredHole, only: "udp" },
];

const recorded: readonly Scenario[] = [
  { name: "old packets come again after a restart and under another leader", run: replayed },
  { name: "a stranger sends garbage to every node", run: garbage },
];

const grown: readonly Scenario[] = [{ name: "a new node installs a snapshot of 50 MB, and votes", run: grow }];

/** By name. `grown` is run by hand: it writes hundreds of megabytes. */
const journeys: Readonly<Record<string, Journey>> = {
  // TCP repeats what is lost after 200 ms and more: with less than this a fifth of loss is one election after the other.
  three: { nodes: 3, isRecorded: false, flags: ["--election-timeout", "600ms"], scenarios: three },
  five: { nodes: 5, isRecorded: false, flags: ["--mtu", "8000"], scenarios: five },
  // So long a timeout keeps apart what a stranger does and what a busy machine does.
  grown: { nodes: 3, isRecorded: false, flags: ["--snapshot-size", "8MiB"], scenarios: grown },
  recorded: { nodes: 3, isRecorded: true, flags: ["--election-timeout", "2s"], scenarios: recorded },
};

/** What a cluster that speaks `kind` goes through; scenarios that crawl are left out unless `isPatient`. */
export function journeyOf(name: string, kind: Protocol, isPatient: boolean): Journey {
  const journey = journeys[name];
  assert(journey !== undefined, `there is no journey ${name}`);
  const isIncluded = ({ only = kind, crawlsWith }: Scenario): boolean =>
    only === kind && (isPatient || crawlsWith !== kind);
  return { ...journey, scenarios: journey.scenarios.filter(isIncluded) };
}

async function handOver(world: BrokenWorld): Promise<void> {
  const { cluster } = world;
  const to = (await cluster.leader()) === 1 ? 2 : 1;
  await world.runs("leader", "transfer", "--to", `${to}`);
  assert((await cluster.leader()) === to, "somebody else leads");
  await world.serves();
}

async function lossy(world: BrokenWorld, share: number): Promise<void> {
  const before = await world.counted("datagramsLost");
  const heal = world.network.lose(share);
  await world.serves(10);
  const crawls = world.kind === "tcp" && share > 0.1; // few packets of a large value find all of those before them arrived
  if (!crawls) await world.serves(3, 100_000);
  if (world.kind === "udp")
    await until("losses are noticed", async () => (await world.counted("datagramsLost")) > before);
  heal();
}

/** For a few seconds what bench/lossy_network.ts does for minutes. */
async function lossyAndRepeating(world: BrokenWorld): Promise<void> {
  const before = await world.counted("datagramsRepeated");
  const heal = all([world.network.repeat(0.2), world.network.lose(0.2)]);
  const { problems } = await checkedLoad(world.cluster, 5, heal);
  assert(problems.length === 0, problems.join("; "));
  const repeated = (await world.counted("datagramsRepeated")) - before;
  assert(world.kind === "tcp" || repeated > 0, "no datagram was repeated");
}

async function deafFollower(world: BrokenWorld): Promise<void> {
  const { leader, others } = await world.roles();
  const [to = 0] = others;
  const term = (await world.cluster.status(leader))?.term;
  const heal = world.network.cut({ from: leader, to });
  await until("the follower misses its leader", async () => (await world.cluster.status(to))?.leader === null);
  await world.serves();
  heal();
  await world.cluster.caughtUp();
  const after = await world.cluster.status(leader);
  assert(after?.role === "leader" && after.term === term, "a deaf follower cost the leader its office");
}

async function muteLeader(world: BrokenWorld): Promise<void> {
  const { leader: from, others } = await world.roles();
  await world.replaces(from, all(others.map((to) => world.network.cut({ from, to }))));
}

/** It sends what keeps others from an election, so it has to notice by itself that nobody answers. */
async function deafLeader(world: BrokenWorld): Promise<void> {
  const { leader: to, others } = await world.roles();
  const heal = all(others.map((from) => world.network.cut({ from, to })));
  await until("the leader notices", async () => (await world.cluster.status(to))?.role !== "leader");
  await world.replaces(to, heal);
}

function isolate({ cluster, network }: BrokenWorld, id: number): Heal {
  const others = cluster.ids.filter((other) => other !== id);
  return all(others.flatMap((other) => [network.cut({ from: id, to: other }), network.cut({ from: other, to: id })]));
}

async function flappingFollower(world: BrokenWorld): Promise<void> {
  const { leader, others } = await world.roles();
  const [follower = 0] = others;
  const term = (await world.cluster.status(leader))?.term;
  for (let i = 0; i < 3; i++) {
    const heal = isolate(world, follower);
    await world.hears(leader, follower, false);
    await until("the follower wants to be elected", async () => {
      const status = await world.cluster.status(follower); // which we can ask: only the nodes are cut off from each other
      return status?.leader === null && status.role !== "follower";
    });
    await world.serves(2);
    heal();
    await world.hears(leader, follower, true);
    await world.serves(2);
  }
  const after = await world.cluster.status(leader);
  assert(after?.role === "leader" && after.term === term, "a follower that comes and goes cost the leader its office");
}

async function flappingLeader(world: BrokenWorld): Promise<void> {
  for (let i = 0; i < 2; i++) {
    const { leader } = await world.roles();
    await world.replaces(leader, world.network.unplug(leader));
  }
}

async function hole(world: BrokenWorld): Promise<void> {
  const heal = world.network.hole(1280);
  await world.serves(1, 200_000);
  await world.cluster.caughtUp();
  heal();
}

async function narrow(world: BrokenWorld): Promise<void> {
  const heal = world.network.narrow(1280);
  await world.serves(1, 200_000);
  await world.cluster.caughtUp();
  heal();
}

/** Without that, nothing large ever gets through a connection that is up: the system is its only judge (docs/transports.md). */
async function probedHole(world: BrokenWorld): Promise<void> {
  const heal = all([world.network.probeSizes(), world.network.hole(1280)]);
  await world.serves(1, 20_000);
  await world.cluster.caughtUp();
  heal();
}

async function configuredHole(world: BrokenWorld): Promise<void> {
  const { cluster } = world;
  await hole(world);
  assert(cluster.log(await cluster.leader()).includes("large datagrams vanish"), "large datagrams got through");
}

async function slowFollower(world: BrokenWorld): Promise<void> {
  const { leader, others } = await world.roles();
  const [slow = 0] = others;
  const heal = world.network.slow(slow, 250_000);
  await world.serves(16, 256 * 1024);
  const lag = (await world.cluster.status(leader))?.peers.find(({ id }) => id === slow)?.lag ?? 0;
  assert(lag > 0, "4 MB went through a link of 250 kbit/s in no time");
  await world.serves(10);
  heal();
}

/** Two neighbours and itself are a majority for everybody. Without the leader two of the four that are left have one. */
async function ring(world: BrokenWorld): Promise<void> {
  const { cluster, network } = world;
  await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
  const heal = network.ring(cluster.ids);
  for (const id of cluster.ids) cluster.start(id);
  const { leader } = await world.roles();
  await world.serves();
  await world.serves(1, 100_000);
  assert((await world.roles()).leader === leader, "who does not see the leader cost it its office");
  heal();
  await cluster.caughtUp(); // else only the neighbours of the leader could be elected, and no majority sees them
  const healAgain = network.ring(cluster.ids);
  cluster.signal(leader, "SIGSTOP");
  await world.replaces(leader, () => {
    cluster.signal(leader, "SIGCONT");
    healAgain();
  });
}

async function grow(world: BrokenWorld): Promise<void> {
  const { cluster } = world;
  const { leader } = await world.roles();
  await until("the leader has a snapshot of 50 MB", async () => {
    if (snapshotBytes(cluster, leader) >= 50_000_000) return true;
    await world.fills(50, 1_000_000);
    return false;
  });
  await world.addsNode(4);
  assert(snapshotBytes(cluster, 4) >= 50_000_000, "the new node has no snapshot of 50 MB");
  await world.serves();
}

/** The size of the largest snapshot that a node has. */
function snapshotBytes(cluster: RealCluster, id: number): number {
  const folder = join(cluster.data(id), "snapshots");
  return Math.max(0, ...readdirSync(folder).map((name) => statSync(join(folder, name)).size));
}
