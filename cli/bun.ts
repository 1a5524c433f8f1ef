/** The entry on Bun, and of the compiled executable. */
import { main } from "./main.ts";
import { bunRuntime } from "../src/runtime/bun.ts";

await main(bunRuntime);
