/**
 * Compiles the executable `dist/proa` for this machine, unless it is there and nothing that went into it has changed.
 * Safe to call from many processes at once: one builds, the others wait and use what it built.
 */
import { Database } from "bun:sqlite";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
/** Names the inputs that `dist/proa` was built from. */
const stampFile = join(dist, "proa.inputs");
/** How long to wait for another process that is building: a build takes about two seconds. */
const lockTimeoutMs = 120_000;

/** The version in package.json, without a revision. */
export const packageVersion = readPackageVersion();

/** The path of an executable that is built from the sources as they are now. */
export function buildBinary(): string {
  const outfile = join(dist, process.platform === "win32" ? "proa.exe" : "proa");
  const wanted = fingerprint();
  const isFresh = (): boolean =>
    existsSync(outfile) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === wanted;
  if (isFresh()) return outfile;
  withBuildLock(() => {
    if (isFresh()) return; // the holder of the lock before us built it
    rmSync(stampFile, { force: true });
    compile({ target: null, outfile });
    writeFileSync(stampFile, wanted);
    console.error(`built ${relative(root, outfile)}`);
  });
  return outfile;
}

/**
 * Compiles for `target` (a name of Bun such as `bun-linux-arm64`; null is this machine) and moves the result to
 * `outfile`, so that whoever looks there sees the old file or the new one. Stops the process where the compiler fails.
 */
export function compile(options: { readonly target: string | null; readonly outfile: string }): void {
  const temporary = join(dirname(options.outfile), `.build-${process.pid}`);
  const built = join(temporary, options.outfile.endsWith(".exe") ? "proa.exe" : "proa");
  mkdirSync(temporary, { recursive: true });
  try {
    const { status, stdout, stderr } = spawnSync(process.execPath, compilerArguments(options.target, built), {
      cwd: root,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`Cannot build ${options.outfile}: ${stdout}${stderr}`);
    renameSync(built, options.outfile); // the source map beside it is left behind: the executable carries it
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function compilerArguments(target: string | null, outfile: string): string[] {
  return [
    "build",
    "cli/bun.ts",
    "--compile",
    "--minify",
    "--bytecode",
    "--format=esm", // bytecode with a top-level await needs it
    "--splitting", // else every command loads, at its start, the built-in modules of all the others
    "--sourcemap=linked",
    "--no-compile-autoload-dotenv", // else the executable obeys files that lie where it is started
    "--no-compile-autoload-bunfig",
    `--define=PROA_VERSION=${JSON.stringify(buildVersion())}`,
    ...(target === null ? [] : [`--target=${target}`]),
    `--outfile=${outfile}`,
  ];
}

/** The version with the revision that it was built from, such as `0.1.0+3f2a9c1b7d5e.dirty`; without one outside of git. */
function buildVersion(): string {
  if (!existsSync(join(root, ".git"))) return packageVersion;
  const git = ["--no-optional-locks", "describe", "--always", "--dirty=.dirty", "--abbrev=12", "--exclude=*"];
  const { status, stdout } = spawnSync("git", git, { cwd: root, encoding: "utf8" });
  return status === 0 ? `${packageVersion}+${stdout.trim()}` : packageVersion;
}

/** A hash of all that decides what the compiler makes: names and contents, never dates, which a checkout does not keep. */
function fingerprint(): string {
  const hash = createHash("sha256");
  const files = ["package.json", "package-lock.json", "tsconfig.json", join("scripts", "build.ts")];
  for (const folder of ["src", "cli"]) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      if (name.endsWith(".ts")) files.push(join(folder, name));
    }
  }
  for (const file of files.sort()) {
    const content = readFileSync(join(root, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.update(`${Bun.version}\0${buildVersion()}`).digest("hex");
}

/** Runs `action` while no other process does; the operating system frees the lock of a process that was killed. */
function withBuildLock(action: () => void): void {
  mkdirSync(dist, { recursive: true });
  const lock = new Database(join(dist, ".build-lock"));
  try {
    lock.run(`PRAGMA busy_timeout = ${lockTimeoutMs}`);
    lock.run("BEGIN EXCLUSIVE");
    action();
  } finally {
    lock.close();
  }
}

function readPackageVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  if (typeof parsed === "object" && parsed !== null && "version" in parsed && typeof parsed.version === "string") {
    return parsed.version;
  }
  throw new Error("Cannot read package.json: it names no version");
}

if (import.meta.main) {
  try {
    buildBinary();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
