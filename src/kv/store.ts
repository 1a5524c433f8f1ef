/**
 * The replicated key-value store: the state machine that `commands` entries are applied to, with the revisions of an
 * MVCC store. Keeps every version since the compacted revision, in memory.
 */
import { assert, unreachable } from "../lib/assert.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import type { Entry, Index } from "../raft/mod.ts";
import type { CommandCursor } from "../wire/mod.ts";
import { payloadCursor, QueryCursor, writeGetAnswer, writeResult, writeSettingsAnswer } from "../wire/mod.ts";
import { answerChanges } from "./changes.ts";
import type { ResultDraft } from "./commands.ts";
import { applyCommand } from "./commands.ts";
import { StoreImage } from "./image.ts";
import { type LeaseClock, answerLease, answerLeases } from "./lease_queries.ts";
import { batchKeysMax, KeyBatch } from "./key_batch.ts";
import type { LeaseListener, LeaseTime } from "./leases.ts";
import { lookaheadOf } from "./lookahead.ts";
import { answerGet, answerHistory, answerRange } from "./queries.ts";
import { Restoration } from "./restoration.ts";
import { noRow } from "./rows.ts";
import type { ImageSink, ImageSource, ReadEnd, ReadOptions, StateMachine } from "./state_machine.ts";
import { StoreState } from "./store_state.ts";

/** The most that the answers inside all transactions of one entry take. Bytes. */
const resultsBytesMax = 64 * 1024 * 1024;

/** How far beyond a limit the history may grow: this share of it, and no further than the most. What is compacted at a time, everybody waits for. */
const excessShare = 1 / 10;
const excessRevisionsMax = 1000;
const excessBytesMax = 4 * 1024 * 1024;

export class Store implements StateMachine {
  private state: StoreState;
  private readonly result: ResultDraft = { status: "ok", revision: 0, modRevision: 0, changed: 0, body: undefined };
  /** Filled in anew for each request. */
  private readonly gets = new KeyBatch();
  private lastApplied: Index = 0;
  private leaseListener: LeaseListener | null = null;

  /** `hashSeed` is for where keys lie in memory, and nothing else: a secret keeps others from making all of them meet in one place. */
  constructor(private readonly hashSeed = 0) {
    this.state = new StoreState(hashSeed);
  }

  get appliedIndex(): Index {
    return this.lastApplied;
  }

  /** 1 for the empty store; rises by one with each command that changes a key. */
  get revision(): number {
    return this.state.keys.revision;
  }

  get keyCount(): number {
    return this.state.keys.size;
  }

  /** Throws {@link CorruptError}, naming the index, before anything of a damaged entry is applied. */
  apply(entry: Entry, results: ByteWriter | null): void {
    assert(entry.index === this.lastApplied + 1, "entries are applied in order, each once");
    switch (entry.kind) {
      case "commands":
        this.applyCommands(entry.index, checkedCursor(entry), results);
        break;
      case "noop":
      case "membership":
        break; // not ours, but it has an index
      default:
        unreachable(entry.kind);
    }
    this.lastApplied = entry.index;
  }

  read(queries: Uint8Array, answers: ByteWriter, { clock, answersBytesMax }: ReadOptions): ReadEnd {
    const query = new QueryCursor(queries);
    for (let more = query.next(); more;) {
      if (clock === null && query.asksForTime) return "needsClock";
      if (query.isGet) more = this.answerGets(query, answers);
      else {
        this.answer(query, answers, clock);
        more = query.next();
      }
      if (answers.length > answersBytesMax) return "tooLarge";
    }
    return "answered";
  }

  /** Answers the gets that `query` comes to, some at a time. Returns whether it shows another query then. */
  private answerGets(query: QueryCursor, answers: ByteWriter): boolean {
    const { gets } = this;
    const { keys } = this.state;
    gets.count = 0;
    let more = true;
    for (; more && query.isGet && gets.count < batchKeysMax; more = query.next()) gets.add(query);
    keys.findAll(query.queries, gets);
    const { found, count } = gets;
    for (let i = 0; i < count; i++) writeGetAnswer(answers, keys.revision, keys.show(found[i] ?? noRow));
    return more;
  }

  private answer(query: QueryCursor, answers: ByteWriter, clock: LeaseClock | null): void {
    const { keys, settings } = this.state;
    const decoded = query.decode();
    switch (decoded.kind) {
      case "get":
        answerGet(keys, decoded, answers);
        return;
      case "range":
        answerRange(keys, decoded, answers);
        return;
      case "history":
        answerHistory(keys, decoded, answers);
        return;
      case "settings":
        writeSettingsAnswer(answers, { revision: keys.revision, settings });
        return;
      case "lease":
        assert(clock !== null, "who asks for time is not asked further");
        answerLease(keys, decoded, clock, answers);
        return;
      case "leases":
        assert(clock !== null, "who asks for time is not asked further");
        answerLeases(keys, decoded, clock, answers);
        return;
      case "changes":
        answerChanges(keys, decoded, answers);
        return;
      default:
        unreachable(decoded);
    }
  }

  /** Null, or what its settings allow to be compacted: so much more than the limit that it happens seldom. */
  get compactionDue(): number | null {
    const { keys, settings } = this.state;
    const { compactedRevision, bytes } = keys.history;
    const kept = settings.history_revisions;
    const byCount = keys.revision - compactedRevision > withExcess(kept, excessRevisionsMax) ? keys.revision - kept : 0;
    const bytesMax = settings.history_bytes;
    const byBytes = bytes > withExcess(bytesMax, excessBytesMax) ? keys.history.revisionToHold(bytesMax) : 0;
    const due = Math.max(byCount, byBytes);
    return due > compactedRevision ? due : null;
  }

  leases(): Iterable<LeaseTime> {
    return this.state.keys.leases.all();
  }

  listenToLeases(listener: LeaseListener): void {
    this.leaseListener = listener;
    this.state.keys.leases.listener = listener;
  }

  stateHash(): string {
    return this.state.hash();
  }

  /** What {@link stateHash} must be, computed anew from all keys and values: slow, to check it. */
  recomputeStateHash(): string {
    return this.state.recomputeHash();
  }

  image(): ImageSource {
    return new StoreImage(this.state, this.lastApplied);
  }

  restore(appliedIndex: Index): ImageSink {
    const restoration = new Restoration(appliedIndex, new StoreState(this.hashSeed));
    return {
      push: (slice) => restoration.push(slice),
      finish: () => {
        const state = restoration.finish();
        assert(appliedIndex >= this.lastApplied, "an image must not take the store back");
        this.state = state; // with its index, in one step (rule P14)
        state.keys.leases.listener = this.leaseListener;
        this.lastApplied = appliedIndex;
        this.leaseListener?.onReplaced();
      },
    };
  }

  private applyCommands(index: Index, commands: CommandCursor, results: ByteWriter | null): void {
    const lookahead = lookaheadOf(commands.commands, this.state.keys);
    while (commands.next()) {
      lookahead?.step();
      // For whoever waits; where nobody does, no transaction needs to read.
      const answerBytesMax = results === null ? 0 : resultsBytesMax - results.length;
      applyCommand(this.state, commands, this.result, { index, answerBytesMax });
      if (results === null) continue;
      writeResult(results, this.result);
    }
  }
}

/** `limit` and what may go beyond it, which is at most `excessMax`. */
function withExcess(limit: number, excessMax: number): number {
  return limit + Math.min(limit * excessShare, excessMax);
}

function checkedCursor(entry: Entry): CommandCursor {
  try {
    return payloadCursor(entry.payload);
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    throw new CorruptError(`entry ${entry.index} holds no valid commands: ${error.message}`, { cause: error });
  }
}
