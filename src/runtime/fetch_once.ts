/**
 * One HTTP request, sent once on a connection of its own. Bun's `fetch` does that where it is asked to close the
 * connection. Deno's sends a request of any method again when its connection is cut before the answer begins, and
 * refuses the ports that browsers refuse; there `node:http` takes its place.
 */
import type { IncomingMessage } from "node:http";

export interface SingleRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | string;
  /** Ends the request, and the body of the answer. */
  readonly signal: AbortSignal;
}

/** The answer, as soon as it begins; no redirect is followed. Rejects with what `classifyFetchFailure` understands. */
export function fetchOnce(url: string, request: SingleRequest): Promise<Response> {
  const headers = { ...request.headers, Connection: "close" }; // one that was kept alive and is dead makes Bun repeat
  if ("Deno" in globalThis) return fetchByNode(url, { ...request, headers });
  return fetch(url, { ...request, headers, redirect: "manual" });
}

async function fetchByNode(url: string, { method, headers, body, signal }: SingleRequest): Promise<Response> {
  const { request } = await import("node:http");
  const { Readable } = await import("node:stream");
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sending = request(url, { method, headers, signal, agent: false }, resolve);
  sending.on("error", reject);
  sending.end(body);
  const answer = await promise;
  const status = answer.statusCode ?? 0;
  const answered = new Headers();
  for (const [name, values] of Object.entries(answer.headersDistinct))
    for (const value of values ?? []) answered.append(name, value);
  const stream: unknown = Readable.toWeb(answer);
  return new Response(bodiless.has(status) ? null : (stream as ReadableStream), { status, headers: answered });
}

/** Statuses whose answers have no body. */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);
