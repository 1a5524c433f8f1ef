/**
 * What a failed `fetchOnce` says about the request: the one place that knows how `fetch` on Bun and `node:http` on Deno
 * word it. When in doubt the request may have been sent, because a write that is taken for unsent is written twice.
 */

export interface FetchFailure {
  /** Whether the server may have seen the request. */
  readonly sent: "no" | "maybe";
  /** A few words for people. */
  readonly reason: string;
}

/**
 * The codes for what goes wrong before a connection stands. EHOSTUNREACH and ENETUNREACH are not among them: the
 * kernel also raises them on a connection that carried the request and then lost its route.
 */
const reasonOfUnsentCode: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ConnectionRefused: "connection refused",
  ENOTFOUND: "host not found",
  EAI_AGAIN: "host not found",
  EADDRNOTAVAIL: "no local address left",
};

/** Classifies what `fetchOnce`, or reading the body of its answer, has thrown. */
export function classifyFetchFailure(error: unknown): FetchFailure {
  if (!(error instanceof Error)) return { sent: "maybe", reason: String(error) };
  if (error.name === "AbortError" || error.name === "TimeoutError") return { sent: "maybe", reason: "no answer" };
  const unsent = reasonOfUnsentCode[codeOf(error)];
  if (unsent !== undefined) return { sent: "no", reason: unsent };
  if (codeOf(error) === "ECONNRESET" || /ECONNRESET|reset by peer|closed/i.test(error.message))
    return { sent: "maybe", reason: "connection lost" };
  return { sent: "maybe", reason: `connection failed: ${error.message.slice(0, 120)}` };
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}
