/**
 * Every node on a machine of its own, as far as it can tell: with a network namespace and an address. Our process is the
 * router between them, and breaks what passes; clients on the router reach every node undisturbed. Needs the namespaces
 * that namespaces.ts makes, which it fills once and which take it with them.
 */
import { writeFileSync } from "node:fs";
import { programOfNode } from "../helpers/binary.ts";
import type { NodePorts, Place } from "./cluster.ts";
import { all, drop, repeat, sometimes, system, type Heal } from "./packet_filter.ts";

export type Protocol = "tcp" | "udp";

export class RoutedNetwork {
  /** Makes the machines of nodes 1 to `count`, and their cables. `only` is what passes between their replicate ports. */
  constructor(
    private readonly count: number,
    private readonly only: Protocol,
  ) {
    writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
    for (const id of this.ids) plugIn(id);
  }

  get ids(): readonly number[] {
    return Array.from({ length: this.count }, (_, at) => at + 1);
  }

  /** For a cluster whose nodes run here. */
  get place(): Place {
    return {
      hostOf,
      programs: Object.fromEntries(this.ids.map((id) => [id, ["ip", "netns", "exec", name(id), programOfNode(id)]])),
      prepare: (ports) => {
        this.silence(ports);
      },
    };
  }

  /** Drops every packet of the other protocol to these replicate ports. */
  silence(ports: readonly NodePorts[]): void {
    const other = this.only === "udp" ? "tcp" : "udp";
    for (const { replicate } of ports) drop("FORWARD", "-p", other, "--dport", String(replicate));
  }

  /** Loses a share of all packets, each way. */
  lose(share: number): Heal {
    return drop("FORWARD", ...sometimes(share));
  }

  /** Repeats a share of all packets, each way. */
  repeat(share: number): Heal {
    return all(this.ids.map((id) => repeat(hostOf(id), "-d", hostOf(id), ...sometimes(share))));
  }

  /** Nothing of `from` reaches `to`. The other way stays as it is. */
  cut({ from, to }: { readonly from: number; readonly to: number }): Heal {
    return drop("FORWARD", "-s", hostOf(from), "-d", hostOf(to));
  }

  /** Each of `ids` reaches the one before it and the one after it, and nobody else. */
  ring(ids: readonly number[]): Heal {
    const apart = (a: number, b: number): boolean => {
      const steps = Math.abs(ids.indexOf(a) - ids.indexOf(b));
      return steps > 1 && steps < ids.length - 1;
    };
    return all(ids.flatMap((from) => ids.filter((to) => apart(from, to)).map((to) => this.cut({ from, to }))));
  }

  /** Packets of more than `bytes` vanish, and nobody is told. */
  hole(bytes: number): Heal {
    return drop("FORWARD", "-m", "length", "--length", `${bytes + 1}:65535`);
  }

  /** Packets of more than `bytes` are refused, and whoever sent one is told so. */
  narrow(bytes: number): Heal {
    return all(
      this.ids.map((id) => {
        const route = ["route", "change", `10.77.${id}.0/24`, "dev", cable(id), "src", `10.77.${id}.1`];
        system("ip", ...route, "mtu", `${bytes}`);
        return () => {
          system("ip", ...route);
        };
      }),
    );
  }

  /** Lets the systems of the nodes try smaller packets where large ones of a connection vanish. */
  probeSizes(): Heal {
    const write = (value: number): void => {
      const command = `echo ${value} > /proc/sys/net/ipv4/tcp_mtu_probing`;
      for (const id of this.ids) system("ip", "netns", "exec", name(id), "sh", "-c", command);
    };
    write(1);
    return () => {
      write(0);
    };
  }

  /** So much reaches `id`, in bits per second, and what waits longer than half a second is lost. */
  slow(id: number, bitsPerSecond: number): Heal {
    const device = ["dev", cable(id), "root"];
    system("tc", "qdisc", "add", ...device, "tbf", "rate", `${bitsPerSecond}bit`, "burst", "32kb", "latency", "500ms");
    return () => {
      system("tc", "qdisc", "del", ...device);
    };
  }

  /** Nobody reaches `id`, and the router says so to those who try. */
  unplug(id: number): Heal {
    system("ip", "link", "set", cable(id), "down");
    return () => {
      system("ip", "link", "set", cable(id), "up");
    };
  }
}

export function hostOf(id: number): string {
  return `10.77.${id}.2`;
}

function name(id: number): string {
  return `node${id}`;
}

/** The router's end of it. */
function cable(id: number): string {
  return `to${id}`;
}

function plugIn(id: number): void {
  const inside = ["-n", name(id)];
  system("ip", "netns", "add", name(id));
  system("ip", "link", "add", cable(id), "type", "veth", "peer", "name", "eth0", "netns", name(id));
  system("ip", "addr", "add", `10.77.${id}.1/24`, "dev", cable(id));
  system("ip", "link", "set", cable(id), "up");
  system("ip", ...inside, "addr", "add", `${hostOf(id)}/24`, "dev", "eth0");
  system("ip", ...inside, "link", "set", "lo", "up");
  system("ip", ...inside, "link", "set", "eth0", "gso_max_segs", "1", "up"); // else the router would see many packets as one
  system("ip", ...inside, "route", "add", "default", "via", `10.77.${id}.1`);
}
