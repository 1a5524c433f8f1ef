/** Servers that are not ours: they answer as docs/http.md says, or hang, or cut the connection. */
import { createServer as createHttpServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

export interface ForeignServer {
  /** `host:port`. */
  readonly endpoint: string;
  /** `METHOD path` of every request that arrived, in order. */
  readonly requests: string[];
  /** Stops listening and cuts every connection. */
  close(): Promise<void>;
}

export interface Received {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Uint8Array;
}

/** What a node answers. `"cut"`: closes the connection; `"hang"`: never answers. */
export type Reaction =
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array;
    }
  | "cut"
  | "hang";

/** The headers that every answer of a node carries. */
export const nodeHeaders: Readonly<Record<string, string>> = {
  "X-Proa-Node": "1",
  "X-Proa-Term": "3",
  "X-Proa-Leader": "1",
  "X-Proa-Revision": "42",
  "X-Proa-Applied": "50",
};

/** A node that is ready, and answers everything else as `react` says. */
export function readyNode(react: (request: Received) => Reaction): Promise<ForeignServer> {
  return foreignNode((request) => (request.path === "/readyz" ? ok({ ok: true }) : react(request)));
}

/** A server that answers as `react` says. */
export async function foreignNode(react: (request: Received) => Reaction): Promise<ForeignServer> {
  const requests: string[] = [];
  const server = createHttpServer((incoming, outgoing) => {
    const chunks: Uint8Array[] = [];
    incoming.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    incoming.on("error", () => undefined);
    incoming.on("end", () => {
      const { method = "", url: path = "", headers } = incoming;
      requests.push(`${method} ${path}`);
      answer(react({ method, path, headers, body: Buffer.concat(chunks) }), incoming, outgoing);
    });
  });
  return listening(server, requests);
}

/** A server that accepts connections and says nothing, as a process that was stopped does. */
export function silentServer(): Promise<ForeignServer> {
  return listening(
    createTcpServer((socket) => {
      socket.on("error", () => undefined);
      socket.resume();
    }),
    [],
  );
}

/** An endpoint where nobody listens. */
export async function desertedEndpoint(): Promise<string> {
  const server = await silentServer();
  await server.close();
  return server.endpoint;
}

/** A success with a JSON body. */
export function ok(body: unknown): Reaction {
  return { status: 200, body: JSON.stringify(body) };
}

/** An error as a node words it. */
export function refusal(status: number, error: Readonly<Record<string, unknown>>): Reaction {
  return { status, body: JSON.stringify({ error: { exit: 3, message: "Cannot do it: no", applied: "no", ...error } }) };
}

function answer(reaction: Reaction, incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (reaction === "hang") return;
  if (reaction === "cut") {
    incoming.socket.destroy();
    return;
  }
  outgoing.writeHead(reaction.status, { ...nodeHeaders, ...reaction.headers });
  outgoing.end(reaction.body);
}

function listening(server: Server, requests: string[]): Promise<ForeignServer> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => {
        resolve();
      });
      for (const socket of sockets) socket.destroy();
    });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      resolve({ endpoint: `127.0.0.1:${port}`, requests, close });
    });
  });
}

/** Runs `body` with servers that are closed afterwards. */
export async function withServers(
  servers: readonly Promise<ForeignServer>[],
  body: (...servers: ForeignServer[]) => Promise<void>,
): Promise<void> {
  const started = await Promise.all(servers);
  try {
    await body(...started);
  } finally {
    await Promise.all(started.map((server) => server.close()));
  }
}
