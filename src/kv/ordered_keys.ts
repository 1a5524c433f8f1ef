/** The keys in the order of their bytes. The only file that knows which ordered map is used. */
import sortedBtree from "sorted-btree";

/** A set of keys as {@link keyText}: by their code units, which are their bytes. */
export interface OrderedKeys {
  add(key: string): void;
  delete(key: string): void;
  /** Visits the keys with `start` ≤ key < `end` in order until `visit` returns false; a null `end` is no bound. Changes nothing meanwhile. */
  scan(range: TextRange, visit: (key: string) => boolean): void;
  /** The same keys as a set of their own, in constant time: what both share is copied where one of them changes. */
  clone(): OrderedKeys;
}

export interface TextRange {
  readonly start: string;
  readonly end: string | null;
}

const BTree = isWholeModule(sortedBtree) ? sortedBtree.default : sortedBtree;

/** The package is CommonJS: Bun unwraps its default export, Deno hands over the whole module. */
function isWholeModule(imported: object): imported is { readonly default: typeof sortedBtree } {
  return "default" in imported;
}

export function newOrderedKeys(): OrderedKeys {
  return keysOf(new BTree<string, undefined>(undefined, compareKeys));
}

function keysOf(tree: sortedBtree<string, undefined>): OrderedKeys {
  return {
    add: (key) => void tree.set(key, undefined),
    delete: (key) => void tree.delete(key),
    scan({ start, end }, visit) {
      const last = end ?? tree.maxKey();
      if (last === undefined) return; // empty
      tree.forRange(start, last, end === null, (key) => (visit(key) ? undefined : stop));
    },
    clone: () => keysOf(tree.clone()),
  };
}

const stop = { break: true };

function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
