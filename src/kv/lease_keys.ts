/** The keys that hang on one lease, in the order of their bytes. Most leases hold one key, and that one costs no tree. */
import { type OrderedKeys, compareTexts, newOrderedKeys } from "./ordered_keys.ts";

export class LeaseKeys {
  /** The only key; null: there is none, or {@link many}. */
  private one: string | null = null;
  private many: OrderedKeys<string> | null = null;

  get size(): number {
    return this.many === null ? (this.one === null ? 0 : 1) : this.many.size;
  }

  add(key: string): void {
    if (this.size === 0) {
      this.one = key;
      return;
    }
    this.many ??= newOrderedKeys(compareTexts);
    if (this.one !== null) this.many.add(this.one);
    this.one = null;
    this.many.add(key);
  }

  delete(key: string): void {
    this.many?.delete(key);
    if (this.one === key) this.one = null;
    if (this.many?.size === 0) this.many = null;
  }

  /** Visits the keys from `start` on until `visit` returns false. Changes nothing meanwhile. */
  visit(start: string, visit: (key: string) => boolean): void {
    if (this.many !== null) this.many.scan({ start, end: null }, visit);
    else if (this.one !== null && this.one >= start) visit(this.one);
  }

  /** All of them. */
  all(): readonly string[] {
    const keys: string[] = [];
    this.visit("", (key) => {
      keys.push(key);
      return true;
    });
    return keys;
  }
}
