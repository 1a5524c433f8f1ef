/**
 * What other processes ask of the one that owns the nodes of a foreground cluster, as empty files whose names say it.
 * Only the owner may start a node: a node must end when its owner does, and only a child notices that at once.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Layout } from "./layout.ts";
import { hasCode } from "./processes.ts";

export type Request = { readonly kind: "restart"; readonly id: number } | { readonly kind: "stop" };

/** Asks the owner. It is done, well or badly, once {@link requestIsPending} says no. */
export function postRequest(layout: Layout, request: Request): void {
  mkdirSync(layout.requestDirectory, { recursive: true, mode: 0o700 });
  writeFileSync(pathOf(layout, request), "");
}

export function requestIsPending(layout: Layout, request: Request): boolean {
  return fileNames(layout).includes(nameOf(request));
}

/** The requests that nobody has finished. */
export function pendingRequests(layout: Layout): readonly Request[] {
  return fileNames(layout).flatMap((name) => parseRequest(name) ?? []);
}

/** Tells who asked that the request is done with. */
export function finishRequest(layout: Layout, request: Request): void {
  rmSync(pathOf(layout, request), { force: true });
}

function nameOf(request: Request): string {
  return request.kind === "stop" ? "stop" : `restart-${request.id}`;
}

function parseRequest(name: string): Request | null {
  if (name === "stop") return { kind: "stop" };
  const id = /^restart-([1-9][0-9]*)$/.exec(name)?.[1];
  return id === undefined ? null : { kind: "restart", id: Number(id) };
}

function pathOf(layout: Layout, request: Request): string {
  return join(layout.requestDirectory, nameOf(request));
}

function fileNames(layout: Layout): readonly string[] {
  try {
    return readdirSync(layout.requestDirectory);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  }
}
