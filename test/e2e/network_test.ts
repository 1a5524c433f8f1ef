/** Real nodes on a network that is broken by the kernel: network namespaces and iptables. Needs root on Linux. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { expect, test } from "bun:test";
import { proaBinary } from "../helpers/binary.ts";
import { run } from "../helpers/run.ts";
import { runFile } from "../helpers/runtime.ts";

proaBinary();

/** Why these tests cannot run here; null where they can. */
function obstacle(): string | null {
  if (process.platform !== "linux") return "this is not Linux";
  if (process.getuid?.() !== 0) return "not run as root";
  const probe =
    "ip link set lo up && iptables -w -A INPUT -p udp --dport 9 -m statistic --mode random --probability 0.2 -j DROP";
  const { status, error } = spawnSync("unshare", ["-n", "sh", "-c", probe]);
  if (error !== undefined) return "no unshare here";
  return status === 0 ? null : "no network namespaces, ip or iptables here (Debian: apt-get install iproute2 iptables)";
}

const reason = obstacle();
const child = fileURLToPath(new URL("network_child.ts", import.meta.url));

/** Runs the cluster in a namespace that is gone with it. */
async function inNamespace(kind: "udp"): Promise<readonly string[]> {
  const command = [...runFile, child, kind].map((word) => `'${word}'`).join(" ");
  const { status, stdout, stderr } = await run("unshare", ["-n", "sh", "-c", `ip link set lo up && exec ${command}`]);
  expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
  return stdout.trim().split("\n");
}

const suffix = reason === null ? "" : ` (left out: ${reason})`;

test.skipIf(reason !== null)(
  `a UDP cluster elects, commits and transfers without TCP, through loss, and with a deaf follower${suffix}`,
  async () => {
    expect(await inNamespace("udp")).toEqual([
      "ok: every packet of tcp between nodes is dropped",
      "ok: a fifth of all datagrams is lost",
      "ok: a follower is deaf to its leader",
      "ok: all nodes are equal",
    ]);
  },
  120_000,
);
