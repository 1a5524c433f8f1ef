/** Which handler answers which request; everything that no handler takes is refused here, with what there is instead. */
import { ProaError } from "../lib/errors.ts";
import { postBatch } from "./batch_routes.ts";
import { getLive, getReady, getStatus, postTransfer } from "./cluster_routes.ts";
import { groupZero, type Exchange, type Handler } from "./exchange.ts";
import { getHistory } from "./history_routes.ts";
import {
  deleteLease,
  getLease,
  getLeases,
  isKeepAlivePath,
  isLeasePath,
  postKeepAlive,
  postLeases,
} from "./lease_routes.ts";
import { getMembers, postMembers } from "./members_routes.ts";
import {
  deleteInQuery,
  deleteKeyInPath,
  getInQuery,
  getKeyInPath,
  keyPathPrefix,
  putInQuery,
  putKeyInPath,
} from "./kv_routes.ts";
import { errorResponse, jsonResponse, viewHeaders } from "./responses.ts";
import { getSettings, patchSettings } from "./settings_routes.ts";
import { getSnapshot } from "./snapshot_routes.ts";
import { parseQuery } from "./target.ts";
import { postTxn } from "./txn_routes.ts";
import { getWatch } from "./watch_routes.ts";

interface Route {
  /** As in the documentation. */
  readonly path: string;
  readonly matches: (path: string) => boolean;
  readonly methods: Readonly<Record<string, Handler>>;
  /** Whether its writes take an `Idempotency-Key`. */
  readonly takesId?: true;
}

const openRpc: Handler = ({ context, request, upgrade }) => {
  const response = request.method === "GET" ? upgrade(viewHeaders(context.node)) : null;
  if (response !== null) return response;
  throw new ProaError("INVALID_REQUEST", "Cannot open /rpc: the request is not a WebSocket handshake", {
    hint: "it speaks the binary batch protocol; everything else is under /v1",
  });
};

/** Loads what makes the document when it is asked for: few ever do. */
const getOpenapi: Handler = async ({ context, target }) => {
  parseQuery(target.query, []);
  const { openapiDocument } = await import("./openapi.ts");
  const { node } = context;
  return jsonResponse(node, { status: 200 }, openapiDocument(routes, node.status(groupZero).version));
};

/** All of them. The first that matches answers. */
export const routes: readonly Route[] = [
  {
    path: `${keyPathPrefix}{key}`,
    matches: (path) => path.startsWith(keyPathPrefix),
    methods: { GET: getKeyInPath, PUT: putKeyInPath, DELETE: deleteKeyInPath },
    takesId: true,
  },
  { ...exact("/v1/kv", { GET: getInQuery, PUT: putInQuery, DELETE: deleteInQuery }), takesId: true },
  exact("/v1/batch", { POST: postBatch }),
  { ...exact("/v1/txn", { POST: postTxn }), takesId: true },
  { ...exact("/v1/leases", { GET: getLeases, POST: postLeases }), takesId: true },
  { path: "/v1/leases/{id}", matches: isLeasePath, methods: { GET: getLease, DELETE: deleteLease }, takesId: true },
  { path: "/v1/leases/{id}/keep-alive", matches: isKeepAlivePath, methods: { POST: postKeepAlive }, takesId: true },
  exact("/v1/history", { GET: getHistory }),
  exact("/v1/watch", { GET: getWatch }),
  exact("/v1/settings", { GET: getSettings, PATCH: patchSettings }),
  exact("/v1/snapshot", { GET: getSnapshot }),
  exact("/v1/leader/transfer", { POST: postTransfer }),
  exact("/v1/members", { GET: getMembers, POST: postMembers }),
  exact("/v1/openapi.json", { GET: getOpenapi }),
  exact("/api/status", { GET: getStatus }),
  exact("/livez", { GET: getLive }),
  exact("/readyz", { GET: getReady }),
  exact("/rpc", { GET: openRpc }),
];

/** Answers `exchange`; HEAD as GET, so that the caller has to drop the body. Throws a {@link ProaError} where its handler does. */
export async function answer(exchange: Exchange): Promise<Response> {
  const { request, target, context } = exchange;
  const route = routes.find(({ matches }) => matches(target.path));
  if (route === undefined) return errorResponse(context.node, unknownRoute(target.path), { status: 404 });
  const method = request.method === "HEAD" ? "GET" : request.method;
  const handler = Object.hasOwn(route.methods, method) ? route.methods[method] : undefined;
  if (handler !== undefined) {
    if (route.takesId !== true || method === "GET") refuseId(request.headers, `${method} ${route.path}`);
    return handler(exchange);
  }
  const allow = [...Object.keys(route.methods), ...(Object.hasOwn(route.methods, "GET") ? ["HEAD"] : [])].join(", ");
  return errorResponse(context.node, wrongMethod(route, request.method, allow), { status: 405, headers: { allow } });
}

/** A request that its client believes to be repeatable must not be taken for one. */
function refuseId(headers: Headers, what: string): void {
  if (!headers.has("idempotency-key")) return;
  throw new ProaError("INVALID_REQUEST", `Cannot ${what} with an Idempotency-Key: this request does not take one`, {
    hint: "leave it out, or write with PUT, DELETE, POST /v1/txn or POST /v1/leases",
  });
}

function exact(path: string, methods: Route["methods"]): Route {
  return { path, matches: (asked) => asked === path, methods };
}

function unknownRoute(path: string): ProaError {
  const shown = path.length > 100 ? `${path.slice(0, 100)}…` : path;
  return new ProaError("INVALID_REQUEST", `Cannot serve ${shown}: there is no such route`, {
    hint: `there is ${routes.map((route) => route.path).join(", ")}`,
  });
}

function wrongMethod(route: Route, method: string, allow: string): ProaError {
  return new ProaError("INVALID_REQUEST", `Cannot ${method} ${route.path}: the method is not allowed`, {
    hint: `use ${allow}`,
  });
}
