/** Answers: what all of them carry, and the forms that they have. */
import type { ProaError } from "../lib/errors.ts";
import type { NodeService } from "../node/mod.ts";
import { groupZero } from "./exchange.ts";
import { statusOf } from "./http_errors.ts";

export type ResponseHeaders = Readonly<Record<string, string>>;

/** The node's view, as every answer carries it. */
export function viewHeaders(node: NodeService): ResponseHeaders {
  const { term, leader, revision, appliedIndex } = node.view(groupZero);
  return {
    "x-proa-node": String(node.id),
    "x-proa-term": String(term),
    "x-proa-leader": leader === null ? "" : String(leader),
    "x-proa-revision": String(revision),
    "x-proa-applied": String(appliedIndex),
  };
}

export interface Answer {
  readonly status: number;
  readonly headers?: ResponseHeaders;
}

export function jsonResponse(node: NodeService, answer: Answer, value: unknown): Response {
  const body = `${JSON.stringify(value)}\n`;
  return new Response(body, {
    status: answer.status,
    headers: { ...viewHeaders(node), "content-type": "application/json", ...answer.headers },
  });
}

export function bytesResponse(node: NodeService, answer: Answer, value: Uint8Array<ArrayBuffer>): Response {
  return new Response(value, {
    status: answer.status,
    headers: { ...viewHeaders(node), "content-type": "application/octet-stream", ...answer.headers },
  });
}

/** `status` where the code alone does not say it. */
export function errorResponse(
  node: NodeService,
  error: ProaError,
  { status = statusOf(error), headers = {} }: Partial<Answer> = {},
): Response {
  const retry: ResponseHeaders = status === 503 ? { "retry-after": "1" } : {};
  return jsonResponse(node, { status, headers: { ...retry, ...headers } }, error);
}

/** The same answer without its body, as HEAD wants it. */
export async function withoutBody(response: Response): Promise<Response> {
  const { byteLength } = await response.arrayBuffer();
  const headers = new Headers(response.headers);
  headers.set("content-length", String(byteLength));
  return new Response(null, { status: response.status, headers });
}
