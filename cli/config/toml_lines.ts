/**
 * Finds the lines of a TOML file on which keys stand, which its parser does not tell. For a file that the parser accepts;
 * it follows table headers, dotted keys and values of several lines, and says nothing of what stands inside a value.
 */

/** The line of each key, counted from 1, by its full path: `transport.kind`. A table stands where its header does. */
export function linesOfKeys(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  let table: readonly string[] = [];
  let open: Open = nothingOpen;
  text.split("\n").forEach((line, at) => {
    if (!isWhole(open)) {
      open = openAfter(line, open);
      return;
    }
    const header = /^\s*\[\[?(.+?)\]\]?\s*(?:#.*)?$/.exec(line)?.[1];
    if (header !== undefined) {
      table = keyParts(header);
      note(lines, table, at + 1);
      return;
    }
    const assignment = /^\s*((?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'|\s*\.\s*)+?)\s*=(.*)$/.exec(line);
    if (assignment === null) return;
    note(lines, [...table, ...keyParts(assignment[1] ?? "")], at + 1);
    open = openAfter(assignment[2] ?? "", nothingOpen);
  });
  return lines;
}

/** What a value that goes on on the next line is in the middle of. */
interface Open {
  readonly brackets: number;
  /** The quotes that end the string, or null. */
  readonly quotes: string | null;
}

const nothingOpen: Open = { brackets: 0, quotes: null };

function isWhole({ brackets, quotes }: Open): boolean {
  return brackets === 0 && quotes === null;
}

/** Passes over one line of a value. */
function openAfter(line: string, before: Open): Open {
  let { brackets, quotes } = before;
  for (let at = 0; at < line.length; at++) {
    if (quotes !== null) {
      if (line[at] === "\\" && quotes.startsWith('"')) at++;
      else if (line.startsWith(quotes, at)) {
        at += quotes.length - 1;
        quotes = null;
      }
      continue;
    }
    const start = /^(?:"""|'''|"|')/.exec(line.slice(at))?.[0];
    if (start !== undefined) {
      quotes = start;
      at += start.length - 1;
    } else if (line[at] === "#") break;
    else if (line[at] === "[" || line[at] === "{") brackets++;
    else if (line[at] === "]" || line[at] === "}") brackets--;
  }
  return { brackets, quotes: quotes?.length === 1 ? null : quotes };
}

/** A path also stands where the first key below it does. */
function note(lines: Map<string, number>, path: readonly string[], line: number): void {
  path.forEach((_, at) => {
    const name = path.slice(0, at + 1).join(".");
    if (!lines.has(name)) lines.set(name, line);
  });
}

function keyParts(key: string): readonly string[] {
  const parts = key.match(/[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'/g) ?? [];
  return parts.map((part) => (/^["']/.test(part) ? part.slice(1, -1) : part));
}
