/** Where commands go when nobody says where. */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { demoEndpoints } from "../../cli/endpoints.ts";
import { demoDirectory, demoEndpointsFile } from "../../src/local/paths.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";

test("the demo keeps its state where the XDG specification says", () => {
  expect(demoDirectory({ HOME: "/u" })).toBe(join("/u", ".local", "state", "proa", "demo"));
  expect(demoDirectory({ HOME: "/u", XDG_STATE_HOME: "/s" })).toBe(join("/s", "proa", "demo"));
  expect(demoDirectory({ HOME: "/u", XDG_STATE_HOME: "relative" })).toBe(join("/u", ".local", "state", "proa", "demo"));
  expect(demoDirectory({})).toBe(null);
});

test("a running demo is found by the file that it writes", async () => {
  await inTempDirectory((home) => {
    const env = { XDG_STATE_HOME: home };
    const path = demoEndpointsFile(env) ?? "";
    expect(demoEndpoints(env)).toBe(null);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "127.0.0.1:6001\n127.0.0.1:6002\n");
    expect(demoEndpoints(env)).toEqual(["127.0.0.1:6001", "127.0.0.1:6002"]);
    for (const broken of ["", "\n", "127.0.0.1:6001\n127.0.0.1\n", "garbage"]) {
      writeFileSync(path, broken);
      expect(demoEndpoints(env)).toBe(null);
    }
  });
  expect(demoEndpoints({})).toBe(null);
});
