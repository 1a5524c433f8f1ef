/** Puts and gets that are recorded and judged, beside writes that are remembered, while somebody counts the leaders. */
import type { RealCluster } from "./cluster.ts";
import { Load, lostKeys, type LoadReport } from "./load.ts";

export interface CheckedReport {
  /** What `proa bench --check` says of what it recorded. */
  readonly verdict: string;
  readonly load: LoadReport;
  /** Acknowledged keys that some node does not have. */
  readonly lost: readonly string[];
  /** How often another leader, or the same one in another term, was seen. */
  readonly leaderChanges: number;
  /** In words; empty if nothing is wrong. */
  readonly problems: readonly string[];
}

/** Loads `cluster` for so long; `heal` mends what is broken before its nodes are compared. */
export async function checkedLoad(cluster: RealCluster, seconds: number, heal: () => void): Promise<CheckedReport> {
  const watch = new LeaderWatch(cluster);
  const load = new Load(cluster, { callers: 4, prefix: "remembered" });
  const words = "bench --op mixed --check --key-count 50 --callers 8 --connections 4 --warmup 1ms";
  const bench = await cluster.proa([...words.split(" "), "--duration", `${seconds}s`]);
  const report = await load.stop();
  const leaderChanges = await watch.stop();
  heal();
  await cluster.caughtUp();
  const lost = (await Promise.all(cluster.ids.map((id) => lostKeys(cluster, id, report.acknowledged)))).flat();
  const verdict = bench.stdout.trimEnd().split("\n").at(-1) ?? "";
  const problems = [
    ...(bench.status === 0 ? [] : [`bench ended with ${String(bench.status)}: ${bench.stderr}`]),
    ...(lost.length === 0 ? [] : [`acknowledged and lost: ${lost.slice(0, 10).join(", ")}`]),
    ...(report.acknowledged.length > 0 ? [] : ["nothing was acknowledged"]),
  ];
  return { verdict, load: report, lost, leaderChanges, problems };
}

/** Asks all nodes again and again who leads. */
class LeaderWatch {
  private readonly seen = new Set<string>();
  private running = true;
  private readonly ended: Promise<void>;

  constructor(private readonly cluster: RealCluster) {
    this.ended = this.run();
  }

  /** How many leaders there were after the first. */
  async stop(): Promise<number> {
    this.running = false;
    await this.ended;
    return Math.max(0, this.seen.size - 1);
  }

  private async run(): Promise<void> {
    while (this.running) {
      for (const status of await this.cluster.statuses()) {
        if (status?.role === "leader") this.seen.add(`${status.term} ${status.node_id}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
