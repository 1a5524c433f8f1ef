/** What the verbs of `proa leader` do. */
import { clientOf } from "../client.ts";
import type { Context } from "../context.ts";
import { endpointsOf } from "../endpoints.ts";
import { survey } from "../survey.ts";
import { isRecord, parseJson } from "../../src/client/json.ts";
import type { NodeReport } from "../../src/client/node_status.ts";
import { ProaError } from "../../src/lib/errors.ts";

export async function show(context: Context): Promise<void> {
  const { reports, silent } = await survey(clientOf(context), endpointsOf(context));
  const found = knownLeader(reports);
  if (found !== null) {
    context.output.result(found, () => `leader ${found.leader}   term ${found.term}   ${found.service ?? "–"}\n`);
    return;
  }
  throw new ProaError(
    reports.length === 0 ? "UNREACHABLE" : "NO_LEADER",
    `Cannot show the leader: ${reports.length === 0 ? "no endpoint answers" : "no node knows one"}`,
    {
      hint:
        reports.length === 0
          ? "start a cluster with proa demo, or name its service ports with --endpoints"
          : "wait for it: proa wait leader",
      tried: [
        ...silent.map(({ endpoint, reason }) => `${endpoint}: ${reason}`),
        ...reports.map(({ node_id, role, term }) => `node ${node_id}: ${role} in term ${term}`),
      ],
    },
  );
}

export async function transfer(request: { readonly to: number | undefined }, context: Context): Promise<void> {
  const answer = await clientOf(context).write({
    method: "POST",
    path: "/v1/leader/transfer",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ to: request.to }),
    doing: request.to === undefined ? "transfer leadership" : `transfer leadership to node ${request.to}`,
  });
  const done = parseJson(answer.body);
  if (!isRecord(done))
    throw new ProaError("INTERNAL", `Cannot read the answer of ${answer.endpoint}`, { applied: "yes" });
  const { from, to, term_before: before, term, elapsed_ms: elapsed } = done;
  context.output.confirmation(
    done,
    `leader ${String(from)} → ${String(to)}, term ${String(before)} → ${String(term)}, ${Math.round(Number(elapsed))} ms`,
  );
}

interface KnownLeader {
  readonly leader: number;
  readonly term: number;
  /** Null where the node that knows the leader does not know its service port. */
  readonly service: string | null;
}

/** The leader that is known in the newest term in which a node knows one: there is at most one in a term. */
function knownLeader(reports: readonly NodeReport[]): KnownLeader | null {
  let known: KnownLeader | null = null;
  for (const { leader, term, servers } of reports) {
    if (leader === null || (known !== null && known.term >= term)) continue;
    known = { leader, term, service: servers.find(({ id }) => id === leader)?.service ?? null };
  }
  return known;
}
