/** HTTP and WebSocket on `Deno.serve`. Knows no route and limits no body. */
import { portError, stopTheProcess } from "./listen_errors.ts";
import type { HttpServer, ServeOptions, ServerWebSocket, WebSocketHandler } from "./runtime.ts";

/** How long {@link HttpServer.stop} lets answers under way leave before it cuts the connections, in milliseconds. */
const stopGraceMs = 250;

/** The part of Deno that is used here; Deno's own types are not installed. */
interface DenoServe {
  serve(
    options: {
      readonly hostname: string;
      readonly port: number;
      readonly signal: AbortSignal;
      readonly onListen: () => void;
      readonly onError: (error: unknown) => Response;
    },
    handler: (request: Request) => Promise<Response>,
  ): DenoServer;
  upgradeWebSocket(
    request: Request,
    options: { readonly idleTimeout: number },
  ): { readonly socket: WebSocket; readonly response: Response };
}

interface DenoServer {
  readonly addr: { readonly port: number };
  readonly finished: Promise<void>;
}

declare const Deno: DenoServe;

export function serveDeno(options: ServeOptions): HttpServer {
  const cut = new AbortController();
  const sockets = new Set<WebSocket>();
  const answering = new Set<Promise<Response>>();
  const server = listen(options, { signal: cut.signal, sockets, answering });
  return {
    port: server.addr.port,
    async stop() {
      for (const socket of sockets) socket.close(1001, "the node stops");
      // Not Deno's own shutdown, which waits for every connection for ever and after which nothing can be cut.
      await Promise.race([Promise.allSettled(answering), sleep(stopGraceMs)]);
      await sleep(0); // lets the last answer leave
      cut.abort();
      await Promise.race([server.finished, sleep(stopGraceMs)]);
    },
  };
}

/** What is open, so that it can be closed. */
interface Open {
  readonly signal: AbortSignal;
  readonly sockets: Set<WebSocket>;
  readonly answering: Set<Promise<Response>>;
}

function listen(options: ServeOptions, { signal, sockets, answering }: Open): DenoServer {
  const { hostname, port } = options;
  try {
    return Deno.serve(
      { hostname, port, signal, onListen: () => undefined, onError: stopTheProcess },
      async (request) => {
        const answer = options.fetch(request, (headers) => upgrade(request, headers, options.webSocket, sockets));
        answering.add(answer);
        try {
          return await answer;
        } finally {
          answering.delete(answer);
        }
      },
    );
  } catch (error) {
    throw portError(error, options);
  }
}

function upgrade(
  request: Request,
  headers: Readonly<Record<string, string>>,
  handler: WebSocketHandler,
  sockets: Set<WebSocket>,
): Response | null {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return null;
  let taken: { readonly socket: WebSocket; readonly response: Response };
  try {
    taken = Deno.upgradeWebSocket(request, { idleTimeout: 120 });
  } catch (error) {
    if (error instanceof TypeError) return null; // the handshake lacks a header
    throw error;
  }
  attach(taken.socket, handler, sockets);
  for (const [name, value] of Object.entries(headers)) taken.response.headers.set(name, value);
  return taken.response;
}

function attach(socket: WebSocket, handler: WebSocketHandler, sockets: Set<WebSocket>): void {
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    sockets.add(socket);
    const receiver = handler.open(portSocket(socket));
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      if (typeof event.data === "string") socket.close(1003, "only binary messages");
      else if (event.data.byteLength > handler.messageBytesMax) socket.close(1009, "the message is too big");
      else receiver.message(new Uint8Array(event.data));
    };
    socket.onclose = () => {
      sockets.delete(socket);
      receiver.close();
    };
  };
}

function portSocket(socket: WebSocket): ServerWebSocket {
  return {
    send(data) {
      if (socket.readyState === WebSocket.OPEN) socket.send(data);
    },
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    close(code, reason) {
      socket.close(code, reason);
    },
  };
}

function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
