/** Hangs the versions of an image on one another again, from the newest change to the oldest. Believes nothing. */
import { CorruptError } from "../lib/errors.ts";
import type { KeyState } from "../wire/mod.ts";
import type { Key, KeyRecord } from "./key_record.ts";
import { isTombstone } from "./key_record.ts";
import type { KeySpace } from "./key_space.ts";

/** The version that a change replaced; its value is copied. */
export interface Replaced {
  readonly stamp: Omit<KeyState, "value">;
  readonly value: Uint8Array;
}

const noValue = new Uint8Array(0);

export class RestoredHistory {
  /** The newest first. */
  private readonly changes: KeyRecord[] = [];
  /** What the next change of a key must have made: the oldest version of it that came, unless it is the latest that exists. */
  private readonly oldest = new Map<string, KeyRecord | null>();
  /** Those that are the latest of their keys. */
  private readonly tombstones = new Map<string, KeyRecord>();

  /** `keys` holds every key that exists. */
  constructor(private readonly keys: KeySpace) {}

  /** Takes in the change of `key` before those that came. Throws {@link CorruptError}. */
  addOlder(
    key: Key,
    change: { readonly revision: number; readonly isDelete: boolean },
    replaced: Replaced | null,
  ): void {
    const { revision, isDelete } = change;
    const known = this.oldest.get(key.text);
    const made = known === undefined ? this.latest(key, change) : known;
    if (made === null || made.modRevision !== revision || isTombstone(made) !== isDelete)
      throw new CorruptError("a change of the image made nothing that is there");
    const newest = this.changes.at(-1)?.modRevision ?? this.keys.revision;
    if (revision > newest) throw new CorruptError("the changes of the image are not in order");
    if (replaced !== null) {
      const { stamp, value } = replaced;
      if (stamp.modRevision >= revision) throw new CorruptError("a change of the image replaced what came later");
      made.previous = this.keys.versions.restored({ text: made.key, bytes: key.bytes }, stamp, value);
    }
    this.oldest.set(key.text, made.previous);
    this.changes.push(made);
  }

  /** Gives the key space its history, once all changes came. */
  finish(compactedRevision: number): void {
    if (compactedRevision > this.keys.revision)
      throw new CorruptError("an image that is compacted beyond its revision");
    this.keys.restoreHistory({ compactedRevision, changes: this.changes.reverse(), tombstones: this.tombstones });
  }

  /** What the newest change of a key made: the key as it is, or a tombstone. */
  private latest(
    key: Key,
    { revision, isDelete }: { readonly revision: number; readonly isDelete: boolean },
  ): KeyRecord | null {
    const record = this.keys.get(key.text);
    if (record !== null || !isDelete) return record;
    const stamp = { createRevision: 0, modRevision: revision, version: 0, lease: 0 };
    const tombstone = this.keys.versions.restored(key, stamp, noValue);
    this.tombstones.set(key.text, tombstone);
    return tombstone;
  }
}
