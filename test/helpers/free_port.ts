/** Ports of this machine that nobody listens on at the moment. */
import { freePorts as freePortsOf } from "../../src/local/ports.ts";

export function freePorts(count: number): Promise<readonly number[]> {
  return freePortsOf("127.0.0.1", count);
}

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}
