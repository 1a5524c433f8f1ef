/** The entry on Deno. */
import { main } from "./main.ts";
import { denoRuntime } from "../src/runtime/deno.ts";

await main(denoRuntime);
