/** The sources as the tidy rules see them: every file of the repository that a person writes, and what it imports. */
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import ts from "typescript";

/** Texts by path; paths are relative to the root, with slashes. */
export type Project = ReadonlyMap<string, string>;

/** A broken rule, for people: `path:line: what is wrong`. */
export type Violation = string;

/** One file of TypeScript or JavaScript, parsed. */
export interface Source {
  readonly path: string;
  readonly text: string;
  readonly ast: ts.SourceFile;
  readonly imports: readonly Import[];
}

export interface Import {
  /** As written. */
  readonly specifier: string;
  /** The file it means, relative to the root, where it is a file of ours. */
  readonly target: string | null;
  /** Whether it is gone after compilation. */
  readonly isType: boolean;
  /** The names that it asks for; empty for a namespace, a default or a bare import. */
  readonly names: readonly string[];
  readonly line: number;
}

const ignored = new Set([".git", "node_modules", "dist"]);
const binary = /\.(png|jpg|svg|gif|ico|gz|db|bun-build)$/;

/** All files under `root` but what git ignores and what is no text. */
export function readProject(root: string): Project {
  const files = new Map<string, string>();
  const visit = (folder: string): void => {
    for (const entry of readdirSync(posix.join(root, folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name);
      if (ignored.has(entry.name)) continue; // `.git` is a file in a work tree of its own
      if (entry.isDirectory() && !/^n\d+$/.test(path)) visit(path);
      else if (entry.isFile() && !binary.test(entry.name))
        files.set(path, readFileSync(posix.join(root, path), "utf8"));
    }
  };
  visit("");
  return files;
}

/** The files that are code, parsed. */
export function parseSources(project: Project): readonly Source[] {
  return [...project].filter(([path]) => /\.(ts|mjs|js)$/.test(path)).map(([path, text]) => parse(path, text));
}

function parse(path: string, text: string): Source {
  const ast = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: Import[] = [];
  walk(ast, (node) => {
    const found = importOf(node);
    if (found === null) return;
    const { specifier } = found;
    const target = specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : null;
    imports.push({ ...found, target, line: lineOf(ast, node) });
  });
  return { path, text, ast, imports };
}

/** Calls `visit` for `node` and for all below it. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** The line of `node`, counted from 1. */
export function lineOf(ast: ts.SourceFile, node: ts.Node): number {
  return ast.getLineAndCharacterOfPosition(node.getStart(ast)).line + 1;
}

function importOf(node: ts.Node): Pick<Import, "specifier" | "isType" | "names"> | null {
  if (ts.isImportDeclaration(node)) {
    return found(
      node.moduleSpecifier,
      node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword,
      bindingsOf(node),
    );
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    return found(node.moduleSpecifier, node.isTypeOnly, []);
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return found(node.arguments[0], false, []);
  }
  if (ts.isImportTypeNode(node)) {
    return found(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true, []);
  }
  return null;
}

function found(specifier: ts.Node | undefined, isType: boolean, names: readonly string[]): ReturnType<typeof importOf> {
  // A specifier that is computed cannot be checked, so it counts as one that no rule allows.
  const text = specifier !== undefined && ts.isStringLiteralLike(specifier) ? specifier.text : "(computed)";
  return { specifier: text, isType, names };
}

function bindingsOf(node: ts.ImportDeclaration): readonly string[] {
  const bindings = node.importClause?.namedBindings;
  if (bindings === undefined || !ts.isNamedImports(bindings)) return [];
  return bindings.elements.map((element) => (element.propertyName ?? element.name).text);
}
