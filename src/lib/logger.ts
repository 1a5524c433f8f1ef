/** What a component says about its life: one line an event, for people, with a level. Where the lines go is the caller's choice. */

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Facts of one event; printed as `name=value`. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

export interface Logger {
  log(level: LogLevel, event: string, fields?: LogFields): void;
}

const rank: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Formats each event of at least `minLevel` as one line and hands it to `write`; `timestamp` gives its first column. */
export function lineLogger(options: {
  readonly minLevel: LogLevel;
  readonly timestamp: () => string;
  readonly write: (line: string) => void;
}): Logger {
  return {
    log(level, event, fields = {}) {
      if (rank[level] < rank[options.minLevel]) return;
      const facts = Object.entries(fields).map(([name, value]) => ` ${name}=${quoted(value)}`);
      options.write(`${options.timestamp()} ${level.padEnd(5)} ${event}${facts.join("")}\n`);
    },
  };
}

/** A logger that says nothing. */
export const silentLogger: Logger = { log: () => undefined };

function quoted(value: string | number | boolean | null): string {
  const text = String(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
