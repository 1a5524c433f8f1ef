/** What the runtime that runs the tests offers, so that shared tests need not know which it is. */
import process from "node:process";
import type { Runtime } from "../../src/runtime/runtime.ts";

const onBun = "bun" in process.versions;

/** The SQLite adapter of this runtime. */
export const { openSqlite }: Pick<Runtime, "openSqlite"> = onBun
  ? { openSqlite: (await import("../../src/runtime/bun_sqlite.ts")).openBunSqlite }
  : { openSqlite: (await import("../../src/runtime/deno_sqlite.ts")).openDenoSqlite };

/** Its UDP sockets. */
export const { openUdp }: Pick<Runtime, "openUdp"> = onBun
  ? { openUdp: (await import("../../src/runtime/bun_udp.ts")).openBunUdp }
  : { openUdp: (await import("../../src/runtime/deno_udp.ts")).openDenoUdp };

/** The command that runs a TypeScript file with this runtime; the file comes next. */
export const runFile: readonly [string, ...string[]] = onBun
  ? [process.execPath]
  : [process.execPath, "run", "--allow-all", "--no-check"];

/** Collects what nobody refers to, where the runtime can be told to. */
export function collectGarbage(): void {
  if (onBun) Bun.gc(true);
}

/** How to start the thread of the disk; null where it is not used. */
export const startStorageThread: Runtime["startStorageThread"] = onBun
  ? (await import("../../src/runtime/bun.ts")).bunRuntime.startStorageThread
  : null;
