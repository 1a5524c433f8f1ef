/** Things to do, by when each is due: the next one at once, any other in logarithmic time. */
import { assert } from "./assert.ts";

export interface Due {
  /** Changed by {@link DeadlineHeap.move} alone, while it is in a heap. */
  due: number;
  /** Where it is in its heap; -1: in none. */
  place: number;
}

export class DeadlineHeap<Item extends Due> {
  /** Invariant: nothing is due before what is at `(place - 1) >> 1`. */
  private items: Item[] = [];

  get length(): number {
    return this.items.length;
  }

  peek(): Item | undefined {
    return this.items[0];
  }

  add(item: Item): void {
    assert(item.place === -1, "it is in no heap");
    item.place = this.items.length;
    this.items.push(item);
    this.rise(item);
  }

  delete(item: Item): void {
    const last = this.items.pop();
    assert(last !== undefined && item.place >= 0, "it is in the heap");
    if (last !== item) {
      this.put(last, item.place);
      this.settle(last);
    }
    item.place = -1;
  }

  /** Changes when `item`, which is in the heap, is due. */
  move(item: Item, due: number): void {
    assert(this.items[item.place] === item, "it is in the heap");
    item.due = due;
    this.settle(item);
  }

  clear(): void {
    for (const item of this.items) item.place = -1;
    this.items = [];
  }

  private settle(item: Item): void {
    this.rise(item);
    this.sink(item);
  }

  private rise(item: Item): void {
    for (let parent = this.parentOf(item); parent !== undefined && parent.due > item.due; parent = this.parentOf(item))
      this.exchange(item, parent);
  }

  private sink(item: Item): void {
    for (let child = this.firstChildOf(item); child !== undefined && child.due < item.due;) {
      this.exchange(item, child);
      child = this.firstChildOf(item);
    }
  }

  private parentOf({ place }: Item): Item | undefined {
    return place === 0 ? undefined : this.items[(place - 1) >> 1];
  }

  /** The one of its two children that is due first. */
  private firstChildOf({ place }: Item): Item | undefined {
    const left = this.items[2 * place + 1];
    const right = this.items[2 * place + 2];
    return left !== undefined && right !== undefined && right.due < left.due ? right : left;
  }

  private exchange(a: Item, b: Item): void {
    const { place } = a;
    this.put(a, b.place);
    this.put(b, place);
  }

  private put(item: Item, place: number): void {
    item.place = place;
    this.items[place] = item;
  }
}
