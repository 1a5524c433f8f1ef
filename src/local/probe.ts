/** What a node of this machine says about itself, asked with a short patience. Silence is an answer here, never an error. */
import { exchange, type HttpAnswer } from "../client/http_exchange.ts";
import { isRecord, parseJson } from "../client/json.ts";
import { isPositiveInteger } from "./state_file.ts";

/** The part of `GET /api/status` that a local cluster looks at. */
export interface NodeView {
  readonly id: number;
  readonly pid: number;
  readonly role: string;
  readonly term: number;
}

/** Longer than a node on a busy machine takes, shorter than anybody likes to wait for one that is paused. */
const patienceMs = 1000;

/** The node's own view; null when nobody answers like a node at `service` (`host:port`). */
export async function nodeView(service: string): Promise<NodeView | null> {
  const answer = await get(service, "/api/status");
  const status = answer === null ? null : parseJson(answer.body);
  if (!isRecord(status)) return null;
  const { node_id: id, pid, role, term } = status;
  if (!isPositiveInteger(id) || !isPositiveInteger(pid)) return null;
  return typeof role === "string" && typeof term === "number" ? { id, pid, role, term } : null;
}

/** Whether the node can serve a linearizable request now. */
export async function nodeIsReady(service: string): Promise<boolean> {
  return (await get(service, "/readyz"))?.status === 200;
}

async function get(service: string, path: string): Promise<HttpAnswer | null> {
  const patience = { beginWithinMs: patienceMs, endWithinMs: patienceMs };
  const result = await exchange(service, { method: "GET", path }, patience);
  return result.kind === "answered" ? result.answer : null;
}
