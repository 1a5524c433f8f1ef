/** The service port of a node: HTTP and WebSocket, from its listening socket to its last answer. */
import { ProaError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { Clock, NodeService } from "../node/mod.ts";
import type { Runtime, Upgrade } from "../runtime/runtime.ts";
import { BodyReceiver } from "./body.ts";
import { timeoutOf } from "./exchange.ts";
import type { ServiceContext } from "./exchange.ts";
import { Gateway } from "./gateway.ts";
import type { ServiceLimits } from "./limits.ts";
import { errorResponse, withoutBody } from "./responses.ts";
import { answer } from "./routes.ts";
import { newRpcCounters, RpcService } from "./rpc.ts";
import type { RpcCounters } from "./rpc.ts";
import { SnapshotStreams } from "./snapshot_streams.ts";
import { parseTarget } from "./target.ts";
import { Watches } from "./watches.ts";

export interface ServiceOptions {
  readonly node: NodeService;
  readonly runtime: Pick<Runtime, "serve">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: ServiceLimits;
  readonly hostname: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface Service {
  readonly port: number;
  readonly counters: Readonly<RpcCounters>;
  /** Answers all who wait, then closes every connection. Stop the node afterwards. */
  stop(): Promise<void>;
}

/** Listens. Throws a {@link ProaError} with PORT_BUSY when the port is taken. */
export function createService(options: ServiceOptions): Service {
  const { node, clock, limits, logger } = options;
  const gateway = new Gateway({ node, clock, limits });
  const watches = new Watches({ node, clock, limits });
  const snapshots = new SnapshotStreams({ node, clock, limits });
  const bodies = new BodyReceiver(clock, limits);
  const context: ServiceContext = { node, gateway, watches, snapshots, clock, limits, bodies };
  const counters = newRpcCounters();
  const server = options.runtime.serve({
    hostname: options.hostname,
    port: options.port,
    fetch: (request, upgrade) => serve(context, request, upgrade),
    webSocket: new RpcService({ node, gateway, watches, limits, logger, counters }),
  });
  return {
    port: server.port,
    counters,
    async stop() {
      gateway.stop();
      watches.stop();
      snapshots.stop();
      await server.stop();
    },
  };
}

/** What is no {@link ProaError} is a bug, and left to the runtime, which stops the process. */
async function serve(context: ServiceContext, request: Request, upgrade: Upgrade): Promise<Response> {
  const response = await answerOrError(context, request, upgrade);
  return request.method === "HEAD" ? withoutBody(response) : response;
}

async function answerOrError(context: ServiceContext, request: Request, upgrade: Upgrade): Promise<Response> {
  try {
    const deadline = context.clock.now() + timeoutOf(request.headers, context.limits);
    return await answer({ context, request, target: parseTarget(request.url), upgrade, deadline });
  } catch (error) {
    if (!(error instanceof ProaError)) throw error;
    return errorResponse(context.node, error);
  }
}
