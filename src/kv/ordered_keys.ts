/** Keys in order, whatever they are. The only file that knows which ordered map is used. */
import sortedBtree from "sorted-btree";
import { bulkLoad } from "sorted-btree/extended/bulkLoad.js";

export interface OrderedKeys<Key> {
  readonly size: number;
  add(key: Key): void;
  delete(key: Key): void;
  /** Visits the keys with `start` ≤ key < `end` in order until `visit` returns false; a null `end` is no bound. Changes nothing meanwhile. */
  scan(range: { readonly start: Key; readonly end: Key | null }, visit: (key: Key) => boolean): void;
  /** The keys from `start` on, one by one; nothing may change meanwhile. */
  from(start: Key): IterableIterator<Key>;
  /** The same keys as a set of their own, in constant time: what both share is copied where one of them changes. */
  clone(): OrderedKeys<Key>;
}

/** The order of two keys: below 0 when the first comes first. */
export type KeyOrder<Key> = (a: Key, b: Key) => number;

/** Keys in one node of the tree. */
const nodeKeysMax = 128;

const BTree = isWholeModule(sortedBtree) ? sortedBtree.default : sortedBtree;

/** The package is CommonJS: Bun unwraps its default export, Deno hands over the whole module. */
function isWholeModule(imported: object): imported is { readonly default: typeof sortedBtree } {
  return "default" in imported;
}

export function newOrderedKeys<Key>(order: KeyOrder<Key>): OrderedKeys<Key> {
  return keysOf(new BTree<Key, undefined>(undefined, order, nodeKeysMax));
}

/** The set of `sorted`, faster than one by one. */
export function orderedKeysOf<Key>(order: KeyOrder<Key>, sorted: Key[]): OrderedKeys<Key> {
  return keysOf(bulkLoad(sorted, new Array<undefined>(sorted.length), nodeKeysMax, order));
}

/** By their code units: texts of one unit for each byte by their bytes. */
export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Visits the keys of two sets that have none in common, in the order of both together, as {@link OrderedKeys.scan} does. */
export function scanBoth<Key>(
  order: KeyOrder<Key>,
  sets: readonly [OrderedKeys<Key>, OrderedKeys<Key>],
  { start, end }: { readonly start: Key; readonly end: Key | null },
  visit: (key: Key) => boolean,
): void {
  const [first, second] = [sets[0].from(start), sets[1].from(start)];
  const next = (keys: IterableIterator<Key>): Key | null => {
    const result: IteratorResult<Key, unknown> = keys.next();
    return result.done === true || (end !== null && order(result.value, end) >= 0) ? null : result.value;
  };
  let [left, right] = [next(first), next(second)];
  while (left !== null || right !== null) {
    const isLeft = right === null || (left !== null && order(left, right) < 0);
    const key = isLeft ? left : right;
    if (key === null || !visit(key)) return;
    if (isLeft) left = next(first);
    else right = next(second);
  }
}

function keysOf<Key>(tree: sortedBtree<Key, undefined>): OrderedKeys<Key> {
  return {
    get size() {
      return tree.size;
    },
    add: (key) => void tree.set(key, undefined),
    delete: (key) => void tree.delete(key),
    scan({ start, end }, visit) {
      const last = end ?? tree.maxKey();
      if (last === undefined) return; // empty
      tree.forRange(start, last, end === null, (key) => (visit(key) ? undefined : stop));
    },
    from: (start) => tree.keys(start),
    clone: () => keysOf(tree.clone()),
  };
}

const stop = { break: true };
