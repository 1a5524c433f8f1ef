/** Splits a line into words as shells do: quotes and backslashes, and nothing else. */
import { ProaError } from "../src/lib/errors.ts";

/**
 * The words of `line`. Between single quotes everything stands for itself; between double quotes and outside of quotes a
 * backslash makes the next character stand for itself. Throws USAGE when a quote is not closed.
 */
export function splitWords(line: string): readonly string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote: string | null = null;
  for (let at = 0; at < line.length; at++) {
    const character = line.charAt(at);
    if (character === quote) {
      quote = null;
    } else if (quote === null && (character === "'" || character === '"')) {
      quote = character;
      word ??= "";
    } else if (character === "\\" && quote !== "'" && at + 1 < line.length) {
      word = (word ?? "") + line.charAt(++at);
    } else if (quote === null && /\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (quote !== null) {
    throw new ProaError("USAGE", `Cannot read the line: a ${quote} is not closed`, {
      hint: `close it, or write \\${quote}`,
    });
  }
  return word === null ? words : [...words, word];
}
