/**
 * The replicated key-value store: the state machine that `commands` entries are applied to, with the revisions of an
 * MVCC store. Keeps the latest version of each key, in memory.
 */
import { assert, unreachable } from "../lib/assert.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import type { Entry, Index } from "../raft/mod.ts";
import type { CommandCursor } from "../wire/mod.ts";
import { decodeQuery, payloadCursor, writeResult } from "../wire/mod.ts";
import type { ResultDraft } from "./commands.ts";
import { applyCommand } from "./commands.ts";
import { StoreImage } from "./image.ts";
import { KeySpace } from "./key_space.ts";
import { answerGet, answerRange } from "./queries.ts";
import { Restoration } from "./restoration.ts";
import type { ImageSink, ImageSource, StateMachine } from "./state_machine.ts";

export class Store implements StateMachine {
  private keys = new KeySpace();
  private readonly result: ResultDraft = { status: "ok", revision: 0, modRevision: 0, changed: 0 };
  private lastApplied: Index = 0;

  get appliedIndex(): Index {
    return this.lastApplied;
  }

  /** 1 for the empty store; rises by one with each command that changes a key. */
  get revision(): number {
    return this.keys.revision;
  }

  get keyCount(): number {
    return this.keys.size;
  }

  /** Throws {@link CorruptError}, naming the index, before anything of a damaged entry is applied. */
  apply(entry: Entry, results: ByteWriter | null): void {
    assert(entry.index === this.lastApplied + 1, "entries are applied in order, each once");
    switch (entry.kind) {
      case "commands":
        this.applyCommands(checkedCursor(entry), results);
        break;
      case "noop":
      case "membership":
        break; // not ours, but it has an index
      default:
        unreachable(entry.kind);
    }
    this.lastApplied = entry.index;
  }

  /** Throws {@link CorruptError} when `query` is not exactly one query. */
  read(query: Uint8Array, answers: ByteWriter): void {
    const decoded = decodeQuery(query);
    switch (decoded.kind) {
      case "get": {
        answerGet(this.keys, decoded, answers);
        return;
      }
      case "range": {
        answerRange(this.keys, decoded, answers);
        return;
      }
      default:
        unreachable(decoded);
    }
  }

  stateHash(): string {
    return this.keys.stateHash();
  }

  /** What {@link stateHash} must be, computed anew from all keys and values: slow, to check it. */
  recomputeStateHash(): string {
    return this.keys.recomputeStateHash();
  }

  image(): ImageSource {
    return new StoreImage(this.keys.view(), this.lastApplied);
  }

  restore(appliedIndex: Index): ImageSink {
    const restoration = new Restoration(appliedIndex);
    return {
      push: (slice) => restoration.push(slice),
      finish: () => {
        const keys = restoration.finish();
        assert(appliedIndex >= this.lastApplied, "an image must not take the store back");
        this.keys = keys; // with its index, in one step (rule P14)
        this.lastApplied = appliedIndex;
      },
    };
  }

  private applyCommands(commands: CommandCursor, results: ByteWriter | null): void {
    while (commands.next()) {
      applyCommand(this.keys, commands, this.result);
      if (results === null) continue;
      writeResult(results, this.result);
    }
  }
}

function checkedCursor(entry: Entry): CommandCursor {
  try {
    return payloadCursor(entry.payload);
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    throw new CorruptError(`entry ${entry.index} holds no valid commands: ${error.message}`, { cause: error });
  }
}
