/** JSON from a server, before anything about it is believed. */

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The value that `bytes` hold; undefined where they are not JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    return undefined; // not UTF-8, or not JSON: the caller knows what it expected
  }
}

/** Whether `value` is an object with properties. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
