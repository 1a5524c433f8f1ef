/** Writes settings as TOML, with comments, which the parser's own writer cannot. */
import type { TomlValue } from "./node_settings.ts";

export interface TomlLine {
  /** `heartbeat`, or `timing.heartbeat` for a key of the table `timing`. */
  readonly key: string;
  readonly value: TomlValue;
  /** Lines above it. */
  readonly comments: readonly string[];
  /** Behind it. */
  readonly remark: string | null;
  /** Whether it is only shown how it would be written. */
  readonly isCommentedOut: boolean;
}

/** The document: keys without a table first, since TOML wants it so, then each table under its header. */
export function tomlText(lines: readonly TomlLine[]): string {
  const tables = [...new Set(lines.map(tableOf))].sort((a, b) => Number(a !== "") - Number(b !== ""));
  return tables
    .map((table) => {
      const inside = lines.filter((line) => tableOf(line) === table);
      const gap = inside.some(({ comments }) => comments.length > 0) ? "\n" : "";
      return `${table === "" ? "" : `[${table}]\n`}${inside.map(lineText).join(gap)}`;
    })
    .join("\n");
}

function tableOf({ key }: TomlLine): string {
  return key.split(".").slice(0, -1).join(".");
}

function lineText({ key, value, comments, remark, isCommentedOut }: TomlLine): string {
  const setting = `${key.split(".").at(-1) ?? key} = ${valueText(value)}${remark === null ? "" : ` # ${remark}`}`;
  const shown = isCommentedOut ? setting.replaceAll(/^/gm, "# ") : setting;
  return `${comments.map((comment) => `# ${comment}\n`).join("")}${shown}\n`;
}

function valueText(value: TomlValue): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return JSON.stringify(value); // TOML reads every escape that JSON writes
  return `[\n${value.map((element) => `  ${JSON.stringify(element)},\n`).join("")}]`;
}
