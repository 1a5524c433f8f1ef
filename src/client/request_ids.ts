/** The ids of the writes of one client (rule C1): a name that nobody else has, and a number that rises. */
import type { RequestId } from "../wire/mod.ts";

/** A session that began so many entries ago is old enough that a new one is less likely to be forgotten by the store. */
const entriesMax = 1000;

export class RequestIds {
  private readonly session: string;
  private born = -Infinity;
  private lastSeq = 0;

  constructor() {
    const name = crypto.getRandomValues(new Uint8Array(10));
    this.session = Array.from(name, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** An id that was never used. `appliedIndex` is what some node has applied by now. */
  next(appliedIndex: number): RequestId {
    if (Math.abs(appliedIndex - this.born) > entriesMax) this.born = appliedIndex;
    return { born: this.born, session: this.session, seq: ++this.lastSeq };
  }

  /** As {@link next}, for one that was refused because of its session: a new session begins. */
  renewed(appliedIndex: number): RequestId {
    this.born = appliedIndex;
    return this.next(appliedIndex);
  }
}
