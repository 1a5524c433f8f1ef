/** Rules about whole files: size, name, opening sentence, use by another file, and traces of the machine they were written on. */
import { posix } from "node:path";
import ts from "typescript";
import { walk, type Project, type Source, type Violation } from "./project.ts";

const linesMax = 500;
/** Where a run of the product, of the tests or of a tool begins. `test/shim.ts` is named by deno.json. */
const roots = /^(cli\/(bun|deno)\.ts|src\/mod\.ts|scripts\/.*|bench\/.*|test\/.*_test\.ts|test\/shim\.ts|[^/]*\.js)$/;

/** Every breach in the project. */
export function checkFiles(project: Project, sources: readonly Source[]): readonly Violation[] {
  return [
    ...sources.flatMap((source) => [...checkSize(source), ...checkName(source), ...checkOpening(source)]),
    ...checkUse(sources),
    ...[...project].flatMap(([path, text]) => checkTraces(path, text)),
  ];
}

function checkSize({ path, text }: Source): readonly Violation[] {
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  return lines > linesMax ? [`${path}: ${lines} lines, the limit is ${linesMax}`] : [];
}

function checkName({ path }: Source): readonly Violation[] {
  if (!path.includes("/")) return []; // at the root, tools say how their files are called
  const wrong = path.split("/").some((part) => !/^\.?[a-z0-9]+(_[a-z0-9]+)*(\.(ts|mjs|js))?$/.test(part));
  return wrong ? [`${path}: names are snake_case`] : [];
}

/** A reader who opens a file learns first what it is. A mod.ts that only passes on has nothing to say. */
function checkOpening({ path, text, ast }: Source): readonly Violation[] {
  if (!/^(src|cli)\//.test(path)) return [];
  if (posix.basename(path) === "mod.ts" && ast.statements.every(ts.isExportDeclaration)) return [];
  const comment = /^(?:#!.*\n)?(?:\/\*\*([^]*?)\*\/|((?:\/\/.*\n)+))/.exec(text);
  const sentence = (comment?.[1] ?? comment?.[2] ?? "").replaceAll(/[\s*/]+/g, " ").trim();
  return /^[^ ]+( .*)?[.:]( |$)/.test(sentence) ? [] : [`${path}:1: a file opens with a sentence that says what it is`];
}

/** Files that no root reaches, by imports or by a path written in a string (for a file that is run as a process). */
function checkUse(sources: readonly Source[]): readonly Violation[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const waiting = sources.filter((source) => roots.test(source.path));
  const reached = new Set(waiting);
  for (let source = waiting.pop(); source !== undefined; source = waiting.pop()) {
    for (const path of [...source.imports.map((item) => item.target), ...pathsNamedIn(source)]) {
      const target = byPath.get(path ?? "");
      if (target === undefined || reached.has(target)) continue;
      reached.add(target);
      waiting.push(target);
    }
  }
  const unused = sources.filter((source) => !reached.has(source));
  return unused.map((source) => `${source.path}: nothing uses this file`);
}

function pathsNamedIn(source: Source): readonly string[] {
  const named: string[] = [];
  walk(source.ast, (node) => {
    if (!ts.isStringLiteralLike(node) || !/\.(ts|mjs)$/.test(node.text)) return;
    named.push(posix.join(posix.dirname(source.path), node.text), posix.normalize(node.text));
  });
  return named;
}

function checkTraces(path: string, text: string): readonly Violation[] {
  if (path === "package-lock.json") {
    return text.includes('"resolved"') ? [`${path}: names the registry that it was made with`] : [];
  }
  return text.split("\n").flatMap((line, index) => {
    const trace = /(?<![\w.])\/(?:home\/\w|Users\/\w|root\/|work\/)|\bregistry\.(?:npmjs|yarnpkg|npmmirror)\b/.exec(
      line,
    );
    return trace === null ? [] : [`${path}:${index + 1}: names a machine: ${trace[0]}`];
  });
}
