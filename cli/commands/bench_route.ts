/** Where the requests of `proa bench` go: to the leader, or to all nodes alike. Looks again when something goes wrong. */
import { leaderOf } from "../cluster_view.ts";
import { survey } from "../survey.ts";
import { HttpClient, sleep } from "../../src/client/http_client.ts";
import type { RpcOutcome } from "../../src/client/rpc_connection.ts";
import { assert } from "../../src/lib/assert.ts";
import { ProaError } from "../../src/lib/errors.ts";

/** How long a look at the nodes may take, and how often one is taken while something is wrong. Milliseconds. */
const lookMs = 1000;
const pauseMs = 100;

interface View {
  /** The service ports of all nodes that are known. */
  readonly nodes: readonly string[];
  readonly leader: string;
}

export class Route {
  private looking = false;
  private closed = false;
  /** What went wrong last; null if nothing did. */
  trouble: ProaError | null = null;

  private constructor(
    private readonly endpoints: readonly string[],
    private readonly spread: boolean,
    private view: View,
  ) {}

  /** Finds the leader of the cluster at `endpoints`; `spread` sends to all nodes alike. Throws NO_LEADER at `deadline`. */
  static async find(
    endpoints: readonly string[],
    { spread, deadline }: { readonly spread: boolean; readonly deadline: number },
  ): Promise<Route> {
    for (;;) {
      const { view, tried } = await look(endpoints);
      if (view !== null) return new Route(endpoints, spread, view);
      if (performance.now() + pauseMs >= deadline) throw nobodyLeads(tried);
      await sleep(pauseMs);
    }
  }

  /** Where connection `number` is to go. */
  endpointOf(number: number): string {
    const { nodes, leader } = this.view;
    if (!this.spread) return leader;
    const endpoint = nodes[number % nodes.length];
    assert(endpoint !== undefined, "a cluster has a node");
    return endpoint;
  }

  /** Something was refused or lost: perhaps another node leads. */
  onTrouble(outcome: Exclude<RpcOutcome, { kind: "done" }>): void {
    this.trouble = outcome.kind === "refused" ? outcome.error : lostError(outcome.reason);
    if (outcome.kind === "refused" && outcome.error.code === "OVERLOADED") return;
    void this.lookAgain();
  }

  close(): void {
    this.closed = true;
  }

  private async lookAgain(): Promise<void> {
    if (this.looking || this.closed) return;
    this.looking = true;
    await sleep(pauseMs);
    const { view } = await look(this.endpoints);
    if (view !== null) this.view = view;
    this.looking = false;
  }
}

async function look(endpoints: readonly string[]): Promise<{ view: View | null; tried: readonly string[] }> {
  const client = new HttpClient({ endpoints, deadline: performance.now() + 2 * lookMs, trace: () => undefined });
  const { reports, silent } = await survey(client, endpoints);
  const leader = leaderOf(reports);
  const tried = silent.map(({ endpoint, reason }) => `${endpoint}: ${reason}`);
  if (leader === null) return { view: null, tried };
  const service = leader.servers.find(({ id }) => id === leader.node_id)?.service;
  if (service === undefined) return { view: null, tried };
  const answering = new Set(reports.map(({ node_id }) => node_id));
  const nodes = leader.servers.filter(({ id }) => answering.has(id)).map((server) => server.service);
  return { view: { nodes, leader: service }, tried };
}

function nobodyLeads(tried: readonly string[]): ProaError {
  return new ProaError("NO_LEADER", "Cannot run proa bench: no node that answers leads", {
    hint: "start a cluster with proa demo, name one with --endpoints, or let proa bench --local 3 start its own",
    tried,
  });
}

function lostError(reason: string): ProaError {
  return new ProaError("UNREACHABLE", `Cannot reach the cluster any more: ${reason}`, {
    hint: "see proa cluster status",
  });
}
