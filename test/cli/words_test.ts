/** Lines that are typed at a prompt, as words. */
import { expect, test } from "bun:test";
import { splitWords } from "../../cli/words.ts";

const lines: readonly (readonly [line: string, words: readonly string[]])[] = [
  ["", []],
  ["   ", []],
  ["kv put a 1", ["kv", "put", "a", "1"]],
  ["  kv\tget   a ", ["kv", "get", "a"]],
  ["put 'two words' \"and 'more'\"", ["put", "two words", "and 'more'"]],
  ["a'b c'd", ["ab cd"]],
  ["'' \"\"", ["", ""]],
  ["a\\ b \\'c \\\\", ["a b", "'c", "\\"]],
  ['\'a\\b\' "a\\"b"', ["a\\b", 'a"b']],
  ["end\\", ["end\\"]],
  ["$HOME *.txt # no", ["$HOME", "*.txt", "#", "no"]],
];

for (const [line, words] of lines) {
  test(`words of ${JSON.stringify(line)}`, () => {
    expect(splitWords(line)).toEqual(words);
  });
}

test("a quote must be closed", () => {
  expect(() => splitWords("put 'a")).toThrow("a ' is not closed");
  expect(() => splitWords('put "a\\"')).toThrow('a " is not closed');
});
