/**
 * A WebSocket of a client to a node, without a detour: Bun never sends one through a proxy, Deno does where the environment
 * names one (`HTTP_PROXY`), unless it is told the socket to use.
 */

/** The part of Deno that is used here; Deno's own types are not installed. */
interface DenoClients {
  createHttpClient(options: {
    readonly proxy: { readonly transport: "tcp"; readonly hostname: string; readonly port: number };
  }): { close(): void };
}

/** Connects to `path` of `endpoint`, which is `host:port`, an IPv6 host in brackets. */
export function openWebSocket(endpoint: string, path: string): WebSocket {
  const url = `ws://${endpoint}${path}`;
  if (!("Deno" in globalThis)) return new WebSocket(url); // what compression it offers the node declines
  const deno = (globalThis as unknown as { readonly Deno: DenoClients }).Deno;
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const client = deno.createHttpClient({ proxy: { transport: "tcp", hostname: host, port: Number(port || 80) } });
  const DirectSocket = WebSocket as unknown as new (url: string, options: { readonly client: unknown }) => WebSocket;
  const socket = new DirectSocket(url, { client });
  socket.addEventListener("close", () => {
    client.close();
  });
  return socket;
}
