/** A file that appears under its name whole and durable, or not at all: written beside its place, and moved there in the end. */
import { closeSync, existsSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import { errorCode, writeFully } from "./descriptors.ts";
import { ProaError } from "../src/lib/errors.ts";

export class WholeFile {
  private readonly path: string;
  private readonly temporary: string;
  private descriptor: number | null;
  private readonly onExit = (): void => {
    this.abort();
  };

  /** Begins a file, which will replace one of the same name. Throws USAGE for what is no file, and LOCAL_RESOURCE. */
  constructor(private readonly typed: string) {
    const path = existsSync(typed) ? realpathSync(typed) : resolve(typed); // what a link points to is replaced, not the link
    if (existsSync(path) && !statSync(path).isFile()) {
      throw new ProaError("USAGE", `Cannot write ${typed}: it is there, and no file`, {
        hint: "name a file, or - for stdout",
      });
    }
    this.path = path;
    this.temporary = `${path}.${String(process.pid)}.tmp`;
    this.descriptor = this.explaining(() => openSync(this.temporary, "w", 0o600));
    process.once("exit", this.onExit); // a signal ends the process there
  }

  append(bytes: Uint8Array): void {
    const { descriptor } = this;
    if (descriptor !== null) this.explaining(() => writeFully(descriptor, bytes));
  }

  /** Makes it durable, and then visible. */
  commit(): void {
    const { descriptor } = this;
    if (descriptor === null) return;
    this.explaining(() => {
      fsyncSync(descriptor);
      closeSync(descriptor);
      this.descriptor = null;
      renameSync(this.temporary, this.path);
      syncDirectory(dirname(this.path));
    });
    process.off("exit", this.onExit);
  }

  /** Leaves nothing behind. Does nothing once it is committed. */
  abort(): void {
    const { descriptor } = this;
    if (descriptor === null) return;
    this.descriptor = null;
    closeSync(descriptor);
    rmSync(this.temporary, { force: true });
    process.off("exit", this.onExit);
  }

  private explaining<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const code = errorCode(error);
      if (code === null) throw error;
      throw new ProaError("LOCAL_RESOURCE", `Cannot write ${this.typed}: ${code}`, {
        hint: "the directory must exist, be writable, and have room; what was under the name is untouched",
        cause: error,
      });
    }
  }
}

/** A rename is durable only when its directory is. Windows, where paths have backslashes, cannot open directories. */
function syncDirectory(directory: string): void {
  if (sep === "\\") return;
  const descriptor = openSync(directory, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
