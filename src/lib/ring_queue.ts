/** A first-in first-out queue on a ring buffer: constant time at both ends, no garbage while its size is steady. */
import { assert } from "./assert.ts";

export class RingQueue<T> {
  /** Invariant: a power of two, so that wrapping is a mask. */
  private slots: (T | undefined)[] = new Array<T | undefined>(16).fill(undefined);
  private head = 0;
  private count = 0;

  get length(): number {
    return this.count;
  }

  push(value: T): void {
    if (this.count === this.slots.length) this.grow();
    this.slots[(this.head + this.count) & (this.slots.length - 1)] = value;
    this.count++;
  }

  /** The oldest element, or undefined when empty. */
  peek(): T | undefined {
    return this.count === 0 ? undefined : this.slots[this.head];
  }

  /** The element `offset` places behind the oldest. `offset` must be below `length`. */
  at(offset: number): T {
    assert(offset >= 0 && offset < this.count, "ring queue offset out of range");
    return this.slots[(this.head + offset) & (this.slots.length - 1)] as T;
  }

  /** Removes and returns the oldest element, or undefined when empty. */
  shift(): T | undefined {
    if (this.count === 0) return undefined;
    const value = this.slots[this.head];
    this.slots[this.head] = undefined;
    this.head = (this.head + 1) & (this.slots.length - 1);
    this.count--;
    return value;
  }

  /** Removes and returns the newest element, or undefined when empty. */
  pop(): T | undefined {
    if (this.count === 0) return undefined;
    this.count--;
    const slot = (this.head + this.count) & (this.slots.length - 1);
    const value = this.slots[slot];
    this.slots[slot] = undefined;
    return value;
  }

  clear(): void {
    this.slots = new Array<T | undefined>(16).fill(undefined);
    this.head = 0;
    this.count = 0;
  }

  private grow(): void {
    const grown = new Array<T | undefined>(this.slots.length * 2).fill(undefined);
    for (let i = 0; i < this.count; i++) grown[i] = this.at(i);
    this.slots = grown;
    this.head = 0;
  }
}
