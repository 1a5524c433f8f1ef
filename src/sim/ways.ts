/** Ways from node to node, and sets of those that a fault has hit. */
import type { NodeId } from "../raft/mod.ts";

/** One direction between two nodes. */
export interface Way {
  readonly from: NodeId;
  readonly to: NodeId;
}

/** The ways that something is wrong with. Faults overlap in them, and each is undone on its own. */
export class Ways {
  private readonly counts = new Map<string, number>();

  has(way: Way): boolean {
    return this.counts.size > 0 && this.counts.has(nameOf(way));
  }

  /** Adds `ways` until the returned function is called. */
  add(ways: readonly Way[]): () => void {
    for (const way of ways) this.change(way, 1);
    let undone = false;
    return () => {
      if (undone) return;
      undone = true;
      for (const way of ways) this.change(way, -1);
    };
  }

  private change(way: Way, by: 1 | -1): void {
    const name = nameOf(way);
    const count = (this.counts.get(name) ?? 0) + by;
    if (count === 0) this.counts.delete(name);
    else this.counts.set(name, count);
  }
}

/** Every way between a node of `left` and one of `right`, in both directions. */
export function waysBetween(left: readonly NodeId[], right: readonly NodeId[]): readonly Way[] {
  return left.flatMap((a) =>
    right.flatMap((b) =>
      a === b
        ? []
        : [
            { from: a, to: b },
            { from: b, to: a },
          ],
    ),
  );
}

/** Every way between two of `ids` that `isWanted`. */
export function waysWhere(ids: readonly NodeId[], isWanted: (way: Way) => boolean): readonly Way[] {
  return ids.flatMap((from) => ids.map((to) => ({ from, to }))).filter((way) => way.from !== way.to && isWanted(way));
}

function nameOf({ from, to }: Way): string {
  return `${from}>${to}`;
}
