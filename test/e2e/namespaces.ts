/** Programs in network, mount and process namespaces of their own: whatever they do to the network is gone with them. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { runFile } from "../helpers/runtime.ts";

/** Set where a program runs in namespaces of its own. */
const marker = "PROA_IN_NAMESPACES";

/** The words before a command that run it in new namespaces, where it may name network namespaces and has a loopback. */
const inNamespaces: readonly [string, ...string[]] = [
  "unshare",
  ...["--net", "--mount", "--mount-proc", "--pid", "--fork", "--kill-child"],
  ...["sh", "-c", 'mount -t tmpfs none /run && ip link set lo up && exec "$@"', "sh"],
];

/** Why nothing can run there; null where it can. */
export function obstacle(): string | null {
  if (process.platform !== "linux") return "this is not Linux";
  if (process.getuid?.() !== 0) return "not run as root";
  const probe = [
    "iptables -w -A FORWARD -p udp --dport 9 -m statistic --mode random --probability 0.2 -j DROP",
    "iptables -w -t mangle -A FORWARD -p udp -j TEE --gateway 127.0.0.1",
    "iptables -w -t nat -A PREROUTING -p udp -j REDIRECT --to-ports 9",
    "ip netns add probe",
    "ip link add probe type veth peer name eth0 netns probe",
    "tc qdisc add dev probe root tbf rate 1mbit burst 32kb latency 500ms",
  ];
  const [program, ...before] = inNamespaces;
  const { status, error } = spawnSync(program, [...before, "sh", "-c", probe.join(" && ")]);
  if (error !== undefined) return "no unshare here";
  return status === 0 ? null : "no network namespaces, ip, tc or iptables (Debian: apt-get install iproute2 iptables)";
}

/** Goes on in new namespaces: there it returns, here it runs `file` there with our arguments and ends as that ends. */
export function enterNamespaces(file: string): void {
  if (process.env[marker] !== undefined) return;
  const reason = obstacle();
  if (reason !== null) throw new Error(`Cannot break a network: ${reason}`);
  const [program, ...before] = inNamespaces;
  const command = [...before, ...runFile, file, ...process.argv.slice(2)];
  const { status } = spawnSync(program, command, { stdio: "inherit", env: { ...process.env, [marker]: "1" } });
  process.exit(status ?? 1);
}
