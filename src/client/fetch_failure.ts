/**
 * What a failed `fetch` says about the request: the one place that knows how Bun and Deno word it. When in doubt the
 * request may have been sent, because a write that is taken for unsent is written twice.
 */

export interface FetchFailure {
  /** Whether the server may have seen the request. */
  readonly sent: "no" | "maybe";
  /** A few words for people. */
  readonly reason: string;
}

/**
 * Bun's codes for what goes wrong before a connection stands. EHOSTUNREACH and ENETUNREACH are not among them: the
 * kernel also raises them on a connection that carried the request and then lost its route.
 */
const reasonOfUnsentCode: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ConnectionRefused: "connection refused",
  ENOTFOUND: "host not found",
  EAI_AGAIN: "host not found",
  EADDRNOTAVAIL: "no local address left",
};

/** Classifies what `fetch`, or reading the body it gave, has thrown. */
export function classifyFetchFailure(error: unknown): FetchFailure {
  if (!(error instanceof Error)) return { sent: "maybe", reason: String(error) };
  if (error.name === "AbortError" || error.name === "TimeoutError") return { sent: "maybe", reason: "no answer" };
  const unsent = reasonOfUnsentCode[codeOf(error)];
  if (unsent !== undefined) return { sent: "no", reason: unsent };
  const text = error.cause instanceof Error ? error.cause.message : error.message;
  return classifyText(text);
}

/** Deno names the phase in parentheses; `Connect` is all that precedes the request. */
function classifyText(text: string): FetchFailure {
  if (text.includes("client error (Connect)")) return { sent: "no", reason: connectReason(text) };
  if (/Requests to port \d+ are blocked/.test(text)) return { sent: "no", reason: "the runtime refuses this port" };
  if (/ECONNRESET|reset by peer|closed/i.test(text)) return { sent: "maybe", reason: "connection lost" };
  return { sent: "maybe", reason: `connection failed: ${text.slice(0, 120)}` };
}

function connectReason(text: string): string {
  if (text.includes("Connection refused")) return "connection refused";
  if (text.includes("dns error")) return "host not found";
  return "cannot connect";
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}
