/** The runtime that this program runs on. A program of ours names its runtime instead; this is for those who embed us. */
import type { Runtime } from "./runtime.ts";

/** Loads the port of Bun or of Deno. */
export async function currentRuntime(): Promise<Runtime> {
  if ("bun" in process.versions) return (await import("./bun.ts")).bunRuntime;
  return (await import("./deno.ts")).denoRuntime;
}
