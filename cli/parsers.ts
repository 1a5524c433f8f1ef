/** Values of the command line: durations, numbers, choices, lists. Each parser says what it expected instead. */
import { InvalidValueError } from "./command.ts";
import type { Parse } from "./command.ts";
import { isEndpoint } from "../src/client/endpoints.ts";
import { durationMs } from "../src/lib/duration.ts";

/** Any text. */
export const text: Parse<string> = (value) => value;

const durationMsMax = 24 * 3_600_000;

/** Milliseconds of a duration such as `150ms`, `2s`, `1.5s`, `5m`: above zero, at most a day. */
export const duration: Parse<number> = (value) => {
  const millis = durationMs(value);
  if (millis === null) throw new InvalidValueError("expected a duration such as 150ms, 2s or 5m");
  if (millis < 1 || millis > durationMsMax) throw new InvalidValueError("expected a duration from 1ms to 24h");
  return millis;
};

/** Whole milliseconds of a time to live, whose bounds are the server's. */
export const timeToLive: Parse<number> = (value) => {
  const millis = durationMs(value);
  if (millis !== null && Number.isSafeInteger(millis)) return millis;
  throw new InvalidValueError("expected a duration such as 30s, 5m, 12h or 7d");
};

const bytesOfUnit: Readonly<Record<string, number>> = { "": 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** Bytes of a size such as `64MiB`, `1.5GiB` or `4096`: above zero. */
export const byteSize: Parse<number> = (value) => {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(B|KiB|MiB|GiB|)$/.exec(value);
  const bytes = Math.round(Number(match?.[1]) * (bytesOfUnit[match?.[2] ?? ""] ?? 1));
  if (!Number.isSafeInteger(bytes) || bytes < 1)
    throw new InvalidValueError("expected a size such as 4096, 512KiB or 64MiB");
  return bytes;
};

/** A decimal integer from `min` to `max`, both included. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): Parse<number> {
  return (value) => {
    const number = Number(value);
    if (/^\d{1,16}$/.test(value) && number >= min && number <= max) return number;
    const range =
      max === Number.MAX_SAFE_INTEGER ? `of at least ${String(min)}` : `from ${String(min)} to ${String(max)}`;
    throw new InvalidValueError(`expected an integer ${range}`);
  };
}

/** A percentage such as `5` or `0.5`, from 0 to `max`. */
export function percent(max: number): Parse<number> {
  return (value) => {
    const number = Number(value.replace(/ ?%$/, ""));
    if (/^\d{1,3}(\.\d{1,6})?( ?%)?$/.test(value) && number <= max) return number;
    throw new InvalidValueError(`expected a percentage from 0 to ${String(max)}, such as 1 or 0.5`);
  };
}

/** One of a few words. */
export function choice<const T extends string>(...words: readonly T[]): Parse<T> {
  return (value) => {
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw new InvalidValueError(`expected one of ${words.join(", ")}`);
    return word;
  };
}

/** What separates the elements of a list, `parse` reads each; empty elements are refused. */
export function list<T>(separator: string, parse: Parse<T>): Parse<readonly T[]> {
  return (value) =>
    value.split(separator).map((element) => {
      const trimmed = element.trim();
      if (trimmed === "")
        throw new InvalidValueError(`expected a list separated by "${separator}", without empty elements`);
      return parse(trimmed);
    });
}

/** `1`, `true`, `yes` or `0`, `false`, `no`, as environment variables say it; empty is no. */
export const switchText: Parse<boolean> = (value) => {
  const word = value.toLowerCase();
  if (["1", "true", "yes"].includes(word)) return true;
  if (["", "0", "false", "no"].includes(word)) return false;
  throw new InvalidValueError("expected 1 or 0");
};

/** A service port, as `host:port`. */
export const endpoint: Parse<string> = (value) => {
  if (isEndpoint(value)) return value;
  throw new InvalidValueError("expected host:port, such as 127.0.0.1:5001");
};

/** Node ids, as `1,2,4`: each once, in any order; ascending afterwards. */
export const idList: Parse<readonly number[]> = (value) => {
  const ids = value.split(/[,;]/).map((id) => integer(1, 0xffff_ffff)(id.trim()));
  if (new Set(ids).size !== ids.length) throw new InvalidValueError("expected each node id once");
  return ids.sort((a, b) => a - b);
};

/** Service ports, as `host:port,…`; a scheme in front of one is dropped. */
export const endpointList: Parse<readonly string[]> = (value) =>
  value.split(/[,;]/).map((element) =>
    endpoint(
      element
        .trim()
        .replace(/^http:\/\//, "")
        .replace(/\/$/, ""),
    ),
  );

/** The id of a request: an index, a name, and perhaps a number. */
export const requestIdText: Parse<string> = (value) => {
  if (/^\d{1,15}-[A-Za-z0-9_]{1,64}(\.[1-9]\d{0,14})?$/.test(value)) return value;
  throw new InvalidValueError("expected the id that the message of exit 4 names, such as 1042-k3J9x");
};
