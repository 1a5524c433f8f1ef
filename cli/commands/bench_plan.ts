/** What one run of `proa bench` is to do: the options, made consistent before anything is touched. */
import { ProaError } from "../../src/lib/errors.ts";
import type { TransportKind } from "../../src/local/cluster_file.ts";

export type Operation = "put" | "get";
export type Consistency = "linearizable" | "lease" | "stale";

export interface BenchRequest {
  readonly op: Operation | "mixed";
  readonly consistency: Consistency;
  readonly inFlight: number | undefined;
  readonly connections: number;
  readonly callers: number | undefined;
  readonly rate: number | undefined;
  readonly valueSize: number;
  readonly keyCount: number;
  /** Milliseconds. */
  readonly duration: number;
  readonly warmup: number;
  readonly local: number | undefined;
  /** What carries the messages between the nodes of a local cluster, one after the other. */
  readonly transport: readonly TransportKind[] | undefined;
  /** What is lost between them, in percent of all packets, one after the other. */
  readonly loss: readonly number[] | undefined;
  readonly check: boolean;
}

export interface BenchPlan {
  readonly op: Operation | "mixed";
  readonly consistency: Consistency;
  /** The most requests that are unanswered at a time, over all connections. */
  readonly inFlight: number;
  readonly connections: number;
  /**
   * - `window`: whenever requests are answered, as many follow.
   * - `callers`: each of `inFlight` callers asks again when it has its answer.
   * - `rate`: requests begin when their time has come.
   */
  readonly loop: { readonly kind: "window" | "callers" } | { readonly kind: "rate"; readonly perSecond: number };
  readonly valueBytes: number;
  readonly keyCount: number;
  readonly check: boolean;
}

const inFlightDefault = 128;
/** Without a bound a cluster that is too slow for the rate would fill the memory of the client instead of its queue. */
const inFlightDefaultAtRate = 10_000;
/** Each key in use keeps its last answers in memory. */
const checkedKeysMax = 10_000;
/** The number that tells the values of a checked run apart. Bytes. */
const checkedValueBytesMin = 8;

/** Throws USAGE for options that contradict each other. */
export function planOf(request: BenchRequest): BenchPlan {
  const { op, consistency, connections, callers, rate, valueSize, keyCount, check } = request;
  refuseTransports(request);
  if (callers !== undefined && rate !== undefined) throw conflict("--callers and --rate exclude each other");
  if (callers !== undefined && request.inFlight !== undefined) {
    throw conflict("--callers and --in-flight exclude each other: each caller has one request in flight");
  }
  const inFlight = callers ?? request.inFlight ?? (rate === undefined ? inFlightDefault : inFlightDefaultAtRate);
  if (connections > inFlight) throw conflict(`${connections} connections need at least as many requests in flight`);
  if (consistency !== "linearizable" && op === "put")
    throw conflict("--consistency is for gets, and --op put has none");
  if (check && op !== "mixed") throw conflict("--check needs puts and gets: --op mixed");
  if (check && consistency === "stale") throw conflict("stale gets promise nothing that --check could verify");
  if (check && keyCount > checkedKeysMax) throw conflict(`--check needs a --key-count of at most ${checkedKeysMax}`);
  if (check && valueSize < checkedValueBytesMin) {
    throw conflict(`--check needs a --value-size of at least ${checkedValueBytesMin}`);
  }
  const loop =
    rate === undefined
      ? ({ kind: callers === undefined ? "window" : "callers" } as const)
      : ({ kind: "rate", perSecond: rate } as const);
  return { op, consistency, inFlight, connections, loop, valueBytes: valueSize, keyCount, check };
}

function refuseTransports({ local, transport, loss }: BenchRequest): void {
  for (const [name, values] of [
    ["--transport", transport],
    ["--loss", loss],
  ] as const) {
    if (values === undefined) continue;
    if (local === undefined) {
      throw conflict(`${name} needs --local: how the nodes of a cluster speak is decided where they are started`);
    }
    if (new Set<unknown>(values).size !== values.length) throw conflict(`${name} names something twice`);
  }
  if (loss !== undefined && local === 1) throw conflict("a single node has nobody to lose packets to: --local 3");
}

function conflict(reason: string): ProaError {
  return new ProaError("USAGE", `Cannot run proa bench: ${reason}`, { hint: "see proa help bench" });
}
