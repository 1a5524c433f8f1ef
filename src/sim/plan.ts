/** What one run is made of. A plan follows from its seed and from what the caller fixed; nothing else enters a run. */
import type { Millis } from "../raft/mod.ts";
import type { NodeLimits } from "../node/mod.ts";
import type { DatagramLimits, DatagramPath } from "../transport/mod.ts";

/** Everything that can go wrong, by the name under which `proa sim --faults` knows it. */
export const faultNames = [
  "loss",
  "duplicates",
  "delays",
  "replays",
  "stragglers",
  "shuffles",
  "corruption",
  "partitions",
  "one-way",
  "rings",
  "bridges",
  "flapping",
  "swizzle",
  "crashes",
  "sudden-crashes",
  "stops",
  "slow-disk",
  "hung-disk",
  "disk-errors",
  "bit-rot",
  "wipes",
  "pauses",
  "drift",
  "leaps",
  "transfers",
  "handovers",
  "late-answers",
  "echoes",
  "revivals",
  "members",
] as const;

/** How much faster or slower than the world a clock runs at most under the fault "drift". */
export const driftMax = 0.1;

export type FaultName = (typeof faultNames)[number];

/** What the caller wants of a run. Left out, the seed decides. */
export interface Wishes {
  readonly nodes?: number;
  readonly clients?: number;
  /** How long faults and clients go on, before the cluster must heal. Milliseconds of virtual time. */
  readonly faultsMs?: Millis;
  /** Exactly these faults; their strength is the seed's. */
  readonly faults?: readonly FaultName[];
  /** All machines lose their power at once when this many writes were handed to disks, counted over all of them. */
  readonly powerCutAtWrite?: number;
}

/** How messages travel in datagrams. */
export interface DatagramPlan {
  readonly path: DatagramPath;
  readonly limits: DatagramLimits;
}

export interface Plan {
  readonly seed: number;
  /** Machines that found the cluster. */
  readonly nodes: number;
  /** Machines that may join it; none unless the fault "members" is drawn. */
  readonly joiners: number;
  readonly clients: number;
  /** The keys that clients use, in order. */
  readonly keys: readonly string[];
  readonly faultsMs: Millis;
  /** Which faults there are, and how strong: above 0, at most 1. */
  readonly faults: ReadonlyMap<FaultName, number>;
  /** At which write all machines lose their power, if at any. */
  readonly powerCutAtWrite: number | null;
  readonly limits: NodeLimits;
  /** Null: each message is a frame of its own that the network loses or brings. */
  readonly datagrams: DatagramPlan | null;
  /** What a frame or datagram takes from node to node. */
  readonly delayMs: Millis;
  /** The mean time of a write to the disk; 0: durable at once. */
  readonly writeMs: Millis;
  /** The longest that a node takes to come to its next turn. */
  readonly turnMs: Millis;
  /** The mean pause of a client between two requests. */
  readonly pauseMs: Millis;
  /** When a client gives a request up. */
  readonly patienceMs: Millis;
  readonly valueBytesMax: number;
  /** How much more often reads are than writes. */
  readonly readWeight: number;
  /** How many of the reads trust a lease. */
  readonly leaseShare: number;
  /** Whether clocks do what leases rest on: none leaps but a leader's. Otherwise a read that trusts a lease is no more than a stale one. */
  readonly leasesHold: boolean;
  /** How many of the commands are transactions. */
  readonly transactionShare: number;
  /** How many of the puts hang their keys on leases. */
  readonly hangingShare: number;
  /** How many clients ask for what was. */
  readonly historians: number;
}

/** A plan in one line. */
export function describePlan(plan: Plan): string {
  const faults = [...plan.faults].map(([name, strength]) => `${name} ${strength.toFixed(2)}`);
  const { nodes, joiners, clients, keys, faultsMs, limits, datagrams } = plan;
  const carrier = datagrams === null ? "" : `datagrams of ${datagrams.path.datagramBytes} bytes, `;
  return (
    `${nodes} nodes${joiners === 0 ? "" : ` and ${joiners} to join`}, ${clients} clients, ${keys.length} keys, ${carrier} ${Math.round(faultsMs)} ms of ` +
    `${faults.length === 0 ? "no faults" : faults.join(", ")}; election timeout ${limits.electionTimeoutMs} ms`
  );
}
