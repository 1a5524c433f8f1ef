/** Bugs in what decides a transaction, and in what its branch does. */
import { mutant, type Mutant } from "./mutant.ts";

export const transactionsMutants: readonly Mutant[] = [
  mutant("one condition of a transaction is enough", {
    file: "src/kv/txn.ts",
    find: "txn.compare.every((comparison) => holds(keys, comparison));",
    replace: "txn.compare.length === 0 || txn.compare.some((comparison) => holds(keys, comparison));",
  }),
  mutant("the conditions of a transaction are of a missing key as well", {
    file: "src/kv/txn.ts",
    find: "return row !== noRow && isRelated(compareBytes(keys.versions.value(row), operand), relation);",
    replace: "return isRelated(compareBytes(keys.versions.value(row), operand), relation);",
  }),
  mutant("each change of a transaction is a revision of its own", {
    file: "src/kv/txn.ts",
    find: "this.keys.revision = this.revisionBefore + 1;",
    replace: "this.keys.revision += this.revisionBefore > 0 ? 1 : 0;",
  }),
  mutant("a transaction tells the other branch", {
    file: "src/kv/txn.ts",
    find: "head.u8(succeeded ? 1 : 0);",
    replace: "head.u8(txn.compare.some((comparison) => holds(keys, comparison)) ? 1 : 0);",
  }),
];
