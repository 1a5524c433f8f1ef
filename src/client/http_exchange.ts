/** One HTTP request to one endpoint, and all the ways in which it can end, as values. Nothing is tried twice here. */
import { ProaError } from "../lib/errors.ts";
import { fetchOnce } from "../runtime/fetch_once.ts";
import { classifyFetchFailure } from "./fetch_failure.ts";

export interface HttpRequest {
  readonly method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  /** Path and query, percent-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | string;
  /**
   * Takes in the body of a successful answer piece by piece, which is then not kept, and not bounded in time: whoever takes
   * it reads on, or rejects with a `ProaError`, which ends the exchange.
   */
  readonly take?: (body: ReadableStream<Uint8Array>, endpoint: string) => Promise<void>;
}

export interface HttpAnswer {
  readonly endpoint: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export type Exchange =
  /** A node answered, whatever it said. */
  | { readonly kind: "answered"; readonly answer: HttpAnswer }
  /** `sent` tells whether a node may have seen the request. */
  | { readonly kind: "failed"; readonly sent: "no" | "maybe"; readonly reason: string };

export interface ExchangeLimits {
  /** How long to wait until the answer begins, in milliseconds. */
  readonly beginWithinMs: number;
  /** How long to wait until the answer is complete, in milliseconds. */
  readonly endWithinMs: number;
}

/** Sends `request` to `endpoint`, once: a write must never be repeated unasked. */
export async function exchange(endpoint: string, request: HttpRequest, limits: ExchangeLimits): Promise<Exchange> {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
  };
  const endTimer = setTimeout(abort, limits.endWithinMs);
  const beginTimer = setTimeout(abort, limits.beginWithinMs);
  try {
    const response = await fetchOnce(`http://${endpoint}${request.path}`, {
      method: request.method,
      headers: request.headers ?? {},
      ...(request.body === undefined ? {} : { body: request.body }),
      signal: controller.signal,
    });
    clearTimeout(beginTimer);
    const taken = response.ok && response.headers.has("X-Proa-Node") ? request.take : undefined;
    if (taken !== undefined && response.body !== null) {
      clearTimeout(endTimer);
      await taken(response.body, endpoint);
    }
    const body = new Uint8Array(taken === undefined ? await response.arrayBuffer() : []);
    if (!response.headers.get("X-Proa-Node")) return { kind: "failed", sent: "maybe", reason: "not a proa node" };
    return { kind: "answered", answer: { endpoint, status: response.status, headers: response.headers, body } };
  } catch (error) {
    if (error instanceof ProaError) throw error;
    return { kind: "failed", ...classifyFetchFailure(error) };
  } finally {
    clearTimeout(beginTimer);
    clearTimeout(endTimer);
  }
}
