/** Bugs in what old revisions, histories of keys and watches show, and in what compaction leaves of them. */
import { mutant, type Mutant } from "./mutant.ts";

export const historyMutants: readonly Mutant[] = [
  mutant("a revision that is compacted is read all the same", {
    file: "src/kv/queries.ts",
    find: "if (revision >= compactedRevision && revision <= keys.revision) return true;",
    replace: "if (revision <= keys.revision) return true;",
  }),
  mutant("compaction forgets what its own revision shows", {
    file: "src/kv/queries.ts",
    find: "if (state.version === 0 && state.modRevision <= compactedRevision) break;",
    replace: "if (state.modRevision <= compactedRevision) break;",
  }),
  mutant("the leader compacts twice as much", {
    file: "src/kv/store.ts",
    find: "keys.revision - compactedRevision > withExcess(kept, excessRevisionsMax) ? keys.revision - kept : 0;",
    replace:
      "keys.revision - compactedRevision > withExcess(kept, excessRevisionsMax) ? keys.revision - Math.floor(kept / 2) : 0;",
  }),
  mutant("a watch goes on behind what is compacted without a word", {
    file: "src/kv/changes.ts",
    find: "if (query.from.revision <= compactedRevision) {",
    replace: "if (query.from.revision < 1) {",
  }),
  mutant("a watch that meets a node that is behind goes back", {
    file: "src/kv/changes.ts",
    find: "return { revision: Math.max(revision + 1, from.revision), skip: 0 };",
    replace: "return { revision: revision + 1 + 0 * from.revision, skip: 0 };",
  }),
  mutant("a watch skips the rest of a revision", {
    file: "src/kv/changes.ts",
    find: "return skip === 0 ? first : Math.min(first + skip, history.firstFrom(revision + 1));",
    replace: "return skip === 0 ? first : history.firstFrom(revision + 1);",
  }),
];
