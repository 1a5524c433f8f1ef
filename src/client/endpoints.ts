/** How a service port is named: `host:port`, with brackets around an IPv6 address. Looks nothing up. */

/** The endpoints of a cluster that was started with the ports of the manual. */
export const defaultEndpoints: readonly string[] = ["127.0.0.1:5001", "127.0.0.1:5002", "127.0.0.1:5003"];

/** Whether `text` is `host:port`, `a.b.c.d:port` or `[address]:port`, with a port from 1 to 65535. */
export function isEndpoint(text: string): boolean {
  const match = /^(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/.exec(text);
  const port = Number(match?.[1]);
  return port >= 1 && port <= 65_535;
}
