/** The port between a replicated log and what it means: a deterministic machine that entries are applied to. */
import type { ByteWriter } from "../lib/byte_writer.ts";
import type { Entry, Index } from "../raft/mod.ts";

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
  /** Answers one encoded query (wire/query_codec) by appending its answer to `answers`. Changes nothing. */
  read(query: Uint8Array, answers: ByteWriter): void;
  /** Equal on all nodes that have applied the same index: 16 hexadecimal digits. */
  stateHash(): string;
}
