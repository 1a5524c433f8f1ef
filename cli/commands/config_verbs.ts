/** What the verbs of `proa config` do. */
import { configFileOf, readConfig } from "../config/config_file.ts";
import type { ConfigFile, LocatedMistake } from "../config/config_file.ts";
import { settingNames, settingOf } from "../config/node_settings.ts";
import type { NodeSettingName, NodeSettingValues } from "../config/node_settings.ts";
import { misfitOf, sourcedSettings, valuesOf, variableOf } from "../config/resolve.ts";
import { jsonSchema } from "../config/schema.ts";
import { tomlText, type TomlLine } from "../config/toml_text.ts";
import { kebabCase } from "../command.ts";
import type { Context } from "../context.ts";
import { ProaError } from "../../src/lib/errors.ts";

/** Prints what is wrong with the file at `path`. Throws USAGE when something is. */
export function checkConfig(path: string, { output }: Context): void {
  const reading = readConfig(path);
  const mistakes = reading.ok ? misfitsOf(reading.file) : reading.mistakes;
  const missing = reading.ok ? missingIn(reading.file) : [];
  output.result({ ok: mistakes.length === 0, file: path, mistakes, missing }, () =>
    mistakes.length > 0 ? mistakes.map((mistake) => mistakeLine(path, mistake)).join("") : goodNews(path, missing),
  );
  if (mistakes.length === 0) return;
  const count = mistakes.length === 1 ? "a mistake" : `${String(mistakes.length)} mistakes`;
  throw new ProaError("USAGE", `Cannot use ${path}: it has ${count}`, {
    hint: "proa config example prints a file that has none",
  });
}

/** Prints what would hold, and who said it. */
export function printConfig(
  options: NodeSettingValues & { readonly config: string | undefined },
  { env, output }: Context,
): void {
  const settled = sourcedSettings({ typed: options, env, file: configFileOf(options, env) });
  const rows = [...settled].map(([name, { value, source }]) => {
    const setting = settingOf(name);
    return { key: setting.key, value: setting.toml(value), source };
  });
  const json = Object.fromEntries(rows.map(({ key, value, source }) => [key, { value, source }]));
  output.result(json, () =>
    tomlText(
      rows.map(({ key, value, source }) => ({ key, value, comments: [], remark: source, isCommentedOut: false })),
    ),
  );
}

/** Prints the JSON Schema; for people on many lines. */
export function printSchema({ output }: Context): void {
  const schema = jsonSchema();
  output.result(schema, () => `${JSON.stringify(schema, null, 2)}\n`);
}

/** Prints a file with every setting, those with a default commented out. */
export function printExample({ output }: Context): void {
  const head = "# A node of proa. A flag wins over a variable, a variable over this file.\n\n";
  const toml = `${head}${tomlText(settingNames.map(exampleOf))}`;
  output.result({ toml }, () => toml);
}

/** What does not fit between the settings of a file and the defaults. */
function misfitsOf(file: ConfigFile): readonly LocatedMistake[] {
  const misfit = misfitOf(valuesOf(sourcedSettings({ typed: {}, env: {}, file })));
  if (misfit === null) return [];
  const { name, message } = misfit;
  return [{ line: file.values.get(name)?.line ?? null, key: settingOf(name).key, message }];
}

function missingIn({ values }: ConfigFile): readonly string[] {
  const missing = settingNames.filter((name) => settingOf(name).isNeeded && !values.has(name));
  return missing.map((name) => settingOf(name).key);
}

function goodNews(path: string, missing: readonly string[]): string {
  if (missing.length === 0) return `${path}: good\n`;
  return `${path}: good; ${missing.join(", ")} must come from a flag or a variable\n`;
}

/** As compilers write it, so that editors find the place. */
function mistakeLine(path: string, { line, key, message }: LocatedMistake): string {
  return `${path}:${line === null ? "" : `${String(line)}:`} ${key === "" ? "" : `${key}: `}${message}\n`;
}

function exampleOf(name: NodeSettingName): TomlLine {
  const { key, option, sample, isNeeded } = settingOf(name);
  const comments = [`${option.description}.`, `--${kebabCase(name)}, ${variableOf(name)}`];
  return { key, value: sample, comments, remark: null, isCommentedOut: !isNeeded };
}
