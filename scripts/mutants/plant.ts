/** Plants a deliberate bug in a copy of the sources, from which the command line runs as from the originals. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Edit, type Mutant, occurrences } from "./mutant.ts";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Runs `use` with a copy that has the bugs of `mutant`, and removes it afterwards. */
export async function withMutant<T>(mutant: Mutant, use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "proa-mutant-"));
  try {
    for (const part of ["src", "cli", "package.json", "deno.json"])
      cpSync(join(root, part), join(directory, part), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
    for (const edit of mutant.edits) plant(directory, edit);
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Stops everything when the text to replace is not there exactly once: then the mutant is out of date. */
function plant(directory: string, edit: Edit): void {
  const path = join(directory, edit.file);
  const before = readFileSync(path, "utf8");
  const places = occurrences(edit, before);
  if (places !== 1)
    throw new Error(`Cannot plant a bug in ${edit.file}: ${places} places read ${JSON.stringify(edit.find)}`);
  writeFileSync(path, before.split(edit.find).join(edit.replace));
}
