/** What the errors of sockets say, and which of them a user gets to see. */
import { ProaError } from "../lib/errors.ts";
import type { TcpAddress } from "./tcp.ts";

/** The short name of a socket error, such as ECONNREFUSED; its message where it has none. */
export function errorCode(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}

/** The error for a user whose `address` could not be bound. */
export function listenError(cause: Error, { host, port }: TcpAddress): ProaError {
  const code = errorCode(cause);
  if (code === "EADDRINUSE") {
    return new ProaError("PORT_BUSY", `Cannot listen on ${host}:${port}: the port is taken`, {
      hint: "stop what listens there (`ss -ltnp` lists it), or give this node another port in --servers",
      cause,
    });
  }
  return new ProaError("LOCAL_RESOURCE", `Cannot listen on ${host}:${port}: ${code}`, {
    hint: "check that the address of this node in --servers is one of this machine",
    cause,
  });
}
