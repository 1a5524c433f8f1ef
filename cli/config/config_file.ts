/** Reads a configuration file: all that is wrong with it is said at once, each mistake with its line. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import type { Environment } from "../context.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { settingNames, settingOf } from "./node_settings.ts";
import type { NodeSettingName } from "./node_settings.ts";
import { mistakesIn, textOf } from "./schema.ts";
import type { Mistake } from "./schema.ts";
import { linesOfKeys } from "./toml_lines.ts";

/** A setting as the file has it: as it would be typed on the command line. */
export interface FileValue {
  readonly text: string;
  readonly line: number;
}

export interface LocatedMistake extends Mistake {
  /** Counted from 1; null where no line is to blame. */
  readonly line: number | null;
}

export interface ConfigFile {
  readonly path: string;
  readonly values: ReadonlyMap<NodeSettingName, FileValue>;
}

/** What a look at a file found: its values, or all that is wrong with it. */
export type ConfigReading =
  | { readonly ok: true; readonly file: ConfigFile }
  | { readonly ok: false; readonly mistakes: readonly LocatedMistake[] };

/** Reads and checks `path`. Throws USAGE when it cannot be read at all. */
export function readConfig(path: string): ConfigReading {
  const text = contentOf(path);
  const document = parsed(text);
  if (!document.ok) return { ok: false, mistakes: [document.mistake] };
  const lines = linesOfKeys(text);
  const mistakes = mistakesIn(document.value).map((mistake) => ({ ...mistake, line: lineOf(lines, mistake.key) }));
  if (mistakes.length > 0) return { ok: false, mistakes: mistakes.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)) };
  const values = new Map<NodeSettingName, FileValue>();
  for (const name of settingNames) {
    const { key, shape } = settingOf(name);
    const value = valueAt(document.value, key.split("."));
    if (value === undefined) continue;
    const typed = textOf(value);
    const line = lineOf(lines, key) ?? 0;
    values.set(name, { text: shape.kind === "path" ? resolve(dirname(path), typed) : typed, line });
  }
  return { ok: true, file: { path, values } };
}

/** Reads `path` for a node that is to start with it. Throws USAGE with everything that is wrong. */
function loadConfig(path: string): ConfigFile {
  const reading = readConfig(path);
  if (reading.ok) return reading.file;
  throw new ProaError("USAGE", `Cannot use ${path}: ${reading.mistakes.map(mistakeText).join("; ")}`, {
    hint: "proa config example prints a whole file, proa config check looks at one",
  });
}

/** The file that `--config`, else PROA_CONFIG, names; null when neither does. */
export function configFileOf({ config }: { readonly config: string | undefined }, env: Environment): ConfigFile | null {
  const path = config ?? env["PROA_CONFIG"] ?? "";
  return path === "" ? null : loadConfig(path);
}

/** `line 7: timing.heartbeat: expected …`. */
export function mistakeText({ line, key, message }: LocatedMistake): string {
  return [line === null ? "" : `line ${String(line)}`, key, message].filter((part) => part !== "").join(": ");
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const reason = error.code === "ENOENT" ? "there is no such file" : String(error.code);
    throw new ProaError("USAGE", `Cannot read ${path}: ${reason}`, {
      hint: "name a file, such as one made with: proa config example > node.toml",
      cause: error,
    });
  }
}

function parsed(
  text: string,
): { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly mistake: LocatedMistake } {
  try {
    return { ok: true, value: parse(text, { unsafeKeyBehaviour: "throw", maxDepth: 16 }) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [reason = ""] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
    return { ok: false, mistake: { key: "", line: error.line, message: `not TOML: ${reason}` } };
  }
}

/** The line of `key`, or of the nearest table around it. */
function lineOf(lines: ReadonlyMap<string, number>, key: string): number | null {
  const parts = key.split(".");
  for (let length = parts.length; length > 0; length--) {
    const line = lines.get(parts.slice(0, length).join("."));
    if (line !== undefined) return line;
  }
  return null;
}

function valueAt(document: unknown, [field, ...below]: readonly string[]): unknown {
  if (field === undefined) return document;
  const inner: unknown = typeof document === "object" && document !== null ? Reflect.get(document, field) : undefined;
  return inner === undefined ? undefined : valueAt(inner, below);
}
