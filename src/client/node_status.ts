/** What `GET /api/status` says, as far as a client looks at it. Fields that are missing make it no status. */
import { isRecord, parseJson } from "./json.ts";

/** One node's own view. The names are those of the wire. */
export interface NodeReport {
  readonly cluster_id: string;
  readonly cluster: string;
  readonly node_id: number;
  readonly version: string;
  readonly role: string;
  readonly term: number;
  readonly leader: number | null;
  readonly last_index: number;
  readonly applied_index: number;
  readonly members: {
    readonly voters: readonly number[];
    readonly outgoing: readonly number[];
    readonly learners: readonly number[];
  };
  readonly servers: readonly { readonly id: number; readonly service: string }[];
  readonly transport: TransportReport;
  /** Empty on a node that does not lead. */
  readonly peers: readonly PeerReport[];
}

/** What carries the node's messages to the others. */
export interface TransportReport {
  readonly kind: string;
  /** The fingerprint of its cluster key; null where it has none. */
  readonly key: string | null;
}

/** What a leader knows of another node. */
export interface PeerReport {
  readonly id: number;
  readonly match: number;
  readonly lag: number;
  readonly rtt_ms: number | null;
  readonly state: string;
  readonly active: boolean;
}

/** The report that `body` holds; null where it is none. */
export function parseNodeReport(body: Uint8Array): NodeReport | null {
  const status = parseJson(body);
  return isNodeReport(status) ? status : null;
}

function isNodeReport(value: unknown): value is NodeReport {
  if (!isRecord(value)) return false;
  const { members, servers, peers, transport } = value;
  return (
    ["cluster_id", "cluster", "version", "role"].every((name) => typeof value[name] === "string") &&
    ["node_id", "term", "last_index", "applied_index"].every((name) => typeof value[name] === "number") &&
    isNumberOrNull(value["leader"]) &&
    isRecord(members) &&
    isListOf(members["voters"], isNumber) &&
    isListOf(members["outgoing"], isNumber) &&
    isListOf(members["learners"], isNumber) &&
    isListOf(
      servers,
      (server) => isRecord(server) && isNumber(server["id"]) && typeof server["service"] === "string",
    ) &&
    isListOf(peers, isPeerReport) &&
    isTransportReport(transport)
  );
}

function isPeerReport(value: unknown): boolean {
  return (
    isRecord(value) &&
    ["id", "match", "lag"].every((name) => isNumber(value[name])) &&
    isNumberOrNull(value["rtt_ms"]) &&
    typeof value["state"] === "string" &&
    typeof value["active"] === "boolean"
  );
}

function isTransportReport(value: unknown): boolean {
  if (!isRecord(value)) return false;
  return typeof value["kind"] === "string" && (value["key"] === null || typeof value["key"] === "string");
}

function isListOf(value: unknown, isElement: (element: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isElement);
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}

function isNumberOrNull(value: unknown): boolean {
  return value === null || isNumber(value);
}
