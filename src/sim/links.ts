/** Which way from node to node is cut. Cuts of different faults overlap, and each is mended on its own. */
import type { NodeId } from "../raft/mod.ts";

/** One direction between two nodes. */
export interface Way {
  readonly from: NodeId;
  readonly to: NodeId;
}

export class Links {
  private readonly cuts = new Map<string, number>();

  isCut(way: Way): boolean {
    return this.cuts.size > 0 && this.cuts.has(nameOf(way));
  }

  /** Cuts `ways` until the returned function is called. */
  cut(ways: readonly Way[]): () => void {
    for (const way of ways) this.change(way, 1);
    let mended = false;
    return () => {
      if (mended) return;
      mended = true;
      for (const way of ways) this.change(way, -1);
    };
  }

  private change(way: Way, by: 1 | -1): void {
    const name = nameOf(way);
    const count = (this.cuts.get(name) ?? 0) + by;
    if (count === 0) this.cuts.delete(name);
    else this.cuts.set(name, count);
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
