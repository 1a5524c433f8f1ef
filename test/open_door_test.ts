/** A node that others can reach says so when nothing keeps strangers from its replicate port. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { lineLogger } from "../src/lib/logger.ts";
import { freePorts } from "./helpers/free_port.ts";
import { defaultLimits } from "../src/node/mod.ts";
import { currentRuntime } from "../src/runtime/current.ts";
import { startNode } from "../src/start_node.ts";
import { inTempDirectory } from "./helpers/temp_directory.ts";

for (const [host, hasKey, warns] of [
  ["0.0.0.0", false, true],
  ["0.0.0.0", true, false],
  ["127.0.0.1", false, false],
  ["127.0.0.2", false, false],
] as const) {
  test(`a node on ${host} ${hasKey ? "with" : "without"} a key ${warns ? "warns" : "says nothing"}`, async () => {
    await inTempDirectory(async (directory) => {
      const lines: string[] = [];
      const write = (line: string): void => void lines.push(line);
      const logger = lineLogger({ minLevel: "info", timestamp: () => "", write });
      const [replicate = 0, service = 0] = await freePorts(2);
      const keyFile = join(directory, "key");
      writeFileSync(keyFile, randomBytes(32).toString("hex"), { mode: 0o600 });
      const node = await startNode(
        {
          id: 1,
          servers: [{ id: 1, replicate: { host, port: replicate }, service: { host: "127.0.0.1", port: service } }],
          observers: [],
          joins: null,
          directory: join(directory, "n1"),
          cluster: "door",
          limits: defaultLimits,
          transport: { kind: "udp", datagramBytes: null, keyFile: hasKey ? keyFile : null },
          version: "0",
        },
        { runtime: await currentRuntime(), logger },
      );
      await node.disposeAsync();
      const warnings = lines.filter((line) => line.includes("no cluster key"));
      expect(warnings.length).toBe(warns ? 1 : 0);
      if (warns) expect(warnings.join()).toContain(`${host}:${replicate}`);
    });
  });
}
