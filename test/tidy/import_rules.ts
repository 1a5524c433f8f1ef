/** Who may import whom, and what from outside: the dependency rules of the repository as tables, and their check. */
import type { Import, Project, Source, Violation } from "./project.ts";

interface Reach {
  /** Folders of src whose code may be used. */
  readonly uses: readonly string[];
  /** Folders of src that may be named by `import type` alone: ports, and the nouns of the protocol. */
  readonly types: readonly string[];
  /** Built-in modules; null for all but the ones that only one runtime has. */
  readonly builtins: readonly string[] | null;
}

const ports = ["storage", "transport", "runtime"];

/** By folder of src. What is not listed may not exist. */
const reaches: Readonly<Record<string, Reach>> = {
  lib: { uses: [], types: [], builtins: [] },
  raft: { uses: ["lib"], types: [], builtins: [] },
  wire: { uses: ["lib"], types: ["raft"], builtins: [] },
  kv: { uses: ["lib", "wire"], types: ["raft"], builtins: [] },
  node: { uses: ["raft", "wire", "kv", "lib"], types: ports, builtins: [] },
  storage: { uses: ["lib"], types: ["raft"], builtins: ["node:fs", "node:path", "node:crypto", "node:worker_threads"] },
  transport: {
    uses: ["lib", "wire"],
    types: ["raft", "runtime"],
    builtins: ["node:net", "node:dns", "node:crypto", "node:fs"],
  },
  api: { uses: ["node", "wire", "lib", "client"], types: ["raft", "runtime"], builtins: null },
  client: { uses: ["wire", "lib"], types: [], builtins: null },
  runtime: { uses: ["lib"], types: ["node"], builtins: null },
  local: { uses: ["client", "storage", "wire", "lib"], types: ["runtime"], builtins: null },
  sim: { uses: ["node", "raft", "kv", "wire", "storage", "transport", "lib"], types: [], builtins: [] },
};

/** Single files that may do what their folder may not. */
const exceptions: readonly { readonly from: RegExp; readonly to: RegExp; readonly because: string }[] = [
  { from: /^src\/lib\/checksum\.ts$/, to: /^node:zlib$/, because: "CRC-32 in native code" },
  { from: /^src\/(storage|local)\//, to: /^src\/runtime\/runtime\.ts$/, because: "the port's error class is a value" },
  {
    from: /^src\/client\/rpc_connection\.ts$/,
    to: /^src\/runtime\/web_socket\.ts$/,
    because: "a socket that no proxy sees is opened differently on Deno",
  },
  {
    from: /^src\/(client\/http_exchange|api\/forwarding)\.ts$/,
    to: /^src\/runtime\/fetch_once\.ts$/,
    because: "Deno's fetch sends a request twice",
  },
  { from: /^src\/node\//, to: /^src\/storage\/snapshots\.ts$/, because: "a snapshot's name is part of the port" },
  {
    from: /^src\/api\/snapshot_streams\.ts$/,
    to: /^src\/storage\/saved_snapshot\.ts$/,
    because: "what a node hands out has the form of the files that are restored from",
  },
  { from: /^cli\//, to: /^src\/(wire\/limits|node\/options)\.ts$/, because: "numbers, without what mod.ts loads" },
  { from: /^src\/runtime\//, to: /^(bun:sqlite|node:sqlite)$/, because: "this is where runtimes differ" },
];

/** Packages, and the files that may import them. */
const packages: readonly { readonly name: string; readonly in: RegExp }[] = [
  { name: "commander", in: /^cli\/framework\.ts$/ },
  { name: "@commander-js/extra-typings", in: /^cli\/framework\.ts$/ },
  { name: "@msgpack/msgpack", in: /^src\/wire\/msgpack\.ts$/ },
  { name: "smol-toml", in: /^cli\/config\// },
  { name: "sorted-btree", in: /^src\/kv\// },
  { name: "zod", in: /^(cli|src\/api)\/|^src\/node\/(options|config)\.ts$/ },
];

const testNames = new Set(["describe", "expect", "test"]);

/** Every import that the tables do not allow. */
export function checkImports(project: Project, sources: readonly Source[]): readonly Violation[] {
  return sources.flatMap((source) =>
    source.imports.flatMap((item) => {
      const wrong = problemOf(project, source.path, item);
      return wrong === null ? [] : [`${source.path}:${item.line}: ${wrong}: "${item.specifier}"`];
    }),
  );
}

function problemOf(project: Project, from: string, item: Import): string | null {
  const { specifier, target } = item;
  if (target !== null && !project.has(target)) return "imports a file that does not exist";
  if (target !== null && !/\.(ts|mjs|json)$/.test(target)) return "an import path ends in .ts";
  const isProduct = from.startsWith("src/") || from.startsWith("cli/");
  if (!isProduct) return from.startsWith("test/") ? problemOfTest(from, item) : null;
  if (exceptions.some((exception) => exception.from.test(from) && exception.to.test(target ?? specifier))) return null;
  if (target !== null) return problemOfOurs(project, from, target, item.isType);
  if (specifier.startsWith("node:")) return problemOfBuiltin(from, specifier);
  const known = packages.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`));
  if (known === undefined) return "not a package that the design names";
  return known.in.test(from) ? null : `only ${known.in.source} may import this package`;
}

/** Tests run on two runtimes and need nothing but the project; the tidy rules themselves need a parser. */
function problemOfTest(from: string, item: Import): string | null {
  const { specifier, target, names } = item;
  if (specifier === "bun:test") {
    const unknown = names.filter((name) => !testNames.has(name));
    return unknown.length === 0 ? null : `tests use describe, expect and test, not ${unknown.join(", ")}, of`;
  }
  if (target !== null || specifier.startsWith("node:")) return null;
  if (specifier === "typescript" && from.startsWith("test/tidy")) return null;
  if (specifier === "bun:sqlite" && /^test\/(helpers|storage|runtime)\//.test(from)) return null;
  return "a test imports only bun:test, node:* and files of the project";
}

function problemOfBuiltin(from: string, specifier: string): string | null {
  if (specifier === "node:sqlite") return "only src/runtime may import this";
  const builtins = from.startsWith("src/") ? reaches[folderOf(from) ?? ""]?.builtins : null;
  return builtins === undefined || builtins === null || builtins.includes(specifier)
    ? null
    : `src/${folderOf(from)} may not import this built-in module`;
}

function problemOfOurs(project: Project, from: string, target: string, isType: boolean): string | null {
  const fromFolder = folderOf(from);
  const toFolder = folderOf(target);
  if (target === "package.json") return null;
  if (!target.startsWith("src/"))
    return from.startsWith("cli/") && target.startsWith("cli/") ? null : "product code may not import this";
  if (/^src\/runtime\/(bun|deno)/.test(target)) {
    return fromFolder === "runtime" || /^cli\/(bun|deno)\.ts$/.test(from)
      ? null
      : "only cli/bun.ts and cli/deno.ts choose a runtime";
  }
  if (fromFolder === toFolder && from.startsWith("src/")) return null;
  const isWhole = /^src\/[^/]+$/.test(from); // puts the parts together: what a program that embeds proa starts with
  if (from.startsWith("src/") && !isWhole) {
    const reach = reaches[fromFolder ?? ""];
    if (reach === undefined) return "the tables of this test do not know this folder";
    const mayUse = reach.uses.includes(toFolder ?? "");
    if (!mayUse && !isType) return `src/${fromFolder} may not use src/${toFolder}`;
    if (!mayUse && !reach.types.includes(toFolder ?? "")) return `src/${fromFolder} may not name src/${toFolder}`;
  }
  const mod = `src/${toFolder}/mod.ts`;
  return project.has(mod) && target !== mod ? `across folders, import ${mod}` : null;
}

/** `raft` for `src/raft/log.ts`; null outside of the folders of src. */
function folderOf(path: string): string | null {
  const [top, folder, file] = path.split("/");
  return top === "src" && folder !== undefined && file !== undefined ? folder : null;
}
