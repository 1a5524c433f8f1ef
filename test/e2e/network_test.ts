/** Real nodes on a network that the kernel breaks: network namespaces, iptables and tc. Needs root on Linux. */
import { fileURLToPath } from "node:url";
import { expect, test } from "bun:test";
import { proaBinary } from "../helpers/binary.ts";
import { run } from "../helpers/run.ts";
import { runFile } from "../helpers/runtime.ts";
import { obstacle } from "./namespaces.ts";
import { journeyOf } from "./network_scenarios.ts";

proaBinary();

const reason = obstacle();
const suffix = reason === null ? "" : ` (left out: ${reason})`;
const [program, ...before] = runFile;
const child = fileURLToPath(new URL("network_child.ts", import.meta.url));

for (const [kind, other, names] of [
  ["udp", "TCP", ["three", "five", "recorded"]],
  ["tcp", "UDP", ["three", "recorded"]],
] as const) {
  for (const name of names) {
    const { nodes, scenarios } = journeyOf(name, kind, false);
    test.skipIf(reason !== null)(
      `${nodes} nodes over ${kind}, without any ${other}: ${scenarios.map((scenario) => scenario.name).join("; ")}${suffix}`,
      async () => {
        const { status, stdout, stderr } = await run(program, [...before, child, kind, name], { env: process.env });
        const went = stdout.trim().split("\n");
        expect([went, status === 0 ? "" : stderr]).toEqual([scenarios.map((scenario) => `ok: ${scenario.name}`), ""]);
      },
      180_000,
    );
  }
}
