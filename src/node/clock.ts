/** The port to time: a monotonic clock and two ways to be called later. The simulator has its own. */
import type { Millis } from "../raft/mod.ts";

export interface Clock {
  /** Milliseconds since some fixed moment; never goes back, may have a fraction. */
  now(): Millis;
  /** Calls `callback` once, no earlier than `deadline`; returns how to prevent that. */
  at(deadline: Millis, callback: () => void): () => void;
  /** Calls `callback` once, after the events that have already arrived were delivered. */
  defer(callback: () => void): void;
}
