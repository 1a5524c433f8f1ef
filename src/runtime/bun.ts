/** The runtime port on Bun. */
import { serveBun } from "./bun_http.ts";
import { openBunSqlite } from "./bun_sqlite.ts";
import { keepFreedMemory } from "./bun_memory.ts";
import { openBunUdp } from "./bun_udp.ts";
import type { Runtime } from "./runtime.ts";

/** Where Bun mounts the modules inside a compiled executable, on Linux and macOS and on Windows. */
const compiledRoots = ["/$bunfs/", "B:/~BUN", "B:\\~BUN"];

const self = compiledRoots.some((root) => Bun.main.startsWith(root)) ? [] : [Bun.main];

export const bunRuntime: Runtime = {
  name: "bun",
  version: Bun.version,
  self: [process.execPath, ...self],
  prepareToServe: () => {
    keepFreedMemory([...(self.length === 0 ? [] : process.execArgv), ...self, ...process.argv.slice(2)]);
  },
  openSqlite: openBunSqlite,
  serve: serveBun,
  openUdp: openBunUdp,
};
