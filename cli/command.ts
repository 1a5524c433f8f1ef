/**
 * What a command is: a value in a table, from which the parser, the help, the documentation and the suggestions are made.
 * It knows nothing of the parser; the types of `run` follow from the specs beside it.
 */
import type { Context } from "./context.ts";
import { assert } from "../src/lib/assert.ts";

/** One verb. `run` must be cheap to load: it imports what it needs, servers above all, only when it is called. */
export interface Command<A extends ArgumentSpecs = ArgumentSpecs, O extends OptionSpecs = OptionSpecs> {
  /** The words that name it after `proa`, such as `["kv", "put"]`. */
  readonly path: readonly string[];
  /** One line for lists of commands, without a full stop. */
  readonly summary: string;
  /** Whole sentences for its own help page, where the summary does not say everything. */
  readonly description?: string;
  /** In the order in which they are typed. The name of a property is the name of the argument. */
  readonly args: A;
  /** The property `ifRev` is the option `--if-rev`. */
  readonly options: O;
  readonly examples: readonly Example[];
  /** Does the work. Throws a `ProaError` for every end but success; what else it throws is a bug. */
  run(input: Input<A, O>, context: Context): Promise<void>;
}

export interface Example {
  /** A line to type, or several. */
  readonly command: string;
  /** What it does, in a few words. */
  readonly does: string;
}

export type ArgumentSpecs = Readonly<Record<string, ArgumentSpec<unknown>>>;
export type OptionSpecs = Readonly<Record<string, OptionSpec<unknown>>>;

/** What a command line says, with the types that the specs give it. */
export interface Input<A extends ArgumentSpecs, O extends OptionSpecs> {
  readonly args: { readonly [K in keyof A]: A[K] extends ArgumentSpec<infer T> ? T : never };
  readonly options: { readonly [K in keyof O]: O[K] extends OptionSpec<infer T> ? T : never };
}

/** Makes a value of the text that was typed. Throws {@link InvalidValueError} with the reason. */
export type Parse<T> = (text: string) => T;

/** The reason why a text is not a value, to follow a colon: "expected a number". */
export class InvalidValueError extends Error {
  override readonly name = "InvalidValueError";
}

export interface ArgumentSpec<T> {
  readonly description: string;
  readonly arity: "required" | "optional" | "rest";
  /** The value of what was typed: one text, none, or any number, as `arity` says. */
  read(texts: readonly string[]): T;
}

export interface OptionSpec<T> {
  readonly description: string;
  /** One letter, or null. */
  readonly short: string | null;
  /** The name of its value in help; null for a flag. */
  readonly placeholder: string | null;
  /** Whether the value may be left out. */
  readonly valueOptional: boolean;
  /** What help says about the default; null for none. */
  readonly defaultText: string | null;
  /** The value of each time that the option was given; an empty text where its value was left out. */
  read(texts: readonly string[]): T;
}

/** Keeps the types of a command's specs, so that `run` is typed by them. */
export function command<const A extends ArgumentSpecs, const O extends OptionSpecs>(
  spec: Command<A, O>,
): Command<A, O> {
  return spec;
}

/** An argument that must be given. */
export function required<T>(parse: Parse<T>, description: string): ArgumentSpec<T> {
  return { description, arity: "required", read: (texts) => parse(only(texts)) };
}

/** An argument that may be left out; then it is undefined. */
export function optional<T>(parse: Parse<T>, description: string): ArgumentSpec<T | undefined> {
  return { description, arity: "optional", read: (texts) => (texts.length === 0 ? undefined : parse(only(texts))) };
}

/** All arguments that remain. */
export function rest<T>(parse: Parse<T>, description: string): ArgumentSpec<readonly T[]> {
  return { description, arity: "rest", read: (texts) => texts.map(parse) };
}

/** An option without a value: true when given. */
export function flag(description: string, short: string | null = null): OptionSpec<boolean> {
  return {
    description,
    short,
    placeholder: null,
    valueOptional: false,
    defaultText: null,
    read: (texts) => texts.length > 0,
  };
}

interface OptionDetail {
  readonly short?: string;
  /** What help says about the value that holds when the option is left out. */
  readonly defaultText?: string;
}

/** An option with a value; undefined when left out, the last one when given twice. */
export function option<T>(
  placeholder: string,
  parse: Parse<T>,
  description: string,
  detail: OptionDetail = {},
): OptionSpec<T | undefined> {
  return {
    description,
    short: detail.short ?? null,
    placeholder,
    valueOptional: false,
    defaultText: detail.defaultText ?? null,
    read: (texts) => {
      const last = texts.at(-1);
      return last === undefined ? undefined : parse(last);
    },
  };
}

/** An option with a value, whose default is written as the user would write it. */
export function optionOr<T>(
  placeholder: string,
  parse: Parse<T>,
  defaultText: string,
  description: string,
  short: string | null = null,
): OptionSpec<T> {
  return {
    description,
    short,
    placeholder,
    valueOptional: false,
    defaultText,
    read: (texts) => parse(texts.at(-1) ?? defaultText),
  };
}

/** An option whose value may be left out, and is then `bareText`; undefined when the option is not given at all. */
export function optionWithBare<T>(
  placeholder: string,
  parse: Parse<T>,
  bareText: string,
  description: string,
): OptionSpec<T | undefined> {
  return {
    description,
    short: null,
    placeholder,
    valueOptional: true,
    defaultText: null,
    read: (texts) => {
      const last = texts.at(-1);
      return last === undefined ? undefined : parse(last === "" ? bareText : last);
    },
  };
}

/** `ifRev` as it is typed: `if-rev`. */
export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function only(texts: readonly string[]): string {
  const text = texts[0];
  assert(text !== undefined && texts.length === 1, "the parser gives one text for one argument");
  return text;
}
