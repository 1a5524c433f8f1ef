/** What nodes apply, and the states that they come to: the same in each life of each node (I5 of the rules). */
import type { Entry, Index, Term } from "../raft/mod.ts";
import { check } from "./violation.ts";

/** What every node must apply at one index, and come to. */
interface Applied {
  readonly term: Term;
  readonly checksum: number;
  readonly stateHash: string;
}

export class AppliedEntries {
  /** `applied[i]` is entry i + 1. */
  private readonly applied: Applied[] = [];

  /** `commitIndex` tells the last index that any node ever knew to be committed. */
  constructor(private readonly commitIndex: () => Index) {}

  /** I5: every life of every node applies the same entries in the same order, without a gap, and comes to the same state. */
  onApplied(entry: Entry, stateHash: string): void {
    const { index, term, checksum } = entry;
    check(index <= this.commitIndex(), "I5", () => `${index}@${term} was applied before it was committed (I5)`);
    const known = this.applied[index - 1];
    if (known === undefined) {
      check(
        index === this.applied.length + 1,
        "I5",
        () => `${index}@${term} was applied and nobody applied the one before (I5)`,
      );
      this.applied.push({ term, checksum, stateHash });
      return;
    }
    check(
      known.term === term && known.checksum === checksum,
      "I5",
      () => `two nodes applied different entries ${index} (I5)`,
    );
    check(known.stateHash === stateHash, "C5", () => `the states behind entry ${index} differ (C5)`);
  }

  /** S7: a state that came as an image is the one that the entries lead to. */
  onRestored(index: Index, stateHash: string): void {
    const known = this.applied[index - 1];
    check(known !== undefined, "S1", () => `a snapshot of ${index}, which nobody has applied (S1)`);
    check(
      known.stateHash === stateHash,
      "S7",
      () => `the snapshot of ${index} is another state than its entries make (S7)`,
    );
  }
}
