/** HTTP and WebSocket on `Bun.serve`. Knows no route and limits no body. */
import { portError, stopTheProcess } from "./listen_errors.ts";
import { GatheringSocket } from "./gathering_socket.ts";
import type { HttpServer, ServeOptions, WebSocketReceiver } from "./runtime.ts";

/** How long {@link HttpServer.stop} lets answers under way leave before it cuts the connections, in milliseconds. */
const stopGraceMs = 250;

interface ConnectionData {
  /** Null until the connection is open. */
  receiver: WebSocketReceiver | null;
}

type BunSocket = Bun.ServerWebSocket<ConnectionData>;

/** Those that are open. */
type Sockets = Map<BunSocket, GatheringSocket>;

/** What `fetch` returns for a connection that is a WebSocket by then; Bun wants undefined in its place. */
const upgraded = new Response(null);

export function serveBun(options: ServeOptions): HttpServer {
  const sockets: Sockets = new Map();
  const server = listen(options, sockets);
  return {
    port: server.port ?? options.port,
    async stop() {
      const stopped = server.stop(false);
      for (const socket of sockets.values()) socket.close(1001, "the node stops");
      await Promise.race([stopped, Bun.sleep(stopGraceMs)]);
      await server.stop(true);
    },
  };
}

function listen(options: ServeOptions, sockets: Sockets): Bun.Server<ConnectionData> {
  try {
    return Bun.serve<ConnectionData>({
      hostname: options.hostname,
      port: options.port,
      reusePort: false,
      idleTimeout: 0, // a request that waits for a leader is quiet for longer than the default allows
      maxRequestBodySize: Number.MAX_SAFE_INTEGER, // Bun's own refusal has no body
      development: false,
      async fetch(request, bun) {
        const response = await options.fetch(request, (headers) =>
          bun.upgrade(request, { headers, data: { receiver: null } }) ? upgraded : null,
        );
        return response === upgraded ? undefined : response;
      },
      error: stopTheProcess,
      websocket: webSocketOptions(options, sockets),
    });
  } catch (error) {
    throw portError(error, options);
  }
}

function webSocketOptions({ webSocket }: ServeOptions, sockets: Sockets): Bun.WebSocketHandler<ConnectionData> {
  return {
    perMessageDeflate: false,
    maxPayloadLength: webSocket.messageBytesMax,
    backpressureLimit: 0, // never drops a message: whoever sends looks at bufferedBytes
    idleTimeout: 120, // Bun pings, so only a peer that is gone is closed
    open(socket) {
      const gathering = new GatheringSocket(socket);
      sockets.set(socket, gathering);
      socket.binaryType = "uint8array";
      socket.data.receiver = webSocket.open(gathering);
    },
    message(socket, data) {
      if (typeof data === "string") socket.close(1003, "only binary messages");
      else socket.data.receiver?.message(data);
    },
    close(socket) {
      sockets.delete(socket);
      socket.data.receiver?.close();
    },
  };
}
