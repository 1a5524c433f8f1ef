/** The real store, with somebody who sees each entry right after it was applied. */
import { Store } from "../kv/mod.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import type { Entry } from "../raft/mod.ts";

export class ObservedStore extends Store {
  constructor(private readonly onApplied: (entry: Entry, stateHash: string) => void) {
    super();
  }

  override apply(entry: Entry, results: ByteWriter | null): void {
    super.apply(entry, results);
    this.onApplied(entry, this.stateHash());
  }
}
