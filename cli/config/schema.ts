/** The schema of a configuration file, made of the table of settings: its shape, and what is wrong with a document. */
import { z } from "zod";
import { InvalidValueError } from "../command.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { settingNames, settingOf } from "./node_settings.ts";
import type { NodeSettingName, Shape } from "./node_settings.ts";

/** One thing that is wrong. */
export interface Mistake {
  /** The full key, such as `timing.heartbeat`; empty for the document itself. */
  readonly key: string;
  readonly message: string;
}

const schema = z.strictObject(fieldsBelow(""));

/** Everything that is wrong with a parsed document; empty when it may be used. */
export function mistakesIn(document: unknown): readonly Mistake[] {
  const result = schema.safeParse(document);
  return result.success ? [] : result.error.issues.flatMap(mistakesOf);
}

/** The JSON Schema of a configuration file, for editors. */
export function jsonSchema(): Record<string, unknown> {
  return { title: "proa node", ...z.toJSONSchema(schema, { io: "input" }) };
}

/** The fields of the table `prefix`, its tables included. Every field may be left out: a flag or a variable may say it. */
function fieldsBelow(prefix: string): Record<string, z.ZodType> {
  const fields: Record<string, z.ZodType> = {};
  for (const name of settingNames) {
    const { key } = settingOf(name);
    if (!key.startsWith(prefix)) continue;
    const [field = "", ...below] = key.slice(prefix.length).split(".");
    if (below.length === 0) fields[field] = leaf(name).optional();
    else fields[field] ??= z.strictObject(fieldsBelow(`${prefix}${field}.`)).optional();
  }
  return fields;
}

function leaf(name: NodeSettingName): z.ZodType {
  const { option, shape, sample } = settingOf(name);
  const { description, defaultText } = option;
  const shaped = typeOf(shape).superRefine((value, context) => {
    try {
      option.read([textOf(value)]);
    } catch (error) {
      if (!(error instanceof InvalidValueError || error instanceof ProaError)) throw error;
      context.addIssue({ code: "custom", message: error.message });
    }
  });
  return shaped.meta({ description, ...(defaultText === null ? { examples: [sample] } : { default: sample }) });
}

function typeOf(shape: Shape): z.ZodType<string | number | readonly string[]> {
  switch (shape.kind) {
    case "integer":
      return z.int({ error: "expected an integer" });
    case "text":
    case "path":
      return z.string({ error: "expected a string, in quotes" });
    case "list":
      return z.union([z.string(), z.array(z.string())], { error: "expected a list of strings, or one string" });
    case "choice":
      return z.enum(shape.words, { error: `expected one of ${shape.words.join(", ")}, in quotes` });
  }
}

/** A value of the file as it would be typed on the command line. */
export function textOf(value: unknown): string {
  return Array.isArray(value) ? value.join(";") : String(value);
}

function mistakesOf(issue: z.core.$ZodIssue): readonly Mistake[] {
  const key = issue.path.join(".");
  if (issue.code !== "unrecognized_keys") {
    return [{ key, message: issue.code === "invalid_type" && isTable(key) ? "expected a table" : issue.message }];
  }
  return issue.keys.map((unknown) => {
    const whole = key === "" ? unknown : `${key}.${unknown}`;
    const similar = nearest(whole);
    return { key: whole, message: similar === null ? "unknown key" : `unknown key; did you mean ${similar}?` };
  });
}

function isTable(key: string): boolean {
  return settingNames.some((name) => settingOf(name).key.startsWith(`${key}.`));
}

/** The known key that differs least from `key`; null if none is like it. */
function nearest(key: string): string | null {
  const keys = settingNames.map((name) => settingOf(name).key).flatMap((name) => [name, name.replace(/\..*/, "")]);
  const last = key.split(".").at(-1) ?? key;
  const moved = keys.find((known) => known.split(".").at(-1) === last.replaceAll("-", "_"));
  if (moved !== undefined) return moved;
  const distances = keys
    .map((known) => ({ known, distance: distance(key, known) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = distances;
  return best !== undefined && best.distance <= Math.max(2, key.length / 4) ? best.known : null;
}

/** How many letters must be added, removed or changed. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [at, letter] of [...a].entries()) {
    const next = [at + 1];
    for (const [column, other] of [...b].entries()) {
      const changed = (row[column] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(changed, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
