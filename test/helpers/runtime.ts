/** What the runtime that runs the tests offers, so that shared tests need not know which it is. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Runtime } from "../../src/runtime/runtime.ts";

/** Whether Bun runs the tests; else Deno does. */
export const onBun = "bun" in process.versions;

/** The SQLite adapter of this runtime. */
export const { openSqlite }: Pick<Runtime, "openSqlite"> = onBun
  ? { openSqlite: (await import("../../src/runtime/bun_sqlite.ts")).openBunSqlite }
  : { openSqlite: (await import("../../src/runtime/deno_sqlite.ts")).openDenoSqlite };

/** Its UDP sockets. */
export const { openUdp }: Pick<Runtime, "openUdp"> = onBun
  ? { openUdp: (await import("../../src/runtime/bun_udp.ts")).openBunUdp }
  : { openUdp: (await import("../../src/runtime/deno_udp.ts")).openDenoUdp };

const packages = fileURLToPath(new URL("../../node_modules/", import.meta.url));
const bun = [onBun ? process.execPath : join(packages, ".bin", "bun")] as const;
const deno = [onBun ? join(packages, ".bin", "deno") : process.execPath, "run", "--allow-all", "--no-check"] as const;

/** The command that runs a TypeScript file with this runtime; the file comes next. */
export const runFile: readonly [string, ...string[]] = onBun ? bun : deno;

/** The same with the other runtime; null where that is not installed. */
export const runFileElsewhere: readonly [string, ...string[]] | null = existsSync((onBun ? deno : bun)[0])
  ? onBun
    ? deno
    : bun
  : null;

/** Collects what nobody refers to, where the runtime can be told to. */
export function collectGarbage(): void {
  if (onBun) Bun.gc(true);
}

/** How to start the thread of the disk; null where it is not used. */
export const startStorageThread: Runtime["startStorageThread"] = onBun
  ? (await import("../../src/runtime/bun.ts")).bunRuntime.startStorageThread
  : null;
