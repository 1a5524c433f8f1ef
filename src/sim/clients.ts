/**
 * Clients that each do one thing at a time: they ask any node, go elsewhere where they are refused, and give up after a
 * while. What they ask and are told goes into the history; they forget nothing and judge nothing.
 */
import type { Random } from "../lib/random.ts";
import type { Consistency } from "../node/mod.ts";
import type { RequestId } from "../wire/mod.ts";
import { answersTo, answerTo, type CommandAnswer, onceAnswersTo } from "./answers.ts";
import { askToRead, askToWrite, type Ending } from "./asking.ts";
import { between, happens, pick, streamOf, waitMs } from "./chance.ts";
import type { Cluster } from "./cluster.ts";
import { type Command, describeCommand, encodeCommands, encodeOnce } from "./commands.ts";
import { Drafts } from "./drafts.ts";
import type { ReadAnswer, WriteRecord } from "./history.ts";
import type { Host } from "./host.ts";
import { describeQuery, encodeQuery, type Query } from "./operations.ts";
import type { ValueId } from "./versions.ts";

/** How the requests of a run ended. */
export interface RequestCounters {
  applied: number;
  answered: number;
  refused: number;
  /** Answered too late for the client, or never. */
  unknown: number;
}

/** More tries than this for one request wait for the next. */
const triesMax = 4;

/** Starts the clients of a run; they go on until `isOver`. */
export function startClients(cluster: Cluster, isOver: () => boolean): RequestCounters {
  const counters: RequestCounters = { applied: 0, answered: 0, refused: 0, unknown: 0 };
  const values = { last: 0 };
  for (let number = 1; number <= cluster.plan.clients; number++)
    new Client(number, cluster, { counters, values, isOver }).pause();
  return counters;
}

interface Shared {
  readonly counters: RequestCounters;
  /** Makes the names of values, which are never used twice. */
  readonly values: { last: ValueId };
  readonly isOver: () => boolean;
}

class Client {
  private readonly random: Random;
  /** The node that it asks next, if somebody named it. */
  private leader: Host | null = null;
  /** The one node that it always asks, if it has one. */
  private readonly home: Host | null;
  private readonly drafts: Drafts;
  /** The number of its latest write with an id. */
  private lastSeq = 0;

  constructor(
    private readonly number: number,
    private readonly cluster: Cluster,
    private readonly shared: Shared,
  ) {
    this.random = streamOf(cluster.plan.seed, `client ${number}`);
    this.drafts = new Drafts(cluster.plan, this.random, number);
    this.home = happens(this.random, 0.3) ? pick(this.random, cluster.hosts) : null;
  }

  /** Does nothing for a while, then the next thing. */
  pause(): void {
    this.cluster.timeline.after(waitMs(this.random, this.cluster.plan.pauseMs), () => {
      if (!this.shared.isOver()) this.act();
    });
  }

  private act(): void {
    const { random } = this;
    const { readWeight } = this.cluster.plan;
    if (this.cluster.isQuiet || happens(random, readWeight / (1 + readWeight))) {
      const consistency = happens(random, 0.2)
        ? "stale"
        : happens(random, this.cluster.plan.leaseShare)
          ? "lease"
          : "linearizable";
      this.tryRead(this.drafts.query(), consistency, triesMax);
    } else {
      const batch = happens(random, 0.15) ? random.integer(2, 3) : 1;
      const draft = Array.from({ length: batch }, () => this.drafts.command());
      if (happens(random, 0.25)) this.writeOnce(this.withFreshValues(draft));
      else this.tryWrite(() => this.withFreshValues(draft), triesMax);
    }
  }

  private withFreshValues(commands: readonly Command[]): readonly Command[] {
    const { values } = this.shared;
    return commands.map((command) => this.drafts.withValues(command, () => ++values.last));
  }

  private tryWrite(draft: () => readonly Command[], tries: number): void {
    const { cluster } = this;
    const { history } = cluster;
    const commands = draft();
    const encoded = encodeCommands(commands);
    const record = history.beginWrite(commands);
    askToWrite(cluster, {
      client: this.number,
      host: this.chooseHost(),
      name: () => describeCommands(commands),
      request: { commands: encoded, count: commands.length },
      onApplied: ({ index, results }) => this.endWrite(record, { index, answers: answersTo(commands, results) }),
      onRefused: () => history.refuseWrite(record),
      onEnd: (ending) => this.after(ending, tries, (left) => this.tryWrite(draft, left)),
    });
  }

  /** A write with an id, which is sent again, the same, until it is answered, and sometimes once more after that (rule C1). */
  private writeOnce(commands: readonly Command[]): void {
    const { history } = this.cluster;
    const id = { born: 0, session: `c${this.number}`, seq: ++this.lastSeq };
    const encoded = encodeCommands(commands);
    const request = { commands: encodeOnce(id, encoded), count: 1 };
    const record = history.beginWrite(commands);
    this.tryOnce({ request, record, id, mayHaveRun: false }, triesMax);
  }

  private tryOnce(write: OnceWrite, tries: number): void {
    const { cluster } = this;
    const { history, reference } = cluster;
    const { request, record, id } = write;
    askToWrite(cluster, {
      client: this.number,
      host: this.chooseHost(),
      name: () => `${id.session}.${id.seq}: ${describeCommands(record.commands)}`,
      request,
      onApplied: (outcome) => {
        const answers = onceAnswersTo(record.commands, outcome.results);
        const told = { index: reference.indexOfRequest(id), answers };
        if (record.answers === null) this.endWrite(record, told);
        else reference.checkWrite(record.commands, told);
      },
      onRefused: () => {
        if (!write.mayHaveRun) history.refuseWrite(record);
      },
      onEnd: (ending) => this.afterOnce(write, ending, tries),
    });
  }

  private afterOnce(write: OnceWrite, ending: Ending, tries: number): void {
    if (ending.kind === "refused") return this.after(ending, 1, () => undefined);
    if (ending.kind === "done" && !happens(this.random, 0.2)) return this.pause();
    if (ending.kind === "lost") this.shared.counters.unknown++;
    if (tries <= 1 || this.shared.isOver()) return this.pause();
    this.leader = null;
    write.mayHaveRun = true; // for a refusal of an earlier try that comes late, be it before the next one is sent
    this.cluster.timeline.after(between(this.random, 0, this.cluster.plan.pauseMs), () => {
      if (!this.shared.isOver()) this.tryOnce(write, tries - 1);
    });
  }

  private endWrite(
    record: WriteRecord,
    told: { readonly index: number; readonly answers: readonly CommandAnswer[] },
  ): void {
    this.cluster.history.endWrite(record, told);
    this.shared.counters.applied += record.commands.length;
    record.commands.forEach((command, position) => this.drafts.learnFromWrite(command, told.answers[position]));
  }

  private tryRead(query: Query, consistency: Consistency, tries: number): void {
    const { cluster } = this;
    const { history, plan } = cluster;
    const isTrusted = consistency === "linearizable" || (consistency === "lease" && plan.leasesHold);
    const record = isTrusted ? history.beginRead(query) : null;
    askToRead(cluster, {
      client: this.number,
      host: consistency === "lease" ? this.chooseLeader() : this.chooseHost(),
      name: () => `${consistency} ${describeQuery(query)}`,
      request: { queries: encodeQuery(query), count: 1, consistency },
      onAnswered: (outcome) => {
        const answer = answerTo(query, outcome);
        if (record === null) return history.checkStale(query, answer);
        history.endRead(record, answer);
        this.learnFromRead(query, answer);
      },
      onEnd: (ending) => this.after(ending, tries, (left) => this.tryRead(query, consistency, left)),
    });
  }

  private after(ending: Ending, tries: number, again: (triesLeft: number) => void): void {
    const { counters, isOver } = this.shared;
    if (ending.kind === "lost") counters.unknown++;
    if (ending.kind === "refused") counters.refused++;
    this.leader = ending.kind === "refused" ? ending.leader : ending.kind === "done" ? this.leader : null;
    // Whoever does not know what became of a request may ask for the same again.
    const wantsMore = ending.kind === "refused" || (ending.kind === "lost" && happens(this.random, 0.5));
    if (!wantsMore || tries <= 1) return this.pause();
    this.cluster.timeline.after(between(this.random, 0, this.cluster.plan.pauseMs), () => {
      if (!isOver()) again(tries - 1);
    });
  }

  private chooseHost(): Host {
    const { cluster, random, leader, home } = this;
    if (home !== null && cluster.hosts.includes(home)) return home;
    const { believers } = cluster;
    if (believers.length > 1 && happens(random, 0.5)) return pick(random, believers);
    if (leader !== null && happens(random, 0.9)) return leader;
    const { leader: known } = cluster;
    return known !== null && happens(random, 0.6) ? known : pick(random, cluster.hosts);
  }

  /** Somebody who believes to lead: of several, more often one that has been replaced, because there a lease can be wrong. */
  private chooseLeader(): Host {
    const { cluster, random } = this;
    const { leader } = cluster;
    const replaced = cluster.up.filter((host) => host !== leader && host.state.role.kind === "leader");
    return replaced.length > 0 && happens(random, 0.8) ? pick(random, replaced) : this.chooseHost();
  }

  private learnFromRead(query: Query, answer: ReadAnswer): void {
    this.shared.counters.answered++;
    this.drafts.learnFromRead(this.cluster.history.keysOf(query), answer.found);
  }
}

/** A write with an id, which may be sent many times. */
interface OnceWrite {
  readonly request: { readonly commands: Uint8Array; readonly count: number };
  readonly record: WriteRecord;
  readonly id: RequestId;
  /** Whether it was sent before and nobody knows what became of that. */
  mayHaveRun: boolean;
}

function describeCommands(commands: readonly Command[]): string {
  return commands.map(describeCommand).join(", ");
}
