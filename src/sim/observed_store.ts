/** The real store, with somebody who sees each state that it comes to: by an entry, or by the image of another store. */
import { type ImageSink, Store } from "../kv/mod.ts";
import type { ByteWriter } from "../lib/byte_writer.ts";
import type { Entry, Index } from "../raft/mod.ts";

export interface StoreObserver {
  readonly onApplied: (entry: Entry, stateHash: string) => void;
  readonly onRestored: (index: Index, stateHash: string) => void;
}

export class ObservedStore extends Store {
  constructor(private readonly observer: StoreObserver) {
    super();
  }

  override apply(entry: Entry, results: ByteWriter | null): void {
    super.apply(entry, results);
    this.observer.onApplied(entry, this.stateHash());
  }

  override restore(appliedIndex: Index): ImageSink {
    const sink = super.restore(appliedIndex);
    return {
      push: (slice) => sink.push(slice),
      finish: () => {
        sink.finish();
        this.observer.onRestored(appliedIndex, this.recomputeStateHash());
      },
    };
  }
}
