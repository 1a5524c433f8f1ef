/** A WebSocket server that behaves as it is told: it answers, lies, hangs or closes. Foreign to our nodes on purpose. */
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import type { ProaError } from "../../src/lib/errors.ts";
import type { HttpServer, ServerWebSocket } from "../../src/runtime/runtime.ts";
import { decodeRequest, writeError, writeResponseHeader } from "../../src/wire/mod.ts";
import type { RpcRequest, RpcStatus } from "../../src/wire/mod.ts";
import { serve } from "./service_cluster.ts";

/** What the server does with a request. */
export type Behaviour = (socket: ServerWebSocket, request: RpcRequest) => void;

/** Does to each request what `behaviour` says, and keeps them. */
export class StubServer {
  readonly server: HttpServer;
  readonly requests: RpcRequest[] = [];
  /** Connections so far. */
  opened = 0;
  /** Who asks for the status gets it if he waits at least so long. Milliseconds. */
  statusMs = 0;

  constructor(behaviour: Behaviour) {
    this.server = serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (_request, upgrade) => Promise.resolve(upgrade({}) ?? new Response(null, { status: 404 })),
      webSocket: {
        messageBytesMax: 1_000_000,
        open: (socket) => {
          this.opened++;
          return {
            message: (data) => {
              const request = decodeRequest(data);
              if (request.kind === "status") {
                if (request.timeoutMs >= this.statusMs) answerStatus(socket, request);
                return;
              }
              this.requests.push(request);
              behaviour(socket, request);
            },
            close: () => undefined,
          };
        },
      },
    });
  }

  get endpoint(): string {
    return `127.0.0.1:${this.server.port}`;
  }
}

/** What a client needs to believe that this is node 1, which leads. */
function answerStatus(socket: ServerWebSocket, asked: RpcRequest): void {
  const report = { cluster_id: "0", cluster: "test", node_id: 1, version: "0", role: "leader", term: 1, leader: 1 };
  const rest = {
    last_index: 1,
    applied_index: 1,
    members: { voters: [1], outgoing: [], learners: [] },
    transport: { kind: "tcp", key: null },
    servers: [],
    peers: [],
  };
  answer(socket, asked, "ok", (writer) => {
    writer.text(JSON.stringify({ ...report, ...rest }));
  });
}

/** Answers with the bytes of the request as its results. */
export function answerOk(socket: ServerWebSocket, asked: RpcRequest): void {
  answer(socket, asked, "ok", (writer) => {
    writer.bytes(asked.body);
  });
}

export function answerWith(
  socket: ServerWebSocket,
  asked: RpcRequest,
  status: Exclude<RpcStatus, "ok">,
  error: ProaError,
): void {
  answer(socket, asked, status, (writer) => {
    writeError(writer, error);
  });
}

function answer(
  socket: ServerWebSocket,
  { requestId }: RpcRequest,
  status: RpcStatus,
  writeBody: (writer: ByteWriter) => void,
): void {
  const writer = new ByteWriter();
  writeResponseHeader(writer, { status, requestId, leader: 1, term: 1, revision: 1, appliedIndex: 1 });
  writeBody(writer);
  socket.send(writer.take());
}
