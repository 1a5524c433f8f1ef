/**
 * The configurations that a log leads through, each in force from its own entry on, committed or not (thesis §4.1, rule M1).
 * Follows the log: what is appended acts, and what is truncated never was.
 */
import { assert } from "../lib/assert.ts";
import type { MembershipCodec } from "./membership.ts";
import type { Entry, Index, Membership, Restored } from "./types.ts";

/** A configuration and the first and last entry that it decides about. */
export interface Reign {
  readonly membership: Membership;
  readonly from: Index;
  readonly to: Index;
}

interface Configured {
  readonly index: Index;
  readonly membership: Membership;
}

export class MembershipHistory {
  /** Invariant: indexes rise strictly. The first one was in force before the log begins; the last one acts. */
  private readonly list: Configured[];

  constructor(
    restored: Pick<Restored, "membership" | "memberships" | "compacted">,
    private readonly codec: MembershipCodec,
  ) {
    this.list = [{ index: restored.compacted.index, membership: restored.membership }];
    for (const entry of restored.memberships) this.append(entry);
  }

  /** The configuration that acts. */
  get current(): Membership {
    return this.newest.membership;
  }

  /** The entry of the configuration that acts; the compacted one or 0 when it is older than the log. */
  get currentIndex(): Index {
    return this.newest.index;
  }

  /** The configuration that was in force at `index`, which must not lie before the compacted entry. */
  at(index: Index): Membership {
    for (let i = this.list.length - 1; i >= 0; i--) {
      const configured = this.list[i];
      if (configured !== undefined && configured.index <= index) return configured.membership;
    }
    assert(false, "the configuration of a compacted entry");
  }

  /** The configuration at `index` and all that follow it: one of them will turn out to have been in force. */
  since(index: Index): readonly Membership[] {
    return [this.at(index), ...this.list.filter((later) => later.index > index).map((later) => later.membership)];
  }

  /** Who decides about the entries from `from` to `to`, newest first (rule L15). */
  *reigns({ from, to }: { readonly from: Index; readonly to: Index }): Iterable<Reign> {
    let last = to;
    for (let i = this.list.length - 1; i >= 0 && last >= from; i--) {
      const configured = this.list[i];
      assert(configured !== undefined, "the history has a hole");
      const { membership, index } = configured;
      yield { membership, from: Math.max(from, index), to: last };
      last = Math.min(last, index - 1);
    }
  }

  /** Takes the configuration of an entry that was appended to the log. */
  append({ index, payload }: Entry): void {
    assert(index > this.newest.index, "configurations come in the order of the log");
    this.list.push({ index, membership: this.codec.decode(payload) });
  }

  /** Rolls back to what was in force before entry `index`, which is dropped with all that follow. */
  truncateFrom(index: Index): void {
    while (this.list.length > 1 && this.newest.index >= index) this.list.pop();
  }

  /** Forgets what was no longer in force at `index`: the log begins behind it now. */
  compactTo(index: Index): void {
    const membership = this.at(index);
    this.list.splice(0, this.list.filter((configured) => configured.index <= index).length, { index, membership });
  }

  /** Begins anew with the configuration of a snapshot, joint or not (rule M12). */
  reset({ index, membership }: Configured): void {
    this.list.splice(0, this.list.length, { index, membership });
  }

  private get newest(): Configured {
    const newest = this.list.at(-1);
    assert(newest !== undefined, "there is always a configuration");
    return newest;
  }
}
