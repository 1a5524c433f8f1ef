/** Leases over HTTP: which request does what, and what its answer holds (docs/http.md). */
import type { HttpClient } from "./http_client.ts";
import type { HttpAnswer } from "./http_exchange.ts";
import { isRecord } from "./json.ts";
import { jsonAnswer, malformed, numberField, onceOf } from "./kv_requests.ts";
import type { Deletion, RequestIdChoice } from "./kv_requests.ts";
import { percentDecode } from "./key_text.ts";

/** As a grant or a renewal answers it. */
export interface Granted {
  readonly id: number;
  readonly ttl_ms: number;
  readonly revision: number;
}

/** What the leader knows of a lease. */
export interface LeaseFacts {
  readonly id: number;
  readonly ttl_ms: number;
  readonly remaining_ms: number;
  /** Whether it was granted with a put, and ends with its last key. */
  readonly bound: boolean;
  readonly key_count: number;
}

export interface LeasePage {
  readonly revision: number;
  readonly lease: LeaseFacts;
  /** As the server wrote them: fields of JSON. */
  readonly keys: readonly Readonly<Record<string, unknown>>[];
  /** The start of the page that follows; null on the last one. */
  readonly next: Uint8Array | null;
}

export interface LeasesPage {
  readonly revision: number;
  /** How many there are. */
  readonly count: number;
  readonly leases: readonly LeaseFacts[];
  /** Behind which grant the page that follows begins; null on the last one. */
  readonly next: number | null;
}

/** Grants a lease. Throws LEASE_EXISTS, TOO_MANY_LEASES, OUTCOME_UNKNOWN. */
export async function grantLease(
  client: HttpClient,
  request: { readonly ttl: string; readonly id: number | undefined; readonly requestId: RequestIdChoice },
): Promise<Granted> {
  const { ttl, id, requestId } = request;
  const answer = await client.write({
    method: "POST",
    path: "/v1/leases",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ttl, id }),
    ...onceOf(requestId),
    doing: "grant a lease",
  });
  return grantedOf(answer);
}

/** Ends a lease. Throws LEASE_NOT_FOUND, OUTCOME_UNKNOWN. */
export async function revokeLease(
  client: HttpClient,
  { id, requestId }: { readonly id: number; readonly requestId: RequestIdChoice },
): Promise<Deletion> {
  const path = `/v1/leases/${id}`;
  const answer = await client.write({ method: "DELETE", path, ...onceOf(requestId), doing: `revoke lease ${id}` });
  const body = jsonAnswer(answer);
  return { revision: numberField(answer, body, "revision"), deleted: numberField(answer, body, "deleted") };
}

/** One page of all leases, in the order of their grants. */
export async function listLeases(
  client: HttpClient,
  { after, limit }: { readonly after: number; readonly limit: number | null },
): Promise<LeasesPage> {
  const parts = [...(after === 0 ? [] : [`after=${after}`]), ...(limit === null ? [] : [`limit=${limit}`])];
  const path = `/v1/leases?${parts.join("&")}`;
  const answer = await client.read({ method: "GET", path, doing: "list leases" });
  const body = jsonAnswer(answer);
  const { leases, more } = body;
  if (!Array.isArray(leases) || !leases.every(isRecord)) throw malformed(answer, "leases");
  return {
    revision: numberField(answer, body, "revision"),
    count: numberField(answer, body, "count"),
    leases: leases.map((lease) => factsOf(answer, lease)),
    next: more === true ? numberField(answer, body, "next") : null,
  };
}

/** One lease, with a page of its keys. Throws LEASE_NOT_FOUND. */
export async function showLease(
  client: HttpClient,
  { id, start, limit }: { readonly id: number; readonly start: string; readonly limit: number | null },
): Promise<LeasePage> {
  const atMost = limit === null ? "" : `&limit=${limit}`;
  const path = `/v1/leases/${id}?start=${start}${atMost}`;
  const answer = await client.read({ method: "GET", path, doing: `show lease ${id}` });
  const body = jsonAnswer(answer);
  const { keys, more, next } = body;
  if (!Array.isArray(keys) || !keys.every(isRecord)) throw malformed(answer, "keys");
  const following = more === true && typeof next === "string" ? percentDecode(next) : null;
  if (more === true && following === null) throw malformed(answer, "next");
  return { revision: numberField(answer, body, "revision"), lease: factsOf(answer, body), keys, next: following };
}

function grantedOf(answer: HttpAnswer): Granted {
  const body = jsonAnswer(answer);
  return {
    id: numberField(answer, body, "id"),
    ttl_ms: numberField(answer, body, "ttl_ms"),
    revision: numberField(answer, body, "revision"),
  };
}

function factsOf(answer: HttpAnswer, fields: Readonly<Record<string, unknown>>): LeaseFacts {
  return {
    id: numberField(answer, fields, "id"),
    ttl_ms: numberField(answer, fields, "ttl_ms"),
    remaining_ms: numberField(answer, fields, "remaining_ms"),
    bound: fields["bound"] === true,
    key_count: numberField(answer, fields, "key_count"),
  };
}
