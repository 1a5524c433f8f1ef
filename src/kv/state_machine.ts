/** The port between a replicated log and what it means: a deterministic machine that entries are applied to. */
import type { ByteWriter } from "../lib/byte_writer.ts";
import type { Entry, Index } from "../raft/mod.ts";
import type { LeaseClock } from "./lease_queries.ts";
import type { LeaseListener, LeaseTime } from "./leases.ts";

export interface ReadOptions {
  /** Says what is left to leases; null: nobody here knows. */
  readonly clock: LeaseClock | null;
  /** A few small queries can ask for gigabytes. Bytes. */
  readonly answersBytesMax: number;
}

/** `needsClock`: one asks for what only a clock tells. `tooLarge`: the answers exceed their limit. In both cases some are there already. */
export type ReadEnd = "answered" | "needsClock" | "tooLarge";

export interface StateMachine {
  /**
   * Applies the next entry: a pure function of state and entry (rule C5). Each command of a `commands` entry appends
   * exactly one result to `results`, where somebody waits for them; null where nobody does.
   */
  apply(entry: Entry, results: ByteWriter | null): void;
  /** The last index applied; moves with the state it describes, never apart from it (rule P14). */
  readonly appliedIndex: Index;
  /** 1 when empty; rises by one with each command that changes something. */
  readonly revision: number;
  readonly keyCount: number;
  /**
   * Answers `queries`, which lie back to back, by appending their answers to `answers`, and says whether it has answered them
   * all. Changes nothing. Throws {@link CorruptError} when they are none.
   */
  read(queries: Uint8Array, answers: ByteWriter, options: ReadOptions): ReadEnd;
  /** The revision up to which the leader should propose to compact; null: nothing to do. */
  readonly compactionDue: number | null;
  /** Every lease, with what the log says about its time. Nothing may change meanwhile. */
  leases(): Iterable<LeaseTime>;
  /** Tells `listener` of leases from now on; the one before hears no more. */
  listenToLeases(listener: LeaseListener): void;
  /** Equal on all nodes that have applied the same index: 16 hexadecimal digits. */
  stateHash(): string;
  /**
   * Opens an image of the whole state at {@link appliedIndex}, at once, whatever its size; entries may be applied while it
   * is read. Several may be open. Each takes memory for what changes until it is read to its end or closed.
   */
  image(): ImageSource;
  /**
   * Begins to replace the whole state by an image taken at `appliedIndex`, not before the index applied here. Until
   * {@link ImageSink.finish} nothing changes, and an attempt that is given up needs no farewell.
   */
  restore(appliedIndex: Index): ImageSink;
}

/** The image of one state as a stream of bytes: the same on every node, however it is sliced (rule S7). */
export interface ImageSource {
  /** The next slice, of 1 to `bytesMax` bytes, good until the next call; null at the end. */
  next(bytesMax: number): Uint8Array | null;
  /** Lets go of what was kept for it. May be called again, and after the end. */
  close(): void;
}

/** Takes in the slices of an image, cut anywhere. */
export interface ImageSink {
  /** Keeps nothing of `slice`. Throws {@link CorruptError} when the image is damaged, after which it must be given up. */
  push(slice: Uint8Array): void;
  /** Takes over the whole state, in one step. Throws {@link CorruptError}, changing nothing, unless all of the image was pushed. */
  finish(): void;
}
