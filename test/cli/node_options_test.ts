/** `proa node start`: what help says about defaults is what a node does. */
import { expect, test } from "bun:test";
import { nodeCommands } from "../../cli/commands/node.ts";
import { duration } from "../../cli/parsers.ts";
import { defaultLimits } from "../../src/node/mod.ts";

const [start] = nodeCommands;

test("the defaults of the timings are those of a node", () => {
  const { electionTimeout, heartbeat } = start.options;
  expect(duration(electionTimeout.defaultText ?? "")).toBe(defaultLimits.electionTimeoutMs);
  expect(duration(heartbeat.defaultText ?? "")).toBe(defaultLimits.heartbeatMs);
});

test("what must be given is asked for by its name", () => {
  expect(() => start.options.id.read([])).toThrow("without --id");
  expect(() => start.options.servers.read([])).toThrow("without --servers");
  expect(() => start.options.data.read([])).toThrow("without --data");
  expect(start.options.cluster.read([])).toBe("proa");
  expect(() => start.options.cluster.read(["a b"])).toThrow("cluster name");
});
