/** One picture of the cluster, made of what each node says about itself. Pure: who was asked, and when, is decided elsewhere. */
import type { NodeReport, PeerReport } from "../src/client/node_status.ts";

/** What was heard from everybody who was asked. */
export interface Survey {
  readonly reports: readonly NodeReport[];
  /** Endpoints without a report, and what they said. */
  readonly silent: readonly { readonly endpoint: string; readonly reason: string }[];
}

/** How a node takes part. `snapshot`: the leader sends it one. `cut_off`: it answers us, but not the leader. */
export type NodeState = "ok" | "catching_up" | "snapshot" | "cut_off" | "unreachable";

/** What one may rely on. `degraded`: it serves, and a node is missing. `conflict`: the nodes contradict each other. */
export type Health = "healthy" | "degraded" | "no_leader" | "no_quorum" | "conflict" | "unreachable";

export interface NodeRow {
  readonly id: number;
  /** Null where the node does not answer. */
  readonly role: string | null;
  readonly term: number | null;
  readonly service: string;
  /** The last index that it is known to store; null without a leader that knows. */
  readonly match: number | null;
  readonly applied: number | null;
  /** Entries that it lacks; null on the leader, and without one. */
  readonly lag: number | null;
  readonly rtt_ms: number | null;
  readonly state: NodeState;
  readonly version: string | null;
}

/** The JSON of `proa cluster status`: field names are a contract. */
export interface ClusterView {
  readonly cluster: string | null;
  readonly cluster_id: string | null;
  readonly term: number;
  readonly leader: number | null;
  /** How many voters decide. */
  readonly quorum: number;
  readonly voters: number;
  /** Voters that take part: they answer, and the leader hears them. */
  readonly voters_active: number;
  readonly health: Health;
  /** What is wrong, one sentence each. */
  readonly problems: readonly string[];
  readonly nodes: readonly NodeRow[];
}

/** A follower that lacks no more entries than this is up to date: they are on their way. */
const lagMax = 10;

/** Puts the reports together. */
export function clusterView({ reports, silent }: Survey): ClusterView {
  const leader = leaderOf(reports);
  const authority = leader ?? newestOf(reports); // whose list of members and servers counts
  const nodes = authority === null ? [] : rowsOf({ authority, leader, reports });
  const voterIds = authority?.members.voters ?? [];
  const active = nodes.filter(({ id, state }) => voterIds.includes(id) && takesPart(state));
  const quorum = Math.floor(voterIds.length / 2) + 1;
  const conflicts = conflictsOf(reports);
  const disagreements = disagreementsOf(reports);
  const missing = nodes.filter(({ state }) => !takesPart(state));
  return {
    cluster: authority?.cluster ?? null,
    cluster_id: authority?.cluster_id ?? null,
    term: authority?.term ?? 0,
    leader: leader?.node_id ?? null,
    quorum,
    voters: voterIds.length,
    voters_active: active.length,
    health: healthOf({
      conflicts,
      leader,
      active: active.length,
      quorum,
      missing: missing.length + disagreements.length,
      answered: reports.length,
    }),
    problems: [...conflicts, ...disagreements, ...missing.map((node) => problemOf(node, silent))],
    nodes,
  };
}

function takesPart(state: NodeState): boolean {
  return state !== "unreachable" && state !== "cut_off";
}

/** Of the nodes that say they lead, the one in the newest term; null when a majority has gone on to a newer one. */
export function leaderOf(reports: readonly NodeReport[]): NodeReport | null {
  const leader = newestOf(reports.filter(({ role }) => role === "leader"));
  if (leader === null) return null;
  const { voters } = leader.members;
  const ahead = reports.filter(({ node_id, term }) => voters.includes(node_id) && term > leader.term);
  return ahead.length > voters.length / 2 ? null : leader;
}

function newestOf(reports: readonly NodeReport[]): NodeReport | null {
  return reports.reduce<NodeReport | null>((best, report) => (best && best.term >= report.term ? best : report), null);
}

/** Whether a majority of the voters of `leader` report it as their leader in its term, itself included. */
export function isAgreed(leader: NodeReport, reports: readonly NodeReport[]): boolean {
  const { voters } = leader.members;
  const agreeing = reports.filter(
    ({ node_id, term, leader: known }) => voters.includes(node_id) && term === leader.term && known === leader.node_id,
  );
  return agreeing.length > voters.length / 2;
}

interface Sources {
  readonly authority: NodeReport;
  readonly leader: NodeReport | null;
  readonly reports: readonly NodeReport[];
}

function rowsOf({ authority, leader, reports }: Sources): readonly NodeRow[] {
  return authority.servers.map(({ id, service }) => {
    const report = reports.find(({ node_id }) => node_id === id) ?? null;
    const peer = leader?.peers.find((candidate) => candidate.id === id) ?? null;
    const isLeader = leader !== null && leader.node_id === id;
    return {
      id,
      role: report?.role ?? null,
      term: report?.term ?? null,
      service,
      match: isLeader ? leader.last_index : (peer?.match ?? null),
      applied: report?.applied_index ?? null,
      lag: peer?.lag ?? null,
      rtt_ms: peer?.rtt_ms ?? null,
      state: stateOf({ report, peer, isLeader }),
      version: report?.version ?? null,
    };
  });
}

function stateOf(node: {
  readonly report: NodeReport | null;
  readonly peer: PeerReport | null;
  readonly isLeader: boolean;
}): NodeState {
  if (node.report === null) return "unreachable";
  if (node.isLeader || node.peer === null) return "ok";
  if (!node.peer.active) return "cut_off";
  if (node.peer.state === "snapshot") return "snapshot";
  return node.peer.state === "probe" || node.peer.lag > lagMax ? "catching_up" : "ok";
}

function healthOf(facts: {
  readonly conflicts: readonly string[];
  readonly leader: NodeReport | null;
  readonly active: number;
  readonly quorum: number;
  readonly missing: number;
  readonly answered: number;
}): Health {
  if (facts.answered === 0) return "unreachable";
  if (facts.conflicts.length > 0) return "conflict";
  if (facts.active < facts.quorum) return "no_quorum";
  if (facts.leader === null) return "no_leader";
  return facts.missing > 0 ? "degraded" : "healthy";
}

/** What cannot be true of one cluster. */
function conflictsOf(reports: readonly NodeReport[]): readonly string[] {
  const conflicts: string[] = [];
  const [first] = reports;
  for (const report of reports) {
    if (first && report.cluster_id !== first.cluster_id) {
      conflicts.push(`nodes ${first.node_id} and ${report.node_id} belong to different clusters`);
    }
  }
  const leaders = reports.filter(({ role }) => role === "leader");
  leaders.forEach((one, at) => {
    const other = leaders.slice(at + 1).find(({ term, node_id }) => term === one.term && node_id !== one.node_id);
    if (other) conflicts.push(`nodes ${one.node_id} and ${other.node_id} both lead in term ${one.term}`);
  });
  return conflicts;
}

/** Why nodes of one cluster never meet: they speak of the same thing in different ways. */
function disagreementsOf(reports: readonly NodeReport[]): readonly string[] {
  const ways = [
    {
      many: "transports",
      of: ({ transport }: NodeReport) => transport.kind,
      mend: "start all with the same --transport",
    },
    {
      many: "cluster keys",
      of: ({ transport }: NodeReport) => transport.key ?? "none",
      mend: "give all the same --cluster-key-file",
    },
  ];
  return ways.flatMap(({ many, of, mend }) => {
    const groups = Map.groupBy(reports, of);
    if (groups.size < 2) return [];
    const parts = [...groups].map(([way, nodes]) => `${way} (${nodes.map(({ node_id }) => node_id).join(", ")})`);
    return [`nodes have different ${many}, and do not hear each other: ${parts.join(", ")}; ${mend}`];
  });
}

function problemOf({ id, state, service }: NodeRow, silent: Survey["silent"]): string {
  if (state === "cut_off") return `node ${id} answers, but the leader does not hear it`;
  const reason = silent.find(({ endpoint }) => endpoint === service)?.reason;
  return `node ${id} does not answer at ${service}${reason === undefined ? "" : `: ${reason}`}`;
}
