/** The runtime port on Deno. */
import { fileURLToPath } from "node:url";
import { serveDeno } from "./deno_http.ts";
import { openDenoSqlite } from "./deno_sqlite.ts";
import { openDenoUdp } from "./deno_udp.ts";
import type { Runtime } from "./runtime.ts";

declare const Deno: {
  readonly version: { readonly deno: string };
  readonly mainModule: string;
  execPath(): string;
};

export const denoRuntime: Runtime = {
  name: "deno",
  version: Deno.version.deno,
  self: [Deno.execPath(), "run", "--allow-all", fileURLToPath(Deno.mainModule)],
  prepareToServe: () => undefined,
  startStorageThread: null,
  openSqlite: openDenoSqlite,
  serve: serveDeno,
  openUdp: openDenoUdp,
};
