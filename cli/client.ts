/** The client that a command talks with: its endpoints, its deadline, and what `--verbose` shows of it. */
import type { Context } from "./context.ts";
import { endpointsOf } from "./endpoints.ts";
import { HttpClient } from "../src/client/http_client.ts";

/** A client for the whole command. */
export function clientOf(context: Context): HttpClient {
  return new HttpClient({
    endpoints: endpointsOf(context),
    deadline: context.deadline,
    trace: (line) => {
      context.output.trace(line);
    },
  });
}
