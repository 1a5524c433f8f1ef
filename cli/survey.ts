/** Asks every node of a cluster for its own view, all at once. */
import type { Survey } from "./cluster_view.ts";
import type { HttpClient } from "../src/client/http_client.ts";
import { parseNodeReport } from "../src/client/node_status.ts";
import type { NodeReport } from "../src/client/node_status.ts";

/** How long a node may take to say how it is, in milliseconds: it never waits for others to answer this. */
const patienceMs = 1000;

/** What the nodes at `endpoints`, and all others that they know, say. Each node is reported once. */
export async function survey(client: HttpClient, endpoints: readonly string[]): Promise<Survey> {
  const asked = new Set(endpoints);
  const answers = await askAll(client, endpoints);
  const known = answers.flatMap(({ report }) => report ?? []);
  const others = known.flatMap(({ servers, node_id }) => {
    const unknown = servers.filter(
      ({ id, service }) => id !== node_id && !known.some((report) => report.node_id === id) && !asked.has(service),
    );
    return unknown.map(({ service }) => service);
  });
  const all = [...answers, ...(await askAll(client, [...new Set(others)]))];
  const reports = new Map<string, NodeReport>();
  for (const { report } of all) if (report !== null) reports.set(`${report.cluster_id}/${report.node_id}`, report);
  const silent = all.flatMap(({ endpoint, report, reason }) => (report === null ? [{ endpoint, reason }] : []));
  return { reports: [...reports.values()].sort((a, b) => a.node_id - b.node_id), silent };
}

interface Reply {
  readonly endpoint: string;
  readonly report: NodeReport | null;
  /** Why there is no report. */
  readonly reason: string;
}

function askAll(client: HttpClient, endpoints: readonly string[]): Promise<readonly Reply[]> {
  return Promise.all(endpoints.map((endpoint) => askOne(client, endpoint)));
}

async function askOne(client: HttpClient, endpoint: string): Promise<Reply> {
  const result = await client.ask(endpoint, { method: "GET", path: "/api/status" }, patienceMs);
  if (result.kind === "failed") return { endpoint, report: null, reason: result.reason };
  const report = parseNodeReport(result.answer.body);
  return { endpoint, report, reason: report === null ? `HTTP ${result.answer.status}` : "" };
}
