/**
 * The bytes of what is agreed on for the whole cluster: its settings, and the compaction that follows from them. A setting
 * stands in the log, so that no two nodes ever go by different ones.
 *
 *     body of "set"       settings: u8 number, u53 value
 *     body of "compact"   u53 revision
 */
import { ByteReader } from "../lib/byte_reader.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { CorruptError } from "../lib/errors.ts";
import { writeBodyCommand } from "./command_codec.ts";
import { type Refused, refuse, refused } from "./limits.ts";

/** Every setting, by its name for people. */
export interface Settings {
  /** How many revisions can be read besides the newest, about. */
  readonly history_revisions: number;
  /** How much memory the versions may take that only old revisions show, about. Bytes. */
  readonly history_bytes: number;
  /** How many answers to requests with an id are kept for their repetition. */
  readonly request_answers: number;
  /** How much memory those answers may take. Bytes. */
  readonly request_bytes: number;
}

export type SettingName = keyof Settings;

/** The names in the order of their numbers, which never change. The first has number 1. */
export const settingNames: readonly SettingName[] = [
  "history_revisions",
  "history_bytes",
  "request_answers",
  "request_bytes",
];

export const defaultSettings: Settings = {
  history_revisions: 100_000,
  history_bytes: 256 * 1024 * 1024,
  request_answers: 100_000,
  request_bytes: 64 * 1024 * 1024,
};

/** The least and the most that each setting may be. */
export const settingBounds: Readonly<Record<SettingName, { readonly min: number; readonly max: number }>> = {
  history_revisions: { min: 1, max: 1_000_000_000 },
  history_bytes: { min: 1024, max: 2 ** 40 },
  request_answers: { min: 1, max: 100_000_000 },
  request_bytes: { min: 1024, max: 2 ** 40 },
};

/** Appends a command that changes some settings. Throws a {@link ProaError} for a value that is out of bounds. */
export function writeSet(writer: ByteWriter, settings: Partial<Settings>): void {
  refuse(settingsProblem(settings));
  const body = new ByteWriter();
  writeSettings(body, settings);
  writeBodyCommand(writer, "set", body.peek());
}

/** Appends settings in the order of their numbers. */
export function writeSettings(writer: ByteWriter, settings: Partial<Settings>): void {
  settingNames.forEach((name, position) => {
    const value = settings[name];
    if (value === undefined) return;
    writer.u8(position + 1);
    writer.u53(value);
  });
}

/** Throws {@link CorruptError}. Bounds are not checked. */
export function decodeSettings(bytes: Uint8Array): Partial<Settings> {
  const reader = new ByteReader(bytes);
  const settings: { -readonly [Name in SettingName]?: number } = {};
  while (reader.remaining > 0) {
    const number = reader.u8();
    const name = settingNames[number - 1];
    if (name === undefined) throw new CorruptError(`setting ${number}, which is not known`);
    if (settings[name] !== undefined) throw new CorruptError(`setting ${name} twice`);
    settings[name] = reader.u53();
  }
  return settings;
}

/** What is wrong with `settings`; null if nothing. */
export function settingsProblem(settings: Partial<Settings>): Refused | null {
  const given = settingNames.filter((name) => settings[name] !== undefined);
  if (given.length === 0) return refused("INVALID_REQUEST", "Cannot change settings: none is given");
  for (const name of given) {
    const value = settings[name] ?? 0;
    const { min, max } = settingBounds[name];
    if (value < min || value > max || !Number.isSafeInteger(value))
      return refused("INVALID_REQUEST", `Cannot set ${name}: ${value} is not an integer from ${min} to ${max}`);
  }
  return null;
}

/** Appends the command that forgets what only revisions below `revision` show. */
export function writeCompact(writer: ByteWriter, revision: number): void {
  const body = new ByteWriter(8);
  body.u53(revision);
  writeBodyCommand(writer, "compact", body.peek());
}

/** The revision in the body of a "compact". Throws {@link CorruptError}. */
export function decodeCompact(body: Uint8Array): number {
  const reader = new ByteReader(body);
  const revision = reader.u53();
  if (reader.remaining > 0) throw new CorruptError("bytes behind the end");
  return revision;
}
