/** Where the thread of the disk begins: see `storage/thread`. Built into the executable beside the program itself. */
import { currentRuntime } from "./runtime/current.ts";
import { serveStorage } from "./storage/mod.ts";

serveStorage(await currentRuntime());
