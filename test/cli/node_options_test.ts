/** `proa node start`: what help says about defaults is what a node does. */
import { expect, test } from "bun:test";
import { nodeSettings } from "../../cli/config/node_settings.ts";
import { byteSize, duration } from "../../cli/parsers.ts";
import { defaultLimits } from "../../src/node/mod.ts";

test("the defaults are those of a node", () => {
  const { electionTimeout, heartbeat, snapshotEntries, snapshotSize } = nodeSettings;
  expect(duration(electionTimeout.option.defaultText ?? "")).toBe(defaultLimits.electionTimeoutMs);
  expect(duration(heartbeat.option.defaultText ?? "")).toBe(defaultLimits.heartbeatMs);
  expect(Number(snapshotEntries.option.defaultText)).toBe(defaultLimits.snapshotEntries);
  expect(byteSize(snapshotSize.option.defaultText ?? "")).toBe(defaultLimits.snapshotBytes);
});
