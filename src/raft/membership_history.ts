/**
 * The configurations that a log leads through, each in force from its own entry on, committed or not (thesis §4.1, rule M1).
 * Follows the log: what is appended acts, and what is truncated never was.
 */
import { assert } from "../lib/assert.ts";
import { sameMembers, type MembershipCodec } from "./membership.ts";
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
  /** The entry since which its members are what they are: its own, unless it only binds some to their directories. */
  readonly changedIndex: Index;
}

export class MembershipHistory {
  /** Invariant: indexes rise strictly. The first one was in force before the log begins; the last one acts. */
  private readonly list: Configured[];

  constructor(
    restored: Pick<Restored, "membership" | "memberships" | "compacted">,
    private readonly codec: MembershipCodec,
  ) {
    const { index } = restored.compacted;
    this.list = [{ index, membership: restored.membership, changedIndex: index }];
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

  /** The newest entry that changed who belongs to the cluster; the compacted one or 0 when that is older than the log. */
  get changedIndex(): Index {
    return this.newest.changedIndex;
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
    const membership = this.codec.decode(payload);
    const changedIndex = sameMembers(membership, this.current) ? this.changedIndex : index;
    this.list.push({ index, membership, changedIndex });
  }

  /** Rolls back to what was in force before entry `index`, which is dropped with all that follow. */
  truncateFrom(index: Index): void {
    while (this.list.length > 1 && this.newest.index >= index) this.list.pop();
  }

  /** Forgets what was no longer in force at `index`: the log begins behind it now. */
  compactTo(index: Index): void {
    const gone = this.list.filter((configured) => configured.index <= index);
    const last = gone.at(-1);
    assert(last !== undefined, "the configuration of a compacted entry");
    this.list.splice(0, gone.length, { ...last, index });
  }

  /** Begins anew with the configuration of a snapshot, joint or not (rule M12). */
  reset({ index, membership }: Pick<Configured, "index" | "membership">): void {
    this.list.splice(0, this.list.length, { index, membership, changedIndex: index });
  }

  private get newest(): Configured {
    const newest = this.list.at(-1);
    assert(newest !== undefined, "there is always a configuration");
    return newest;
  }
}
