/** Queries and answers: their exact bytes, what is refused and with what words, and that no damage does more than be refused. */
import { describe, expect, test } from "bun:test";
import { Store } from "../../src/kv/mod.ts";
import { ByteReader } from "../../src/lib/byte_reader.ts";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { seededRandom } from "../../src/lib/random.ts";
import {
  type GetAnswer,
  type KeyState,
  type RangeAnswer,
  type RangeQuery,
  decodeQuery,
  QueryCursor,
  keyBytesMax,
  prefixEnd,
  rangeItemBytes,
  readGetAnswer,
  readRangeAnswer,
  validateQueries,
  writeGet,
  writeGetAnswer,
  writeRange,
  writeRangeAnswer,
} from "../../src/wire/mod.ts";
import { apply, bytes, put, read, stored, thrown } from "../kv/driver.ts";
import { accepts, damaged, hexOf } from "./damage.ts";

function getBytes(key: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writeGet(writer, key);
  return writer.take();
}

function rangeBytes(query: Partial<RangeQuery>): Uint8Array {
  const writer = new ByteWriter();
  writeRange(writer, { start: new Uint8Array(), end: null, limit: null, keysOnly: false, ...query });
  return writer.take();
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter();
  for (const part of parts) writer.bytes(part);
  return writer.take();
}

function check(queries: Uint8Array): string {
  const result = validateQueries(queries);
  return result.ok ? `${result.count} ok` : `${result.code} ${result.message}`;
}

const state: KeyState = { value: bytes("value"), createRevision: 2, modRevision: 2 ** 40, version: 3, lease: 4 };

describe("queries", () => {
  test("have these bytes", () => {
    expect(hexOf(getBytes(bytes("key")))).toBe("01" + "00000003" + "6b6579");
    expect(hexOf(rangeBytes({ start: bytes("a"), end: bytes("b"), limit: 5, keysOnly: true }))).toBe(
      "02" + "0000000b" + "01" + "00000005" + "0001" + "61" + "0001" + "62",
    );
    expect(hexOf(rangeBytes({}))).toBe("02" + "00000009" + "00" + "00000000" + "0000" + "0000");
  });

  test("come back as what was written", () => {
    expect(decodeQuery(getBytes(bytes("key")))).toEqual({ kind: "get", key: bytes("key"), revision: null });
    const ranges: RangeQuery[] = [
      { kind: "range", start: bytes("a"), end: bytes("b"), limit: 5, keysOnly: true, revision: null },
      { kind: "range", start: bytes("a"), end: null, limit: null, keysOnly: false, revision: 2 ** 40 },
      { kind: "range", start: new Uint8Array(), end: null, limit: null, keysOnly: false, revision: null },
    ];
    for (const query of ranges) expect(decodeQuery(rangeBytes(query))).toEqual(query);
    expect(decodeQuery(rangeBytes({ end: new Uint8Array() }))).toEqual(decodeQuery(rangeBytes({ end: null })));
  });

  test("a limit beyond 32 bits is no limit that anybody could reach", () => {
    expect(decodeQuery(rangeBytes({ limit: 2 ** 40 }))).toEqual(decodeQuery(rangeBytes({ limit: 0xffff_ffff })));
    expect(() => rangeBytes({ limit: 0 })).toThrow("positive");
  });

  test("are taken one by one from a batch", () => {
    const first = getBytes(bytes("key"));
    const second = rangeBytes({ limit: 7 });
    const batch = joined(first, second);
    const cursor = new QueryCursor(batch);
    expect([cursor.next(), cursor.isGet, cursor.decode()]).toEqual([true, true, decodeQuery(first)]);
    expect(batch.subarray(cursor.keyStart, cursor.keyEnd)).toEqual(bytes("key"));
    expect([cursor.next(), cursor.isGet, cursor.decode()]).toEqual([true, false, decodeQuery(second)]);
    expect([cursor.next(), cursor.next()]).toEqual([false, false]);
    expect(check(batch)).toBe("2 ok");
    expect(new QueryCursor(new Uint8Array()).next()).toBe(false);
    for (const broken of [batch, new Uint8Array()]) expect(accepts(() => decodeQuery(broken))).toBe(false);
    for (const broken of [first.subarray(0, 7), Uint8Array.of(1, 0xff, 0xff, 0xff, 0xff), Uint8Array.of(1)])
      expect(accepts(() => new QueryCursor(broken).next())).toBe(false);
  });

  test("names the limit that is exceeded", () => {
    const long = new Uint8Array(keyBytesMax + 2);
    expect(
      check(
        joined(getBytes(new Uint8Array(keyBytesMax)), rangeBytes({ start: long.subarray(1), end: long.subarray(1) })),
      ),
    ).toBe("2 ok");
    const longGet = joined(Uint8Array.of(1, 0, 0, 0x20, 0x01), long.subarray(1));
    expect(check(longGet)).toBe("TOO_LARGE Cannot get: the key has 8193 bytes, the limit is 8192");
    const longStart = joined(Uint8Array.of(2, 0, 0, 0x20, 0x0b, 0, 0, 0, 0, 0, 0x20, 0x02), long, Uint8Array.of(0, 0));
    expect(check(longStart)).toBe("TOO_LARGE Cannot list: the start of the range has 8194 bytes, the limit is 8193");
    expect(String(thrown(() => getBytes(long)))).toContain("Cannot get: the key has 8194 bytes, the limit is 8192");
    expect(String(thrown(() => rangeBytes({ end: long })))).toContain(
      "Cannot list: the end of the range has 8194 bytes, the limit is 8193",
    );
  });

  test("what is no query is refused, and the refusal says which", () => {
    const fine = getBytes(bytes("k"));
    expect(check(new Uint8Array())).toBe("INVALID_REQUEST Cannot read: the request holds no query");
    expect(check(getBytes(bytes("k")).fill(0, 0, 1))).toContain("query 1 of the request: kind 0, which is not known");
    expect(check(Uint8Array.of(1, 0, 0, 0, 0))).toBe("INVALID_REQUEST Cannot get: the key is empty");
    const broken = [
      Uint8Array.of(1, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(1, 0xff, 0, 0, 1, 0x6b), // a length that is right but for its first byte
      Uint8Array.of(2, 0, 0, 0, 0),
      Uint8Array.of(2, 0, 0, 0, 9, 2, 0, 0, 0, 0, 0, 0, 0, 0), // a flag that is not known
      Uint8Array.of(2, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), // a byte too many
      Uint8Array.of(2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 0, 0), // the start takes the end's length
    ];
    for (const query of broken)
      expect(check(joined(fine, query))).toContain("INVALID_REQUEST Cannot read query 2 of the request: ");
  });

  test("any damage is refused or valid, and what is valid is answered", () => {
    const store = new Store();
    apply(store, put("key", "value"), put("other", "value"));
    const whole = joined(
      getBytes(bytes("key")),
      rangeBytes({ start: bytes("a"), end: bytes("z"), limit: 5 }),
      getBytes(bytes("x")),
    );
    let valid = 0;
    for (const queries of damaged(whole, seededRandom(3), 6000)) {
      if (!validateQueries(queries).ok) continue;
      valid++;
      read(store, queries);
    }
    expect(valid).toBeGreaterThan(1000);
  });
});

describe("answers", () => {
  const gets: GetAnswer[] = [
    { revision: 9, state },
    { revision: 2 ** 40, state: null },
    { revision: 9, state: { ...state, value: new Uint8Array() } },
  ];

  function writeGetAnswers(writer: ByteWriter, answers: readonly GetAnswer[]): void {
    for (const { revision, state } of answers) writeGetAnswer(writer, revision, state === null ? null : stored(state));
  }

  const ranges: RangeAnswer[] = [
    {
      revision: 9,
      more: true,
      items: [
        { key: bytes("a"), state },
        { key: Uint8Array.of(0xff), state: { ...state, value: new Uint8Array() } },
      ],
    },
    { revision: 1, more: false, items: [] },
  ];

  function written(): Uint8Array {
    const writer = new ByteWriter();
    writeGetAnswers(writer, gets);
    for (const answer of ranges) writeRangeAnswer(writer, answer, { keysOnly: false });
    return writer.take();
  }

  test("have these bytes", () => {
    const writer = new ByteWriter();
    const small = { value: bytes("v"), createRevision: 2, modRevision: 3, version: 4, lease: 5 };
    const stamps = "0000000000000002" + "0000000000000003" + "0000000000000004" + "0000000000000005";
    writeGetAnswers(writer, [{ revision: 9, state: small }]);
    expect(hexOf(writer.take())).toBe("0000002a" + "00" + "0000000000000009" + stamps + "76");
    writeGetAnswers(writer, [{ revision: 9, state: null }]);
    expect(hexOf(writer.take())).toBe("00000009" + "01" + "0000000000000009");
    writeRangeAnswer(
      writer,
      { revision: 9, more: true, items: [{ key: bytes("k"), state: small }] },
      { keysOnly: false },
    );
    expect(hexOf(writer.take())).toBe(
      "00000036" + "00" + "0000000000000009" + "01" + "00000001" + "0001" + "6b" + stamps + "00000001" + "76",
    );
  });

  test("come back as what was written, one behind the other", () => {
    const reader = new ByteReader(written());
    expect(gets.map(() => readGetAnswer(reader))).toEqual(gets);
    expect(ranges.map(() => readRangeAnswer(reader))).toEqual(ranges);
    expect(reader.remaining).toBe(0);
  });

  test("an item takes what rangeItemBytes says, and no value if only keys were asked for", () => {
    const writer = new ByteWriter();
    writeRangeAnswer(writer, { revision: 1, more: false, items: [] }, { keysOnly: false });
    const empty = writer.take().length;
    const items = [{ key: bytes("key"), state }];
    writeRangeAnswer(writer, { revision: 1, more: false, items }, { keysOnly: false });
    expect(writer.take().length - empty).toBe(rangeItemBytes({ keyLength: 3, valueLength: 5 }));
    writeRangeAnswer(writer, { revision: 1, more: false, items }, { keysOnly: true });
    expect(writer.length - empty).toBe(rangeItemBytes({ keyLength: 3, valueLength: 0 }));
    expect(readRangeAnswer(new ByteReader(writer.peek())).items).toEqual([
      { key: bytes("key"), state: { ...state, value: new Uint8Array() } },
    ]);
  });

  test("a count or length that the bytes cannot hold is corrupt at once", () => {
    const head = [0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0];
    expect(accepts(() => readRangeAnswer(new ByteReader(Uint8Array.of(...head, 0, 0, 0, 0))))).toBe(true);
    expect(accepts(() => readRangeAnswer(new ByteReader(Uint8Array.of(...head, 0xff, 0xff, 0xff, 0xff))))).toBe(false);
    expect(accepts(() => readGetAnswer(new ByteReader(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0))))).toBe(false);
    expect(accepts(() => readGetAnswer(new ByteReader(Uint8Array.of(0, 0, 0, 10, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1))))).toBe(
      false,
    );
    expect(accepts(() => readGetAnswer(new ByteReader(Uint8Array.of(0, 0, 0, 9, 2, 0, 0, 0, 0, 0, 0, 0, 9))))).toBe(
      false,
    );
  });

  test("any damage is corrupt or an answer", () => {
    for (const damagedBytes of damaged(written(), seededRandom(4), 5000)) {
      accepts(() => {
        const reader = new ByteReader(damagedBytes);
        while (reader.remaining > 0) readGetAnswer(reader);
      });
      accepts(() => {
        const reader = new ByteReader(damagedBytes);
        while (reader.remaining > 0) readRangeAnswer(reader);
      });
    }
  });
});

test("prefixEnd is the lowest bound above every key with the prefix", () => {
  expect(prefixEnd(bytes("ab"))).toEqual(bytes("ac"));
  expect(prefixEnd(Uint8Array.of(0x61, 0xff, 0xff))).toEqual(Uint8Array.of(0x62));
  expect(prefixEnd(Uint8Array.of(0))).toEqual(Uint8Array.of(1));
  expect(prefixEnd(Uint8Array.of(0xfe))).toEqual(Uint8Array.of(0xff));
  expect(prefixEnd(Uint8Array.of(0xff, 0xff))).toBe(null);
  expect(prefixEnd(new Uint8Array())).toBe(null);
  const prefix = bytes("ab");
  prefixEnd(prefix);
  expect(prefix).toEqual(bytes("ab"));
});
