/** Keys in the order of their bytes. The only file that knows which ordered map is used. */
import sortedBtree from "sorted-btree";
import { bulkLoad } from "sorted-btree/extended/bulkLoad.js";

/** A set of keys as {@link keyText}: by their code units, which are their bytes. */
export interface OrderedKeys {
  readonly size: number;
  add(key: string): void;
  delete(key: string): void;
  /** Visits the keys with `start` ≤ key < `end` in order until `visit` returns false; a null `end` is no bound. Changes nothing meanwhile. */
  scan(range: TextRange, visit: (key: string) => boolean): void;
  /** The keys from `start` on, one by one; nothing may change meanwhile. */
  from(start: string): IterableIterator<string>;
  /** The same keys as a set of their own, in constant time: what both share is copied where one of them changes. */
  clone(): OrderedKeys;
}

export interface TextRange {
  readonly start: string;
  readonly end: string | null;
}

/** Keys in one node of the tree. */
const nodeKeysMax = 32;

const BTree = isWholeModule(sortedBtree) ? sortedBtree.default : sortedBtree;

/** The package is CommonJS: Bun unwraps its default export, Deno hands over the whole module. */
function isWholeModule(imported: object): imported is { readonly default: typeof sortedBtree } {
  return "default" in imported;
}

export function newOrderedKeys(): OrderedKeys {
  return keysOf(new BTree<string, undefined>(undefined, compareKeys, nodeKeysMax));
}

/** The set of `sorted`, faster than one by one. */
export function orderedKeysOf(sorted: string[]): OrderedKeys {
  return keysOf(bulkLoad(sorted, new Array<undefined>(sorted.length), nodeKeysMax, compareKeys));
}

/** Visits the keys of two sets that have none in common, in the order of both together, as {@link OrderedKeys.scan} does. */
export function scanBoth(a: OrderedKeys, b: OrderedKeys, range: TextRange, visit: (key: string) => boolean): void {
  const { start, end } = range;
  const [first, second] = [a.from(start), b.from(start)];
  const next = (keys: IterableIterator<string>): string | null => {
    const result: IteratorResult<string, unknown> = keys.next();
    return result.done === true || (end !== null && result.value >= end) ? null : result.value;
  };
  let [left, right] = [next(first), next(second)];
  while (left !== null || right !== null) {
    const isLeft = right === null || (left !== null && left < right);
    const key = isLeft ? left : right;
    if (key === null || !visit(key)) return;
    if (isLeft) left = next(first);
    else right = next(second);
  }
}

function keysOf(tree: sortedBtree<string, undefined>): OrderedKeys {
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

function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
