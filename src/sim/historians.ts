/**
 * Clients that ask for what was: keys at old revisions, the versions of a key, and every change as a watch does, from any
 * node that happens to be there. They let the history be cut short in the middle of it, too.
 */
import type { Random } from "../lib/random.ts";
import { answersTo } from "./answers.ts";
import { askToRead, askToWrite } from "./asking.ts";
import { happens, pick, streamOf, waitMs } from "./chance.ts";
import type { Cluster } from "./cluster.ts";
import { type Command, describeCommand, encodeCommands } from "./commands.ts";
import type { Host } from "./host.ts";
import { describePast, encodePast, pastAnswer, type PastQuery, type WatchQuery } from "./past.ts";

/** Where the numbers of historians begin, behind those of all other clients. */
const firstNumber = 101;

/** Starts the historians of a run; they go on until `isOver`. */
export function startHistorians(cluster: Cluster, isOver: () => boolean): void {
  for (let number = firstNumber; number < firstNumber + cluster.plan.historians; number++)
    new Historian(number, cluster, isOver).pause();
}

class Historian {
  private readonly random: Random;
  /** What it watches and from where on: the one thing that it must not lose. */
  private watch: WatchQuery;
  /** The newest revision that it heard of. */
  private revision = 1;

  constructor(
    private readonly number: number,
    private readonly cluster: Cluster,
    private readonly isOver: () => boolean,
  ) {
    const random = streamOf(cluster.plan.seed, `historian ${number}`);
    this.random = random;
    this.watch = {
      kind: "changes",
      ...(happens(random, 0.6) ? { start: "a", end: "z" } : this.drawRange()),
      only: pick(random, [null, null, null, "put", "delete"] as const),
      previous: happens(random, 0.5),
      from: { revision: 2, skip: 0 },
    };
  }

  /** Does nothing for a while, then the next thing. */
  pause(): void {
    this.cluster.timeline.after(waitMs(this.random, 4 * this.cluster.plan.pauseMs), () => {
      if (!this.isOver()) this.act();
    });
  }

  private act(): void {
    const { random, cluster } = this;
    if (!cluster.isQuiet && happens(random, 0.08)) this.set();
    else if (happens(random, 0.5)) this.goOnWatching();
    else this.ask(this.drawQuery(), happens(random, 0.5) ? "stale" : "linearizable");
  }

  /** From the place where it is, which moves only with an answer; whoever answers late tells nothing new. */
  private goOnWatching(): void {
    const { watch } = this;
    this.ask(watch, "stale", (next) => {
      if (this.watch === watch) this.watch = { ...watch, from: next };
    });
  }

  private ask(
    query: PastQuery,
    consistency: "stale" | "linearizable",
    onNext: (next: WatchQuery["from"]) => void = () => undefined,
  ): void {
    const { cluster } = this;
    const { history, reference } = cluster;
    const { floor } = history;
    askToRead(cluster, {
      client: this.number,
      host: this.chooseHost(),
      name: () => `${consistency} ${describePast(query)}`,
      request: { queries: encodePast(query), count: 1, consistency },
      onAnswered: ({ answers, appliedIndex }) => {
        const { text, next } = pastAnswer(query, answers.slice());
        reference.checkPast(query, { index: appliedIndex, text });
        if (consistency === "linearizable") history.checkFloor(floor, appliedIndex);
        this.revision = Math.max(this.revision, reference.revisionAt(appliedIndex));
        if (next !== null) onNext(next);
      },
      onEnd: () => this.pause(),
    });
  }

  /** Lets so little be kept that what is asked for is soon compacted. */
  private set(): void {
    const { cluster, random } = this;
    const { history } = cluster;
    const settings = happens(random, 0.2)
      ? { history_bytes: pick(random, [1024, 4096]) }
      : { history_revisions: pick(random, [1, 2, 5, 20, 100]) };
    const commands: readonly Command[] = [{ kind: "set", settings }];
    const record = history.beginWrite(commands);
    askToWrite(cluster, {
      client: this.number,
      host: cluster.leader ?? this.chooseHost(),
      name: () => commands.map(describeCommand).join(),
      request: { commands: encodeCommands(commands), count: 1 },
      onApplied: ({ index, results }) => history.endWrite(record, { index, answers: answersTo(commands, results) }),
      onRefused: () => history.refuseWrite(record),
      onEnd: () => this.pause(),
    });
  }

  private drawQuery(): PastQuery {
    const { random } = this;
    const key = pick(random, this.cluster.plan.keys);
    const kind = pick(random, ["getAt", "rangeAt", "history", "changes"] as const);
    switch (kind) {
      case "getAt":
        return { kind, key, revision: this.drawRevision() };
      case "rangeAt":
        return { kind, ...this.drawRange(), revision: this.drawRevision() };
      case "history": {
        const below = happens(random, 0.5) ? null : this.drawRevision();
        return { kind, key, below, limit: happens(random, 0.5) ? null : random.integer(1, 4) };
      }
      case "changes": // in the middle of a revision
        return { ...this.watch, from: { revision: this.drawRevision(), skip: random.integer(0, 2) } };
    }
  }

  /** Any that there was, more often one of the last, and sometimes one that is still to come. */
  private drawRevision(): number {
    const { random, revision } = this;
    if (happens(random, 0.1)) return revision + random.integer(1, 3);
    return happens(random, 0.5) ? Math.max(1, revision - random.integer(0, 12)) : random.integer(1, revision);
  }

  private drawRange(): { readonly start: string; readonly end: string } {
    const start = pick(this.random, this.cluster.plan.keys);
    return { start, end: String.fromCharCode(start.charCodeAt(0) + this.random.integer(1, 3)) };
  }

  private chooseHost(): Host {
    return pick(this.random, this.cluster.hosts);
  }
}
