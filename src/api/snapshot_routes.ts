/** `GET /v1/snapshot`: the whole store as one file, while the node serves on. */
import { newestRevision, type Handler } from "./exchange.ts";
import { choiceParameter, parseQuery } from "./target.ts";
import { viewHeaders } from "./responses.ts";

export const getSnapshot: Handler = async (exchange) => {
  const { context, request, target } = exchange;
  const query = parseQuery(target.query, ["consistency"]);
  const consistency = choiceParameter(query, "consistency", ["linearizable", "stale"]) ?? "linearizable";
  if (consistency === "linearizable") await newestRevision(exchange); // from now on all that was acknowledged before is in it
  const isHead = request.method === "HEAD";
  const snapshot = context.snapshots.open();
  const headers = {
    ...viewHeaders(context.node),
    "content-type": "application/octet-stream",
    "content-disposition": `attachment; filename="${snapshot.fileName}"`,
    "cache-control": "no-store",
  };
  if (isHead) snapshot.close();
  return new Response(isHead ? null : snapshot.stream(), { status: 200, headers });
};
