/** The runtime port on Bun. */
import { serveBun } from "./bun_http.ts";
import { openBunSqlite } from "./bun_sqlite.ts";
import { openBunUdp } from "./bun_udp.ts";
import type { Runtime } from "./runtime.ts";

/** Where Bun mounts the modules inside a compiled executable, on Linux and macOS and on Windows. */
const compiledRoots = ["/$bunfs/", "B:/~BUN", "B:\\~BUN"];

export const bunRuntime: Runtime = {
  name: "bun",
  version: Bun.version,
  self: compiledRoots.some((root) => Bun.main.startsWith(root)) ? [process.execPath] : [process.execPath, Bun.main],
  openSqlite: openBunSqlite,
  serve: serveBun,
  openUdp: openBunUdp,
};
