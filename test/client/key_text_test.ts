/** Bytes as text and back, and what is refused on the way. */
import { expect, test } from "bun:test";
import {
  base64Decode,
  bytesOfJson,
  hexDecode,
  jsonBytes,
  percentDecode,
  percentEncode,
  utf8Text,
} from "../../src/client/key_text.ts";

const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);

test("percent-encoding leaves only what no URL parser touches", () => {
  expect(percentEncode(new TextEncoder().encode("a/..+ %ä~_-Z9"))).toBe("a%2F%2E%2E%2B%20%25%C3%A4~_-Z9");
  expect(/^[A-Za-z0-9_~%-]*$/.test(percentEncode(everyByte))).toBe(true);
});

test("percent-encoding is undone", () => {
  expect(percentDecode(percentEncode(everyByte))).toEqual(everyByte);
  expect(percentDecode("ä/b%2fc")).toEqual(new TextEncoder().encode("ä/b/c"));
});

test("broken encodings are refused", () => {
  for (const text of ["%", "%1", "%zz", "a%"]) expect(percentDecode(text)).toBe(null);
  for (const text of ["1", "0g", "0x00"]) expect(hexDecode(text)).toBe(null);
  for (const text of ["a", "ab", "a===", "a b=", "_-8="]) expect(base64Decode(text)).toBe(null);
});

test("hexadecimal digits and base64 are bytes", () => {
  expect(hexDecode("00ffA0")).toEqual(Uint8Array.of(0, 255, 160));
  expect(hexDecode("")).toEqual(new Uint8Array());
  expect(base64Decode("AP8=")).toEqual(Uint8Array.of(0, 255));
});

test("JSON carries text where the bytes are UTF-8, else base64", () => {
  expect(jsonBytes("value", new TextEncoder().encode("ä"))).toEqual({ value: "ä" });
  expect(jsonBytes("key", Uint8Array.of(255, 0))).toEqual({ key_b64: "/wA=" });
  for (const bytes of [everyByte, new Uint8Array(), new TextEncoder().encode("\u{feff}x")]) {
    expect(bytesOfJson("x", jsonBytes("x", bytes))).toEqual(bytes);
  }
  expect(bytesOfJson("x", { y: "z" })).toBe(null);
  expect(utf8Text(Uint8Array.of(0xc3))).toBe(null);
});
