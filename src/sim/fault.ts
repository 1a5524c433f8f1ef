/** What a fault is: something that begins with the run, strikes by its own chance, and undoes what it did once faults are over. */
import type { Random } from "../lib/random.ts";
import type { Millis } from "../raft/mod.ts";
import type { Cluster } from "./cluster.ts";
import type { FaultName } from "./plan.ts";

/** Begins a fault, which goes on until the run tells faults to end. */
export type Fault = (trouble: Trouble) => void;

/** The faults of one kind. */
export type Faults = Partial<Record<FaultName, Fault>>;

/** What a fault has to work with. */
export interface Trouble {
  readonly cluster: Cluster;
  /** Its own stream: other faults do not change what it draws. */
  readonly random: Random;
  /** Above 0, at most 1. */
  readonly strength: number;
  /** The election timeout: the time that matters here. */
  readonly timeoutMs: Millis;
  /** Calls `strike` again and again until the faults are over. */
  readonly repeat: (meanMs: Millis, strike: () => void) => void;
  /** Plans something that happens only while there are faults. */
  readonly after: (delayMs: Millis, act: () => void) => void;
  /** Undoes something after a while, or when the faults are over. */
  readonly undoAfter: (delayMs: Millis, undo: () => void) => void;
}

/** How long it is on average from one strike of a fault to the next, by its strength. */
export function meanGapMs({ strength, timeoutMs }: Trouble): Millis {
  return timeoutMs * (6 - 5 * strength);
}
