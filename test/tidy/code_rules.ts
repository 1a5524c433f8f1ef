/** What may not be written, and where: the names of runtimes, clocks and chance in pure folders, ways out of the types. */
import ts from "typescript";
import { lineOf, walk, type Source, type Violation } from "./project.ts";

/** Deterministic folders: the simulator runs them with a clock and with chance of its own. */
const pure = /^src\/(raft|kv|wire|node)\//;
const product = /^(src|cli)\//;
const runtimeFiles = /^(src\/runtime\/|cli\/(bun|deno)\.ts$)/;

const impureCalls = new Set([
  "Date.now",
  "performance.now",
  "Math.random",
  "crypto.getRandomValues",
  "crypto.randomUUID",
]);
const impureNames = new Set([
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "console",
  "Promise",
  "fetch",
  "process",
]);
const runtimeMeta = new Set(["main", "dir", "dirname", "path", "file", "filename", "env", "require", "resolve"]);

/** Every breach of the rules above in `source`. */
export function checkCode(source: Source): readonly Violation[] {
  if (!product.test(source.path)) return [];
  const found: Violation[] = [];
  walk(source.ast, (node) => {
    const wrong = problemOf(source.path, node);
    if (wrong !== null) found.push(`${source.path}:${lineOf(source.ast, node)}: ${wrong}`);
  });
  source.text.split("\n").forEach((line, index) => {
    // Comments and strings: the parser does not show the first.
    const escape = /@ts-(ignore|nocheck|expect-error)|eslint-disable|prettier-ignore|\b(TODO|FIXME|XXX)\b/.exec(line);
    if (escape !== null) found.push(`${source.path}:${index + 1}: ${escape[0]} is not for product code`);
  });
  return found;
}

function problemOf(path: string, node: ts.Node): string | null {
  return (
    problemOfTypes(node) ??
    (runtimeFiles.test(path) ? null : runtimeName(node)) ??
    (pure.test(path) ? impurity(node) : null)
  );
}

function problemOfTypes(node: ts.Node): string | null {
  if (node.kind === ts.SyntaxKind.AnyKeyword) return "any turns the types off";
  if (ts.isEnumDeclaration(node)) return "a union of literals instead of an enum";
  if (ts.isExportAssignment(node)) return "no default exports";
  if (ts.isExportSpecifier(node) && node.name.text === "default") return "no default exports";
  return node.kind === ts.SyntaxKind.DefaultKeyword && !ts.isDefaultClause(node.parent) ? "no default exports" : null;
}

function runtimeName(node: ts.Node): string | null {
  if (isGlobal(node, "Bun") || isGlobal(node, "Deno")) return `only src/runtime may name ${node.getText()}`;
  const isMeta = ts.isPropertyAccessExpression(node) && ts.isMetaProperty(node.expression);
  return isMeta && runtimeMeta.has(node.name.text) ? `only src/runtime may use ${node.getText()}` : null;
}

function impurity(node: ts.Node): string | null {
  const text = (what: string): string => `${what} has no place in a folder that the simulator runs`;
  if (ts.isPropertyAccessExpression(node) && impureCalls.has(node.getText())) return text(node.getText());
  if (ts.isNewExpression(node) && isGlobal(node.expression, "Date")) return text("new Date");
  if (ts.isCallExpression(node) && isGlobal(node.expression, "Date")) return text("Date()");
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return text("async");
  if (ts.isAwaitExpression(node)) return text("await");
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) return text("a lazy import");
  if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) return text("for await");
  if (ts.isIdentifier(node) && impureNames.has(node.text) && isGlobal(node, node.text)) return text(node.text);
  return null;
}

/** Whether `node` is the name itself, and not a property, a member or a label that happens to be called the same. */
function isGlobal(node: ts.Node, name: string): node is ts.Identifier {
  if (!ts.isIdentifier(node) || node.text !== name) return false;
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) || ts.isQualifiedName(parent)) return isLeftOf(parent, node);
  return !("name" in parent && parent.name === node);
}

function isLeftOf(parent: ts.PropertyAccessExpression | ts.QualifiedName, node: ts.Identifier): boolean {
  return (ts.isQualifiedName(parent) ? parent.left : parent.expression) === node;
}
