/**
 * Builds what people download into `dist/release`: one executable for each platform, gzipped where `gzip` is at home,
 * the licences, the installer, and SHA256SUMS, from which the installer knows what there is. Publishes nothing.
 *
 *     bun scripts/release.ts [--only host] [--out DIRECTORY]
 */
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compile, packageVersion } from "./build.ts";

/** The platforms of a release, as its file names spell them. */
const platforms = ["linux-x64", "linux-arm64", "linux-x64-musl", "darwin-arm64", "darwin-x64", "windows-x64"] as const;
type Platform = (typeof platforms)[number];

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const defaultDirectory = join(root, "dist", "release");

/** Writes a whole release to `directory` and returns the names of its executables. */
function buildRelease(directory: string, wanted: readonly Platform[]): readonly string[] {
  mkdirSync(directory, { recursive: true });
  const names = wanted.map((platform) => buildPlatform(directory, platform));
  writeFileSync(join(directory, "THIRD_PARTY_NOTICES"), thirdPartyNotices());
  for (const name of ["LICENSE", "install.sh"]) cpSync(join(root, name), join(directory, name));
  const sums = names.map((name) => `${sha256(join(directory, name))}  ${name}\n`);
  writeFileSync(join(directory, "SHA256SUMS"), sums.join(""));
  return names;
}

/** Leaves one executable in `directory` and returns the name of its file. */
function buildPlatform(directory: string, platform: Platform): string {
  const isWindows = platform.startsWith("windows");
  const name = `proa-${packageVersion}-${platform}${isWindows ? ".exe" : ""}`;
  const outfile = join(directory, name);
  // For this very platform the compiler is its own template; for others it asks the package registry.
  compile({ target: platform === hostPlatform() ? null : `bun-${platform}`, outfile });
  if (isWindows) return name;
  const compressed = Bun.gzipSync(readFileSync(outfile), { library: "libdeflate", level: 6 });
  writeFileSync(`${outfile}.gz`, compressed);
  rmSync(outfile);
  return `${name}.gz`;
}

/** This machine's platform; throws where no release is made for it. */
function hostPlatform(): Platform {
  const system = process.platform === "win32" ? "windows" : process.platform;
  const name = `${system}-${process.arch}${system === "linux" && !hasGlibc() ? "-musl" : ""}`;
  const host = platforms.find((platform) => platform === name);
  if (host !== undefined) return host;
  throw new Error(`Cannot build for this machine: ${name} is not among ${platforms.join(", ")}`);
}

/** Whether the C library that runs us is glibc: the other that matters is musl, which runs none of its executables. */
function hasGlibc(): boolean {
  const report: unknown = process.report.getReport();
  const header = typeof report === "object" && report !== null && "header" in report ? report.header : null;
  return typeof header === "object" && header !== null && "glibcVersionRuntime" in header;
}

/** What the licences of the packages inside the executable ask to be shown with it. */
function thirdPartyNotices(): string {
  const manifest = readManifest(join(root, "package.json"));
  const parts = Object.keys(manifest.dependencies ?? {}).map((name) => {
    const folder = join(root, "node_modules", name);
    const { version, license } = readManifest(join(folder, "package.json"));
    const text = readFileSync(join(folder, "LICENSE"), "utf8").trim();
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
  const runtime = `Bun ${Bun.version} (MIT), with the parts that it names itself: https://bun.com\n`;
  return ["The executable contains:\n", runtime, ...parts].join(`\n${"-".repeat(80)}\n\n`);
}

interface Manifest {
  readonly version: string;
  readonly license: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

function readManifest(file: string): Manifest {
  return JSON.parse(readFileSync(file, "utf8")) as Manifest; // made by npm, which checked it
}

function sha256(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** Where to write. Ours is emptied; another must hold nothing yet, so that no foreign file is lost or released. */
function prepareDirectory(out: string | undefined): string {
  if (out === undefined) rmSync(defaultDirectory, { recursive: true, force: true });
  else if (existsSync(out) && readdirSync(out).length > 0) throw new Error(`Cannot release to ${out}: it is not empty`);
  return out ?? defaultDirectory;
}

function main(): void {
  const { values } = parseArgs({ options: { only: { type: "string" }, out: { type: "string" } } });
  if (values.only !== undefined && values.only !== "host") throw new Error("Cannot release: --only takes host");
  const wanted = values.only === "host" ? [hostPlatform()] : platforms;
  const directory = prepareDirectory(values.out);
  for (const name of buildRelease(directory, wanted)) console.log(join(directory, name));
}

if (import.meta.main) {
  try {
    main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
