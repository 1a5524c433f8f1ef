/** The runtime port on Bun. */
import { Worker } from "node:worker_threads";
import { serveBun } from "./bun_http.ts";
import { openBunSqlite } from "./bun_sqlite.ts";
import { useSettingsOfNodes } from "./bun_settings.ts";
import { openBunUdp } from "./bun_udp.ts";
import type { Runtime } from "./runtime.ts";

/** Where Bun mounts the modules inside a compiled executable, on Linux and macOS and on Windows. */
const compiledRoots = ["/$bunfs/", "B:/~BUN", "B:\\~BUN"];

const isCompiled = compiledRoots.some((root) => Bun.main.startsWith(root));
const self = isCompiled ? [] : [Bun.main];

/** The entry of the storage thread: a file beside this one, or a module of the executable. */
const threadFile = isCompiled ? "./src/storage_thread.ts" : new URL("../storage_thread.ts", import.meta.url);

export const bunRuntime: Runtime = {
  name: "bun",
  version: Bun.version,
  self: [process.execPath, ...self],
  prepareToServe: () => {
    useSettingsOfNodes([...(self.length === 0 ? [] : process.execArgv), ...self, ...process.argv.slice(2)]);
  },
  startStorageThread: (beginning, moved) => new Worker(threadFile, { workerData: beginning, transferList: [...moved] }),
  openSqlite: openBunSqlite,
  serve: serveBun,
  openUdp: openBunUdp,
};
