/**
 * A UDP cluster on a network of its own, which the test breaks with iptables. Run it as root by network_test.ts, in a
 * network namespace that ends with it; says "ok" at the end of each part.
 */
import { spawnSync } from "node:child_process";
import { RealCluster, until } from "./cluster.ts";

/** Adds a rule to the packet filter of this namespace, and returns how to take it away again. */
function drop(...match: readonly string[]): () => void {
  const rule = ["INPUT", ...match, "-j", "DROP"];
  const change = (how: string): void => {
    const { status, stderr } = spawnSync("iptables", ["-w", how, ...rule]);
    if (status !== 0) throw new Error(`iptables ${how} ${rule.join(" ")}: ${stderr.toString()}`);
  };
  change("-A");
  return () => {
    change("-D");
  };
}

async function put(cluster: RealCluster, key: string): Promise<void> {
  const { status, stderr } = await cluster.proa(["kv", "put", key, "value", "--timeout", "20s"]);
  if (status !== 0) throw new Error(`put ${key} ended with ${String(status)}: ${stderr}`);
}

async function main(): Promise<void> {
  const [kind = "udp"] = process.argv.slice(2);
  const other = kind === "udp" ? "tcp" : "udp";
  const cluster = await RealCluster.start(3, ["--transport", kind], (ports) => {
    for (const { replicate } of ports) drop("-p", other, "--dport", String(replicate));
  });
  try {
    await put(cluster, "first");
    const before = await cluster.leader();
    const to = before === 1 ? 2 : 1;
    const { status, stderr } = await cluster.proa(["leader", "transfer", "--to", String(to)]);
    if (status !== 0) throw new Error(`the transfer ended with ${String(status)}: ${stderr}`);
    await put(cluster, "second");
    console.log(`ok: every packet of ${other} between nodes is dropped`);

    const replicate = (id: number): string => String(cluster.portsOf(id).replicate);
    if (kind === "udp") {
      const heals = cluster.ids.map((id) =>
        drop("-p", "udp", "--dport", replicate(id), "-m", "statistic", "--mode", "random", "--probability", "0.2"),
      );
      for (let number = 0; number < 5; number++) await put(cluster, `lossy ${number}`);
      for (const heal of heals) heal();
      console.log("ok: a fifth of all datagrams is lost");

      const leader = await cluster.leader();
      const deaf = leader === 3 ? 2 : 3;
      const heal = drop("-p", "udp", "--sport", replicate(leader), "--dport", replicate(deaf));
      await put(cluster, "one way");
      heal();
      console.log("ok: a follower is deaf to its leader");
    }
    await put(cluster, "last");
    await cluster.caughtUp();
    await until("every node has the last value", async () => {
      const reads = await Promise.all(
        cluster.ids.map((id) => cluster.proa(["kv", "get", "last"], { endpoints: cluster.endpoint(id) })),
      );
      return reads.every(({ stdout }) => stdout === "value");
    });
    console.log("ok: all nodes are equal");
  } finally {
    await cluster.stop();
  }
}

await main();
