/** Hangs the versions of an image on one another again, from the newest change to the oldest. Believes nothing. */
import { CorruptError } from "../lib/errors.ts";
import type { KeySpace } from "./key_space.ts";
import { type KeyNumber, type Row, noRow } from "./rows.ts";
import type { Stamp } from "./versions.ts";

/** The version that a change replaced; its value is copied. */
export interface Replaced {
  readonly stamp: Stamp;
  readonly value: Uint8Array;
}

export class RestoredHistory {
  /** The newest first. */
  private readonly changes: Row[] = [];
  /** What the next change of a key must have made: the oldest version of it that came, unless it is the newest that exists. */
  private readonly oldest = new Map<KeyNumber, Row>();

  /** Those that are the newest of their keys. */
  private readonly tombstones: Row[] = [];

  /** `keys` holds every key that exists. */
  constructor(private readonly keys: KeySpace) {}

  /** Takes in the change of a key before those that came. Throws {@link CorruptError}. */
  addOlder(
    key: Uint8Array,
    change: { readonly revision: number; readonly isDelete: boolean },
    replaced: Replaced | null,
  ): void {
    const { revision, isDelete } = change;
    const { versions } = this.keys;
    const made = this.madeBy(key, change);
    if (made === noRow || versions.rows.modRevision(made) !== revision || versions.isTombstone(made) !== isDelete)
      throw new CorruptError("a change of the image made nothing that is there");
    if (revision > this.revisionMax) throw new CorruptError("the changes of the image are not in order");
    let previous = noRow;
    if (replaced !== null) {
      const { stamp, value } = replaced;
      if (stamp.modRevision >= revision) throw new CorruptError("a change of the image replaced what came later");
      previous = this.keys.restoreReplaced(made, stamp, value);
    }
    this.oldest.set(versions.rows.key(made), previous);
    this.changes.push(made);
  }

  /** Gives the key space its history, once all changes came. */
  finish(compactedRevision: number): void {
    if (compactedRevision > this.keys.revision)
      throw new CorruptError("an image that is compacted beyond its revision");
    const { changes, tombstones } = this;
    this.keys.history.restore({ compactedRevision, changes: changes.reverse(), tombstones });
  }

  /** Which revision the next change may have made. */
  private get revisionMax(): number {
    const newest = this.changes.at(-1);
    return newest === undefined ? this.keys.revision : this.keys.versions.rows.modRevision(newest);
  }

  /** What `change` made: where it is the newest of its key, the key as it is, or a tombstone. */
  private madeBy(
    key: Uint8Array,
    { revision, isDelete }: { readonly revision: number; readonly isDelete: boolean },
  ): Row {
    const { table } = this.keys;
    const number = table.find(key);
    const known = this.oldest.get(number);
    if (known !== undefined) return known;
    const newest = table.newest(number);
    if (newest !== noRow || !isDelete) return newest;
    const tombstone = this.keys.restoreTombstone(key, revision);
    this.tombstones.push(tombstone);
    return tombstone;
  }
}
