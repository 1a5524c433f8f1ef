/** `proa node start`: what help says about defaults is what a node does. */
import { expect, test } from "bun:test";
import { nodeSettings } from "../../cli/config/node_settings.ts";
import { duration } from "../../cli/parsers.ts";
import { defaultLimits } from "../../src/node/mod.ts";

test("the defaults of the timings are those of a node", () => {
  const { electionTimeout, heartbeat } = nodeSettings;
  expect(duration(electionTimeout.option.defaultText ?? "")).toBe(defaultLimits.electionTimeoutMs);
  expect(duration(heartbeat.option.defaultText ?? "")).toBe(defaultLimits.heartbeatMs);
});
