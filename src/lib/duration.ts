/** Durations as people write them. */

const millisOfUnit: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a duration such as `150ms`, `2s`, `1.5h` or `30d`; null for anything else. */
export function durationMs(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const unit = millisOfUnit[match?.[2] ?? ""];
  return unit === undefined ? null : Math.round(Number(match?.[1]) * unit * 1000) / 1000;
}

/** The shortest way to write whole milliseconds: `90s`, `1500ms`, `2h`. */
export function durationText(millis: number): string {
  for (const unit of ["d", "h", "m", "s"]) {
    const size = millisOfUnit[unit] ?? 1;
    if (millis >= size && millis % size === 0) return `${millis / size}${unit}`;
  }
  return `${millis}ms`;
}
