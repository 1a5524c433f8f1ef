/** Columns for people: aligned by display width, two spaces apart, nothing behind the last one. */

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/** The rows under their titles, one line each. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = [columns.map((column) => column.title), ...rows];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => displayWidth(line[at] ?? ""))));
  return lines.map((line) => `${alignLine(columns, widths, line).trimEnd()}\n`).join("");
}

/** Number of columns of a terminal that `text` takes, colours not counted. All our texts are one column a character. */
export function displayWidth(text: string): number {
  return [...text.replace(colorSequence, "")].length;
}

const colorSequence = new RegExp("\\u001b\\[\\d+m", "g");

function alignLine(columns: readonly Column[], widths: readonly number[], cells: readonly string[]): string {
  return columns
    .map((column, at) => {
      const cell = cells[at] ?? "";
      const padding = " ".repeat((widths[at] ?? 0) - displayWidth(cell));
      return column.align === "right" ? padding + cell : cell + padding;
    })
    .join("  ");
}
