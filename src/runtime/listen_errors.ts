/** What both HTTP servers do with an error: a port that cannot be had is explained, a bug stops the process. */
import { ProaError } from "../lib/errors.ts";

/** The error for a port that could not be opened; anything but a busy or foreign address is returned as it is. */
export function portError(error: unknown, address: { readonly hostname: string; readonly port: number }): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const endpoint = `${address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname}:${address.port}`;
  if (code === "EADDRINUSE") {
    return new ProaError("PORT_BUSY", `Cannot listen on ${endpoint}: the port is in use`, {
      hint: `find its owner with: ss -ltnp 'sport = :${address.port}'; or choose another port`,
      cause: error,
    });
  }
  const foreign = code === "EADDRNOTAVAIL" || code === "EACCES" || isLookupFailure(error);
  if (!foreign) return error;
  return new ProaError("LOCAL_RESOURCE", `Cannot listen on ${endpoint}: ${reason(code)}`, {
    hint: "name an address of this machine and a port that may be opened",
    cause: error,
  });
}

/** Throws outside every handler, where nothing catches it: the process ends, as it must after a bug. */
export function stopTheProcess(error: unknown): Response {
  setTimeout(() => {
    throw error;
  }, 0);
  return new Response(null, { status: 500 });
}

function reason(code: unknown): string {
  return code === "EACCES" ? "permission denied" : "this machine has no such address";
}

/** Deno gives a name that cannot be resolved no code. */
function isLookupFailure(error: unknown): boolean {
  return error instanceof Error && error.message.includes("failed to lookup address");
}
