/** The deliberate bugs of scripts/mutants must keep step with the sources: a text that has changed would plant nothing. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { mutants } from "../../scripts/mutants/list.ts";
import { occurrences } from "../../scripts/mutants/mutant.ts";

const root = join(import.meta.dirname, "..", "..");

test("every text that a mutant replaces stands in its file exactly once", () => {
  const stale = mutants.flatMap(({ name, edits }) =>
    edits.flatMap((edit) => {
      const places = occurrences(edit, readFileSync(join(root, edit.file), "utf8"));
      return places === 1 ? [] : [`${name}: ${places} places in ${edit.file} read ${JSON.stringify(edit.find)}`];
    }),
  );
  expect(stale).toEqual([]);
});

test("every mutant has a name of its own and changes something", () => {
  const names = mutants.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const idle = mutants.filter(({ edits }) => edits.length === 0 || edits.some(({ find, replace }) => find === replace));
  expect(idle).toEqual([]);
});
