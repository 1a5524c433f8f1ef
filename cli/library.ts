/** The client library as a command uses it, for what needs many requests on one connection. */
import type { Context } from "./context.ts";
import { timeoutMsDefault } from "./context.ts";
import { endpointsOf } from "./endpoints.ts";
import { Client } from "../src/client/client.ts";
import { systemClock } from "../src/runtime/system_clock.ts";

/** A client in which `--timeout` bounds each request, not the whole command. */
export function libraryClient(context: Context): Client {
  const timeoutMs = context.globals.timeoutMs ?? timeoutMsDefault;
  return new Client({ endpoints: endpointsOf(context), timeoutMs }, systemClock);
}
