/**
 * A process of its own that opens the data directory `argv[3]` and says what happens, a line at a time.
 * - `hold`: opens it, appends three entries, and keeps it until it is killed.
 * - `fill`: appends until a write fails, then tries once more.
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { ProaError } from "../../src/lib/errors.ts";
import { openDataDirectory } from "../../src/storage/mod.ts";
import { openSqlite } from "../helpers/runtime.ts";
import { testIdentity } from "./identities.ts";
import { entriesOf, entryOf, group, threeVoters, Writer } from "./writes.ts";

const [mode, directory] = process.argv.slice(2);

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

/** Runs `work`; says the code of the ProaError that it throws. */
function saying(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (!(error instanceof ProaError)) throw error;
    say(`${error.code} ${error.message}`);
    return false;
  }
}

saying(() => {
  const { storage } = openDataDirectory({
    runtime: { openSqlite },
    directory: directory ?? "",
    expected: testIdentity,
  });
  const { lastIndex } = storage.load(group, threeVoters);
  const writer = new Writer(storage);
  storage.onPersisted = (_, seq) => say(`persisted ${seq}`);
  writer.write({ hardState: { term: 1, vote: 1 } });
  if (mode === "hold") {
    writer.write({ entries: entriesOf({ from: lastIndex + 1, to: lastIndex + 3, term: 1 }) });
    say("holding");
    process.stdin.on("data", () => storage.close()); // and until then keeps the storage from the garbage collector
  }
  if (mode === "fill") {
    const payload = new Uint8Array(50_000);
    let index = lastIndex;
    const append = (): void => writer.write({ entries: [entryOf({ index: ++index, term: 1, payload })] });
    while (saying(append));
    saying(() => storage.persist([]));
    saying(() => storage.reader(group).entries({ from: 1, to: 1, bytesMax: 1 }));
  }
});
