/**
 * Which node a client talks to: the leader where it can be reached, else a node that knows one. Asks every endpoint that
 * it knows for its status, and asks again as soon as an answer or a broken connection says that something has changed.
 */
import { parseNodeReport } from "./node_status.ts";
import type { NodeReport } from "./node_status.ts";
import type { RpcResponse } from "../wire/mod.ts";
import { RpcConnection } from "./rpc_connection.ts";
import type { RpcOutcome } from "./rpc_connection.ts";
import type { Timers } from "./deadlines.ts";

/** What a client needs of the time. */
export interface ClientClock extends Timers {
  /** Calls `callback` once, after what has already arrived was delivered. */
  defer(callback: () => void): void;
}

export interface RouterOptions {
  /** At least one, as `host:port`. */
  readonly endpoints: readonly string[];
  readonly clock: ClientClock;
}

/** Where a request goes. */
export interface Route {
  readonly endpoint: string;
  readonly connection: RpcConnection;
}

/** Somebody who waits until there is a route. */
export interface RouteSeeker {
  /** Whether it still wants one; without seekers nobody is asked. */
  readonly isWaiting: boolean;
  onRoute(route: Route): void;
}

/** How long a connection may take to open, in milliseconds: below what a caller waits, so that another node can be asked. */
const openMs = 1000;
/** How long the endpoints may take to tell their status, in milliseconds: first, and at most, for it doubles with each survey that found nobody. */
const surveyMs = { first: 500, longest: 4000 };
/** How long the other endpoints may contradict the first one that says that it leads, in milliseconds. */
const objectionMs = 20;
/** The pauses between surveys that found nobody, in milliseconds: an election takes a few of them. */
const pauseMs = { first: 20, longest: 400 };

const statusRequest = {
  kind: "status",
  consistency: "stale",
  hops: 0,
  group: 0,
  count: 0,
  body: new Uint8Array(),
} as const;

interface Report {
  readonly endpoint: string;
  readonly report: NodeReport;
}

/** The node that a survey found best. */
interface Choice {
  readonly endpoint: string;
  /** The leader that it knows: perhaps itself. */
  readonly leader: number;
  readonly isLeader: boolean;
  readonly appliedIndex: number;
}

export class Router {
  private readonly options: RouterOptions;
  private readonly connections = new Map<string, RpcConnection>();
  /** Service ports that nodes named, by node id, as the latest survey found them. */
  private servers: ReadonlyMap<number, string> = new Map();
  private current: Choice | null = null;
  private readonly seekers = new Set<RouteSeeker>();
  /** What each endpoint said when it was asked in vain. */
  private readonly setbacks = new Map<string, string>();
  private searching = false;
  /** What asks for a status at the moment. */
  private readonly probes = new Set<RpcConnection>();
  private lastAppliedIndex = 0;
  private closed = false;

  constructor(options: RouterOptions) {
    this.options = options;
  }

  /** Hands `seeker` a route, at once where one is known, else once a node is found that knows a leader. */
  seek(seeker: RouteSeeker): void {
    if (this.current !== null) {
      seeker.onRoute(this.routeTo(this.current.endpoint));
      return;
    }
    this.seekers.add(seeker);
    if (!this.searching) void this.search();
  }

  /** What some node had applied when it was last heard. */
  get appliedIndex(): number {
    return this.lastAppliedIndex;
  }

  /** An answer came over `endpoint` and names a leader: another one than before is looked for. */
  onAnswer(endpoint: string, { leader, appliedIndex }: Pick<RpcResponse, "leader" | "appliedIndex">): void {
    this.lastAppliedIndex = appliedIndex;
    if (endpoint !== this.current?.endpoint || leader === this.current.leader) return;
    if (leader === null) this.onFailure(endpoint, "it knows no leader");
    // The route stays good meanwhile, because every node hands writes on: the leader is only nearer.
    else if (!this.searching) void this.search();
  }

  /** A request over `endpoint` came to nothing: the next one goes elsewhere, or here again once it has recovered. */
  onFailure(endpoint: string, reason: string): void {
    this.setbacks.set(endpoint, reason);
    if (endpoint === this.current?.endpoint) this.current = null;
  }

  /** What the endpoints said, one line each: for errors. */
  get tried(): readonly string[] {
    return [...this.setbacks].map(([endpoint, reason]) => `${endpoint}: ${reason}`);
  }

  /** Ends all requests under way; nothing is routed any more. */
  close(): void {
    this.closed = true;
    this.seekers.clear();
    for (const connection of this.connections.values()) connection.close();
    for (const probe of this.probes) probe.close();
  }

  private routeTo(endpoint: string): Route {
    let connection = this.connections.get(endpoint);
    if (connection === undefined) {
      connection = this.connectionTo(endpoint, openMs);
      this.connections.set(endpoint, connection);
    }
    return { endpoint, connection };
  }

  private connectionTo(endpoint: string, connectTimeoutMs: number): RpcConnection {
    return new RpcConnection({ endpoint, timers: this.options.clock, connectTimeoutMs });
  }

  /** Looks for a node until one is found or nobody waits for one. */
  private async search(): Promise<void> {
    this.searching = true;
    for (let round = 0; !this.closed; round++) {
      const found = bestOf(await this.survey(Math.min(surveyMs.first * 2 ** round, surveyMs.longest)));
      if (found !== null) {
        this.current = found;
        this.lastAppliedIndex = found.appliedIndex;
        break;
      }
      if (this.current !== null || !this.isAwaited()) break;
      await this.pause(Math.min(pauseMs.first * 2 ** round, pauseMs.longest));
    }
    this.searching = false;
    this.release();
  }

  private isAwaited(): boolean {
    for (const seeker of this.seekers) if (!seeker.isWaiting) this.seekers.delete(seeker);
    return this.seekers.size > 0;
  }

  private release(): void {
    if (this.current === null || this.closed) return;
    const seekers = [...this.seekers];
    this.seekers.clear();
    for (const seeker of seekers) if (seeker.isWaiting) this.seek(seeker);
  }

  /** What the nodes say of themselves, as far as they answer within `timeoutMs`. */
  private async survey(timeoutMs: number): Promise<readonly Report[]> {
    const given = this.options.endpoints;
    const asked = new Set([...given, ...this.servers.values()]);
    const reports = await this.reportsOf([...asked], timeoutMs);
    if (reports.length > 0) {
      this.servers = new Map(reports.flatMap(({ report }) => report.servers.map(({ id, service }) => [id, service])));
    }
    const unasked = [...this.servers.values()].filter((endpoint) => !asked.has(endpoint));
    if (unasked.length === 0 || bestOf(reports)?.isLeader === true) return reports;
    return [...reports, ...(await this.reportsOf(unasked, timeoutMs))];
  }

  /** Ends early once a node says that it leads and nobody has objected for a moment. */
  private reportsOf(endpoints: readonly string[], timeoutMs: number): Promise<readonly Report[]> {
    const { clock } = this.options;
    const reports: Report[] = [];
    return new Promise((resolve) => {
      let missing = endpoints.length;
      let cancel: (() => void) | null = null;
      const end = (): void => {
        cancel?.();
        resolve([...reports]); // those that come too late change nothing any more
      };
      for (const endpoint of endpoints) {
        void this.reportOf(endpoint, timeoutMs).then((report) => {
          missing--;
          if (report !== null) reports.push(report);
          if (missing === 0) end();
          else if (report?.report.role === "leader") cancel ??= clock.at(clock.now() + objectionMs, end);
        });
      }
    });
  }

  /** Asks over a connection of its own: what is under way on another must not end because a status is late. */
  private reportOf(endpoint: string, timeoutMs: number): Promise<Report | null> {
    return new Promise((resolve) => {
      const probe = this.connectionTo(endpoint, timeoutMs);
      this.probes.add(probe);
      probe.request({ ...statusRequest, timeoutMs }, (outcome) => {
        this.probes.delete(probe);
        resolve(this.reportIn(endpoint, outcome));
        probe.close();
      });
    });
  }

  private reportIn(endpoint: string, outcome: RpcOutcome): Report | null {
    if (outcome.kind !== "done") {
      this.setbacks.set(endpoint, outcome.kind === "refused" ? outcome.error.message : outcome.reason);
      return null;
    }
    const report = parseNodeReport(outcome.response.body);
    const problem =
      report === null ? "its status cannot be read" : report.leader === null ? "it knows no leader" : null;
    if (problem === null) this.setbacks.delete(endpoint);
    else this.setbacks.set(endpoint, problem);
    return report === null ? null : { endpoint, report };
  }

  private pause(delayMs: number): Promise<void> {
    const { clock } = this.options;
    return new Promise((resolve) => {
      clock.at(clock.now() + delayMs, resolve);
    });
  }
}

/** The leader of the newest term, else a node that knows it; null where nobody knows a leader. */
function bestOf(reports: readonly Report[]): Choice | null {
  let best: Choice | null = null;
  let bestRank = -1;
  for (const { endpoint, report } of reports) {
    const isLeader = report.role === "leader";
    const rank = report.term + (isLeader ? 0.5 : 0);
    if (report.leader === null || rank <= bestRank) continue;
    best = { endpoint, leader: report.leader, isLeader, appliedIndex: report.applied_index };
    bestRank = rank;
  }
  return best;
}
