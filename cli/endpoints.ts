/** Which endpoints a command talks to: the ones it was given, else those of this user's running demo, else the usual ports. */
import { readFileSync } from "node:fs";
import { defaultEndpoints, isEndpoint } from "../src/client/endpoints.ts";
import { demoEndpointsFile } from "../src/local/paths.ts";
import type { Context, Environment } from "./context.ts";

/** The endpoints of this command, at least one. */
export function endpointsOf(context: Context): readonly string[] {
  return context.globals.endpoints ?? demoEndpoints(context.env) ?? defaultEndpoints;
}

/** What a running demo has written down; null when none runs, or when its file is not what a demo writes. */
export function demoEndpoints(env: Environment): readonly string[] | null {
  const path = demoEndpointsFile(env);
  if (path === null) return null;
  const endpoints = readIfPresent(path)
    .split("\n")
    .filter((line) => line !== "");
  return endpoints.length > 0 && endpoints.every(isEndpoint) ? endpoints : null;
}

function readIfPresent(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // absent or unreadable: no demo of ours
  }
}
