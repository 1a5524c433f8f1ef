/** Images of a store that goes on, restored elsewhere: the state at their moment, byte for byte, or nothing (rule S7). */
import { describe, expect, test } from "bun:test";
import { type ImageSource, Store } from "../../src/kv/mod.ts";
import { crc32 } from "../../src/lib/checksum.ts";
import { CorruptError } from "../../src/lib/errors.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";
import type { Entry } from "../../src/raft/mod.ts";
import { accepts, hexOf } from "../wire/damage.ts";
import {
  type TestCommand,
  apply,
  compact,
  del,
  delRange,
  get,
  history,
  keysOf,
  nextEntry,
  payloadOf,
  put,
  range,
} from "./driver.ts";

function joined(slices: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(slices));
}

/** All that is left of an image. */
function drain(image: ImageSource, bytesMax = 4096): Uint8Array {
  const slices: Uint8Array[] = [];
  for (let slice = image.next(bytesMax); slice !== null; slice = image.next(bytesMax)) slices.push(slice.slice());
  return joined(slices);
}

/** A new store from an image of `appliedIndex`, pushed in slices of `sliceBytes`. */
function restored(image: Uint8Array, appliedIndex: number, sliceBytes = 1000): Store {
  const store = new Store();
  const sink = store.restore(appliedIndex);
  for (let start = 0; start < image.length; start += sliceBytes) {
    const slice = image.slice(start, start + sliceBytes);
    sink.push(slice);
    slice.fill(0xee); // the sink keeps nothing of it
  }
  sink.finish();
  return store;
}

/** All that can be asked of a store. */
function factsOf(store: Store): unknown {
  const { appliedIndex, revision, keyCount } = store;
  const hashes = [store.stateHash(), store.recomputeStateHash()];
  const all = range(store);
  const each = keysOf(all).map((key) => ({ latest: get(store, latin1(key)), history: history(store, latin1(key)) }));
  return { appliedIndex, revision, keyCount, hashes, all, each };
}

function latin1(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

function expectSame(store: Store, other: Store): void {
  expect(factsOf(store)).toEqual(factsOf(other));
  expect(hexOf(drain(store.image()))).toBe(hexOf(drain(other.image())));
}

function smallStore(): Store {
  const store = new Store();
  apply(store, put("a", "1"), put("b", new Uint8Array(40)), put("é/\u0000", ""));
  apply(store, put("a", "22"), put("gone", "x"));
  apply(store, del("gone"));
  return store;
}

describe("an image", () => {
  test("has these bytes", () => {
    const store = new Store();
    apply(store, put("k", "v1"));
    apply(store, put("k", "v2"));
    const u53 = (value: number): string => value.toString(16).padStart(16, "0");
    const stamp = (createRevision: number, modRevision: number, version: number): string =>
      u53(createRevision) + u53(modRevision) + u53(version) + u53(0);
    const header = "7072696d" + "00000002" + u53(2) + u53(3) + u53(1) + u53(0) + u53(0) + u53(0);
    const history = "01" + u53(100_000) + "02" + u53(256 * 2 ** 20);
    const settings = "01" + u53(4) + history + "03" + u53(100_000) + "04" + u53(64 * 2 ** 20);
    const keys = "02" + u53(1) + "0001" + "00000002" + stamp(2, 3, 2) + "6b" + "7632";
    const overwrite = "00" + u53(3) + "0001" + "00000002" + stamp(2, 2, 1) + "6b" + "7631";
    const creation = "02" + u53(2) + "0001" + "00000000" + stamp(0, 0, 0) + "6b";
    const checked = `${header}${settings}${keys}03${u53(2)}${overwrite}${creation}04${u53(0)}05${u53(0)}ff${u53(7)}${store.stateHash()}`;
    const checksum = crc32(new Uint8Array(Buffer.from(checked, "hex")));
    expect(hexOf(drain(store.image()))).toBe(checked + checksum.toString(16).padStart(8, "0"));
  });

  test("of an empty store restores an empty store", () => {
    const image = drain(new Store().image());
    expectSame(restored(image, 0), new Store());
  });

  test("fills each slice but the last, and has the same bytes however it is sliced", () => {
    const store = smallStore();
    apply(store, put("large", new Uint8Array(60_000).fill(7)));
    const whole = drain(store.image());
    for (const bytesMax of [1, 2, 37, 38, 39, 100, 4096, 59_999, 1_000_000]) {
      const image = store.image();
      const slices: Uint8Array[] = [];
      for (let slice = image.next(bytesMax); slice !== null; slice = image.next(bytesMax)) slices.push(slice.slice());
      expect(slices.slice(0, -1).every((slice) => slice.length === bytesMax)).toBe(true);
      expect(Buffer.compare(joined(slices), whole)).toBe(0);
      expect(image.next(bytesMax)).toBe(null);
    }
    for (const sliceBytes of [1, 37, 4096, 1_000_000]) expectSame(restored(whole, 3 + 1, sliceBytes), store);
  });

  test("is of its moment: keys overwritten, deleted, made again and created later do not show", () => {
    const store = new Store();
    apply(store, put("a", "old"), put("b", "old"), put("c", "old"), put("d", "old"));
    const before = factsOf(store);
    const image = store.image();
    apply(store, put("a", "new"), del("b"), delRange("c", "d"), put("aa", "new"), put("d", "new"), put("d", "newer"));
    apply(store, put("b", "again"), put("b", "twice"), del("aa"), put("c", "again"));
    expect(factsOf(restored(drain(image, 10), 1))).toEqual(before);
  });

  test("does not take a key with it that went and came back meanwhile", () => {
    const store = smallStore();
    const whole = drain(store.image());
    const image = store.image();
    for (let round = 0; round < 3; round++) {
      apply(store, del("a"), del("b"), put(`${round}`, "new"));
      apply(store, compact(store.revision));
      apply(store, put("a", `${round}`));
    }
    expect(hexOf(drain(image))).toBe(hexOf(whole));
    image.close();
    apply(store, put("c", "1"), put("d", "2")); // where b was, perhaps
    expect(keysOf(range(store)).slice(0, -1)).toEqual(["0", "1", "2", "a", "c", "d"]);
    expect(Buffer.from(get(store, "a").state?.value ?? []).toString()).toBe("2");
    expect(get(store, "b").state).toBe(null);
    expectSame(restored(drain(store.image()), store.appliedIndex), store);
  });

  test("is not read after it was closed, and may be closed twice", () => {
    const image = smallStore().image();
    image.next(1);
    image.close();
    image.close();
    expect(() => image.next(1)).toThrow("after it was closed");
    const ended = smallStore().image();
    drain(ended);
    ended.close();
  });

  test("outlives a restoration of its store", () => {
    const store = smallStore();
    const whole = drain(store.image());
    const other = new Store();
    for (let i = 0; i < 5; i++) apply(other, put(`other/${i}`, "x"));
    const image = store.image();
    const sink = store.restore(5);
    sink.push(drain(other.image()));
    sink.finish();
    apply(store, put("a", "later"), del("other/1"));
    expect(hexOf(drain(image, 7))).toBe(hexOf(whole));
  });
});

describe("a restoration", () => {
  test("replaces whatever was there, in one step at its end", () => {
    const store = new Store();
    apply(store, put("x", "y"));
    const before = factsOf(store);
    const sink = store.restore(3);
    sink.push(drain(smallStore().image()));
    expect(factsOf(store)).toEqual(before);
    sink.finish();
    expectSame(store, smallStore());
    apply(store, put("b", "next"));
    const replayed = smallStore();
    apply(replayed, put("b", "next"));
    expectSame(store, replayed);
  });

  test("never goes back", () => {
    const store = smallStore();
    apply(store, put("b", "next"));
    const back = store.restore(3);
    back.push(drain(smallStore().image()));
    expect(() => back.finish()).toThrow("must not take the store back");
  });

  test("refuses an image of another index", () => {
    expect(() => restored(drain(smallStore().image()), 4)).toThrow("an image of index 3, not of 4");
  });

  test("refuses every truncation and every flipped bit, and leaves the store as it was", () => {
    const image = drain(smallStore().image());
    const store = new Store();
    apply(store, put("x", "y"));
    const before = factsOf(store);
    const isAccepted = (candidate: Uint8Array): boolean =>
      accepts(() => {
        const sink = store.restore(3);
        sink.push(candidate);
        sink.finish();
      });
    for (let length = 0; length < image.length; length++) expect(isAccepted(image.subarray(0, length))).toBe(false);
    expect(isAccepted(joined([image, new Uint8Array(1)]))).toBe(false);
    for (let bit = 0; bit < image.length * 8; bit++) {
      const flipped = image.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      if (isAccepted(flipped)) expect(bit).toBe(-1);
    }
    expect(factsOf(store)).toEqual(before);
    expect(isAccepted(image)).toBe(true);
  });

  /** An image with another content, and a checksum that fits. */
  function forged(change: (image: Uint8Array) => Uint8Array): Uint8Array {
    const image = change(drain(smallStore().image()).slice());
    new DataView(image.buffer).setUint32(image.length - 4, crc32(image.subarray(0, -4)));
    return image;
  }

  function refusal(image: Uint8Array): string {
    try {
      restored(image, 3);
    } catch (error) {
      if (error instanceof CorruptError) return error.message;
      throw error;
    }
    return "accepted";
  }

  test("refuses what the checksum does not show", () => {
    const sectionAt = 56;
    const keysAt = sectionAt + 9 + 4 * 9;
    const firstRecord = { start: keysAt + 9, end: keysAt + 9 + 38 + 1 + 2 };
    const setByte = (image: Uint8Array, at: number, value: number): Uint8Array => {
      image[at] = value;
      return image;
    };
    expect(refusal(forged((image) => image))).toBe("accepted");
    expect(refusal(forged((image) => setByte(image, 0, 0)))).toContain("not an image");
    expect(refusal(forged((image) => setByte(image, 7, 3)))).toContain("format 3");
    expect(refusal(forged((image) => setByte(image, sectionAt, 2)))).toContain("section 2");
    expect(refusal(forged((image) => setByte(image, sectionAt, 255)))).toContain("section 255");
    expect(refusal(forged((image) => setByte(image, sectionAt + 8, 1)))).toContain("1 settings, not 4");
    expect(refusal(forged((image) => setByte(image, keysAt + 8, 2)))).toContain("section 0"); // one key fewer than there are
    expect(refusal(forged((image) => setByte(image, firstRecord.start + 1, 0)))).toContain("a key of 0 bytes");
    expect(refusal(forged((image) => setByte(image, firstRecord.start + 6 + 8 + 7, 99)))).toContain("younger");
    expect(refusal(forged((image) => setByte(image, firstRecord.start + 6 + 16 + 7, 0)))).toContain("does not exist");
    expect(refusal(forged((image) => setByte(image, firstRecord.end - 1, 0x33)))).toContain("state hash");
    expect(refusal(forged((image) => setByte(image, image.length - 13, 4)))).toContain("13 of 4 items");
    const changesAt = keysAt + 9 + 3 * 38 + 1 + 2 + 1 + 40 + 4;
    const firstChange = changesAt + 9; // the tombstone of "gone"
    expect(refusal(forged((image) => setByte(image, 31, 7)))).toContain("compacted");
    expect(refusal(forged((image) => setByte(image, firstChange, 0)))).toContain("made nothing that is there");
    expect(refusal(forged((image) => setByte(image, firstChange, 7)))).toContain("flags 7");
    expect(refusal(forged((image) => setByte(image, firstChange + 8, 6)))).toContain("replaced what came later");
    expect(refusal(forged((image) => setByte(image, firstChange + 8, 8)))).toContain("not in order");
    // Two records exchanged: the state hash does not care for order.
    const second = { start: firstRecord.end, end: firstRecord.end + 38 + 1 + 40 };
    const exchanged = forged((image) =>
      joined([
        image.slice(0, firstRecord.start),
        image.slice(second.start, second.end),
        image.slice(firstRecord.start, firstRecord.end),
        image.slice(second.end),
      ]),
    );
    expect(refusal(exchanged)).toContain("not in order");
  });
});

describe("images and random commands", () => {
  const alphabet = "\u0000/abcdé";

  function randomKey(random: Random): string {
    return Array.from({ length: random.integer(1, 4) }, () => alphabet[random.integer(0, alphabet.length - 1)]).join(
      "",
    );
  }

  function randomCommand(random: Random, revision: number): TestCommand {
    const key = randomKey(random);
    const dice = random.integer(0, 99);
    if (dice < 80) return put(key, new Uint8Array(random.integer(0, 60)).fill(random.integer(0, 255)));
    if (dice < 93) return del(key);
    if (dice < 95) {
      const id = { born: 0, session: key.codePointAt(0) === 0 ? "zero" : "other", seq: random.integer(1, 1000) };
      return { kind: "once", id, commands: [put(key, "once")] };
    }
    if (dice < 98) return compact(Math.max(1, revision - random.integer(0, 400)));
    return dice === 98 ? delRange(key, `${key}\u00ff`) : delRange(key, key.slice(0, -1) || null);
  }

  interface OpenImage {
    readonly source: ImageSource;
    readonly appliedIndex: number;
    readonly slices: Uint8Array[];
  }

  /** Replays the log up to the image and beyond, once with the image and once without. */
  function check(log: readonly Entry[], image: OpenImage): void {
    const { appliedIndex } = image;
    const replayed = new Store();
    for (const entry of log.slice(0, appliedIndex)) replayed.apply(entry, null);
    const whole = joined(image.slices);
    expect(Buffer.compare(whole, drain(replayed.image()))).toBe(0);
    const store = restored(whole, appliedIndex, 777);
    expectSame(store, replayed);
    for (const entry of log.slice(appliedIndex, appliedIndex + 50)) {
      replayed.apply(entry, null);
      store.apply(entry, null);
    }
    expectSame(store, replayed);
  }

  for (const seed of [1, 2, 3]) {
    test(`agree with a replay of the log, seed ${seed}`, () => {
      const random = seededRandom(seed);
      const store = new Store();
      const log: Entry[] = [];
      let open: readonly OpenImage[] = [];
      let checked = 0;
      let openMax = 0;
      let keysMax = 0;
      while (checked < 8) {
        const commands = Array.from({ length: random.integer(1, 12) }, () => randomCommand(random, store.revision));
        const entry = nextEntry(store, payloadOf(commands));
        log.push(entry);
        store.apply(entry, null);
        keysMax = Math.max(keysMax, store.keyCount);
        if (open.length < 4 && random.integer(0, 9) === 0) {
          open = [...open, { source: store.image(), appliedIndex: store.appliedIndex, slices: [] }];
          openMax = Math.max(openMax, open.length);
        }
        for (const image of open) {
          if (random.integer(0, 1) === 0) continue;
          const slice = image.source.next(random.integer(1, 1000));
          if (slice !== null) image.slices.push(slice.slice());
          else check(log, image);
          if (slice === null) checked++;
          const abandoned = random.integer(0, 99) === 0;
          if (abandoned) image.source.close();
          if (slice === null || abandoned) open = open.filter((other) => other !== image);
        }
      }
      expect(openMax).toBe(4);
      expect(keysMax).toBeGreaterThan(100);
    });
  }
});
