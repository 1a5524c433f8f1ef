/** Hands a whole request to the leader: for the few that only the leader can answer and that are not worth a connection kept open. */
import { classifyFetchFailure } from "../client/fetch_failure.ts";
import { ProaError } from "../lib/errors.ts";
import type { NodeId } from "../raft/mod.ts";
import { fetchOnce } from "../runtime/fetch_once.ts";
import { remainingMs } from "./exchange.ts";
import type { Exchange } from "./exchange.ts";
import { viewHeaders } from "./responses.ts";

/** Hands the request to the leader and its answer back; null when this node is not the first that it reached. */
export async function forwardToLeader(
  exchange: Exchange,
  leader: NodeId | null,
  { path, body, action }: { readonly path: string; readonly body: Uint8Array; readonly action: string },
): Promise<Response | null> {
  const { context, request } = exchange;
  const server = context.node.servers.find(({ id }) => id === leader);
  if (server === undefined || request.headers.has(hopHeader)) return null;
  const timeoutMs = remainingMs(exchange);
  try {
    const response = await fetchOnce(`http://${server.service}${path}`, {
      method: "POST",
      headers: { [hopHeader]: "1", "x-proa-timeout-ms": String(timeoutMs) },
      body: new Uint8Array(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const headers = {
      ...viewHeaders(context.node),
      "content-type": response.headers.get("content-type") ?? "application/json",
    };
    return new Response(await response.arrayBuffer(), { status: response.status, headers });
  } catch (error) {
    throw leaderUnreachable(action, server.id, error);
  }
}

/** Marks a request that a node handed on, so that it is not handed on again. */
const hopHeader = "x-proa-hops";

function leaderUnreachable(action: string, leader: NodeId, cause: unknown): ProaError {
  const { sent, reason } = classifyFetchFailure(cause);
  const code = sent === "no" ? "NO_LEADER" : "OUTCOME_UNKNOWN";
  return new ProaError(code, `Cannot ${action}: the leader, node ${leader}, did not answer (${reason})`, {
    hint: "proa cluster status",
    cause,
  });
}
