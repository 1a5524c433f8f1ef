/** A program with a bug in its handlers: run by a test, which asks it once and watches it end. Prints its port. */
import { serve } from "./service_cluster.ts";

const server = serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (_request, upgrade) => {
    const response = upgrade({});
    if (response === null) throw new Error("a bug in fetch");
    return Promise.resolve(response);
  },
  webSocket: {
    messageBytesMax: 1000,
    open: () => ({
      message: () => {
        throw new Error("a bug in message");
      },
      close: () => undefined,
    }),
  },
});
console.log(server.port);
