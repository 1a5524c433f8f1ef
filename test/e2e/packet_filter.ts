/** Rules by which the kernel drops, repeats and slows packets, in whatever network namespace this process has. Needs root. */
import { spawnSync } from "node:child_process";

/** Takes back what was done to the network. Called once. */
export type Heal = () => void;

/** Runs a program of the system that must succeed. */
export function system(program: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args);
  if (status === 0) return;
  throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? stderr.toString().trim()}`);
}

/** Adds a rule to a chain of a table of iptables, behind those that are there. */
function rule(table: "filter" | "mangle" | "nat", chain: string, match: readonly string[], target: string): Heal {
  const words = [chain, ...match, "-j", ...target.split(" ")];
  system("iptables", "-w", "-t", table, "-A", ...words);
  return () => {
    system("iptables", "-w", "-t", table, "-D", ...words);
  };
}

/** Drops what matches, in `chain` of the filter: `INPUT` for what comes to this machine, `FORWARD` for what passes it. */
export function drop(chain: "INPUT" | "FORWARD", ...match: readonly string[]): Heal {
  return rule("filter", chain, match, "DROP");
}

/** Lets what passes this machine and matches arrive at `address` once more. */
export function repeat(address: string, ...match: readonly string[]): Heal {
  return rule("mangle", "FORWARD", match, `TEE --gateway ${address}`);
}

/** Hands what should pass this machine and matches to `port` of it instead. Connections that exist are left alone. */
export function divert(port: number, ...match: readonly string[]): Heal {
  return rule("nat", "PREROUTING", match, `REDIRECT --to-ports ${port}`);
}

/** As a match: by chance. `share` is from 0 to 1. */
export function sometimes(share: number): readonly string[] {
  return ["-m", "statistic", "--mode", "random", "--probability", `${share}`];
}

/** Several that are taken back together. */
export function all(heals: readonly Heal[]): Heal {
  return () => {
    for (const heal of heals) heal();
  };
}
