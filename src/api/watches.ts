/**
 * Those who wait for changes. The node keeps no queue for anybody: whoever watches says where it is, gets the next portion
 * of the history from there, and asks again when it has taken that in. A slow one just stays behind.
 */
import { Deadlines } from "../client/deadlines.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { ProaError } from "../lib/errors.ts";
import type { Clock, NodeService, RefusalReason } from "../node/mod.ts";
import { readChangesSummary, writeChanges } from "../wire/mod.ts";
import type { ChangesPlace, ChangesQuery, ChangesSummary } from "../wire/mod.ts";
import { groupZero } from "./exchange.ts";
import type { ServiceOutcome } from "./gateway.ts";
import { patienceMs } from "./limits.ts";
import type { ServiceLimits } from "./limits.ts";
import { refusalError } from "./http_errors.ts";

export interface WatchesOptions {
  readonly node: NodeService;
  readonly clock: Clock;
  readonly limits: ServiceLimits;
}

/** How many who wait are looked after before the event loop may turn to something else. */
const wokenAtOnceMax = 32;

interface Waiting {
  query: ChangesQuery;
  readonly deadline: number;
  readonly done: (outcome: ServiceOutcome) => void;
}

export class Watches {
  private readonly options: WatchesOptions;
  private readonly deadlines: Deadlines<Waiting>;
  private readonly stopListening: () => void;
  private readonly writer = new ByteWriter();
  /** All who wait. */
  private readonly waiting = new Set<Waiting>();
  /** Those of them that have not been looked after since the store got newer. */
  private readonly woken = new Set<Waiting>();
  private wakeDeferred = false;
  private stopped = false;

  constructor(options: WatchesOptions) {
    const { node, clock } = options;
    this.options = options;
    this.deadlines = new Deadlines(clock, (waiting) => {
      this.read(waiting, true);
    });
    const stopRevisions = node.onRevision(groupZero, () => {
      for (const waiting of this.waiting) this.woken.add(waiting); // behind those whose turn has not come yet
      this.deferWake();
    });
    const stopChanges = node.onChange(() => {
      if (this.isRemoved) this.endAll("removed");
    });
    this.stopListening = () => {
      stopRevisions();
      stopChanges();
    };
  }

  /**
   * Calls `done` once: with the next changes as soon as there are any, with none when `timeoutMs` is over, or with the
   * reason why there will be none. Returns how to give up, after which `done` is not called.
   */
  poll(query: ChangesQuery, timeoutMs: number, done: (outcome: ServiceOutcome) => void): () => void {
    const { clock, limits } = this.options;
    const waiting: Waiting = { query, done, deadline: clock.now() + patienceMs(timeoutMs) };
    if (this.stopped) done({ kind: "failed", error: this.error("stopping") });
    else if (this.isRemoved) done({ kind: "failed", error: this.error("removed") });
    else if (this.waiting.size >= limits.watchersMax) done({ kind: "failed", error: tooMany(limits.watchersMax) });
    else {
      this.waiting.add(waiting);
      this.deadlines.add(waiting);
      this.read(waiting, false);
    }
    return () => {
      this.remove(waiting);
    };
  }

  /** Ends everybody who waits. */
  stop(): void {
    this.stopped = true;
    this.stopListening();
    this.endAll("stopping");
  }

  private endAll(reason: RefusalReason): void {
    for (const waiting of [...this.waiting]) {
      if (this.remove(waiting)) waiting.done({ kind: "failed", error: this.error(reason) });
    }
  }

  /** Whether nothing new will ever be seen here. */
  private get isRemoved(): boolean {
    return this.options.node.view(groupZero).removed;
  }

  private error(reason: RefusalReason): ProaError {
    const { node } = this.options;
    return refusalError("read", { reason, leader: node.view(groupZero).leader }, node);
  }

  private deferWake(): void {
    if (this.wakeDeferred || this.woken.size === 0) return;
    this.wakeDeferred = true;
    this.options.clock.defer(() => {
      this.wakeDeferred = false;
      const first = [...this.woken.values().take(wokenAtOnceMax)];
      for (const waiting of first) this.woken.delete(waiting);
      for (const waiting of first) if (this.waiting.has(waiting)) this.read(waiting, false);
      this.deferWake();
    });
  }

  /** Answers `waiting` if there is something, or if this is its `last` chance; else remembers how far it is. */
  private read(waiting: Waiting, last: boolean): void {
    const { writer } = this;
    writer.reset();
    writeChanges(writer, waiting.query);
    const request = { queries: writer.peek(), count: 1, consistency: "stale" } as const;
    this.options.node.read(groupZero, request, (outcome) => {
      if (outcome.kind !== "answered") {
        this.end(waiting, { kind: "failed", error: this.error(outcome.reason) });
        return;
      }
      const summary = summaryOf(outcome.answers);
      if (summary instanceof ProaError) this.end(waiting, { kind: "failed", error: summary });
      else if (summary.count > 0 || last) {
        this.end(waiting, { kind: "done", body: outcome.answers, appliedIndex: outcome.appliedIndex });
      } else this.goOn(waiting, summary);
    });
  }

  private goOn(waiting: Waiting, { next, revision }: ChangesSummary): void {
    waiting.query = { ...waiting.query, from: next };
    if (isBehind(next, revision)) return; // all was looked at
    this.woken.add(waiting);
    this.deferWake();
  }

  private end(waiting: Waiting, outcome: ServiceOutcome): void {
    this.remove(waiting);
    waiting.done(outcome);
  }

  private remove(waiting: Waiting): boolean {
    this.deadlines.delete(waiting);
    this.woken.delete(waiting);
    return this.waiting.delete(waiting);
  }
}

/** Whether `place` is behind all that a store at `revision` has. */
function isBehind(place: ChangesPlace, revision: number): boolean {
  return place.revision > revision;
}

function summaryOf(answer: Uint8Array): ChangesSummary | ProaError {
  try {
    return readChangesSummary(answer);
  } catch (error) {
    if (error instanceof ProaError) return error;
    throw error;
  }
}

function tooMany(watchersMax: number): ProaError {
  return new ProaError("OVERLOADED", `Cannot watch: ${watchersMax} watchers wait here already`, {
    hint: "ask another node",
  });
}
