/**
 * Puts and gets for minutes on a network that loses and repeats packets, on real nodes in network namespaces (as root):
 *
 *     bun bench/lossy_network.ts [minutes] [udp or tcp] [share lost] [share repeated]
 *
 * Default: three minutes over UDP; a fifth of all packets is lost and a fifth repeated, each way. What is asked and
 * answered is recorded and must be linearizable, every acknowledged write must be on every node, and there may be two
 * changes of the leader. Exits with 1 otherwise.
 */
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { BrokenWorld } from "../test/e2e/broken_world.ts";
import { checkedLoad } from "../test/e2e/checked_load.ts";
import { enterNamespaces } from "../test/e2e/namespaces.ts";
import { all } from "../test/e2e/packet_filter.ts";

const leaderChangesMax = 2;

enterNamespaces(fileURLToPath(import.meta.url));
const [minutes = "3", protocol = "udp", lost = "0.2", repeated = "0.2"] = process.argv.slice(2);
const world = await BrokenWorld.start(protocol === "tcp" ? "tcp" : "udp", { nodes: 3, isRecorded: false, flags: [] });
try {
  const { cluster, network } = world;
  const heal = all([network.repeat(Number(repeated)), network.lose(Number(lost))]);
  const { verdict, load, leaderChanges, ...rest } = await checkedLoad(cluster, Number(minutes) * 60, heal);
  const problems = [...rest.problems];
  if (leaderChanges > leaderChangesMax) problems.push(`the leader changed ${leaderChanges} times`);
  console.log(
    JSON.stringify({
      what: "lossy network",
      minutes: Number(minutes),
      protocol,
      share_lost: Number(lost),
      share_repeated: Number(repeated),
      verdict,
      leader_changes: leaderChanges,
      remembered: load.acknowledged.length,
      lost: rest.lost.length,
      refused: load.refused,
      unknown: load.unknown,
      longest_pause_ms: Math.round(load.longestPauseMs),
      problems,
      load: loadavg()[0],
    }),
  );
  if (problems.length > 0) process.exitCode = 1;
} finally {
  await world.stop();
}
