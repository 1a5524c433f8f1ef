/** What a deliberate bug is: texts to be replaced in a copy of the sources. Nothing of it is ever run in place. */

/** One replacement. `find` must stand in the file exactly once. */
export interface Edit {
  /** From the root of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  readonly edits: readonly Edit[];
}

/** A bug of this name: all of the edits together. */
export function mutant(name: string, ...edits: readonly Edit[]): Mutant {
  return { name, edits };
}

/** How often `edit.find` stands in `text`. */
export function occurrences(edit: Edit, text: string): number {
  return text.split(edit.find).length - 1;
}
