/** What `proa cluster set` does. */
import { clientOf } from "../client.ts";
import type { Context } from "../context.ts";
import { changeSettings, readSettings } from "../../src/client/kv_requests.ts";
import { ProaError } from "../../src/lib/errors.ts";

const bytesOfUnit: Readonly<Record<string, number>> = { "": 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** `assignments` are NAME=VALUE; which names there are the nodes know. */
export async function set(assignments: readonly string[], context: Context): Promise<void> {
  const client = clientOf(context);
  const changes = Object.fromEntries(assignments.map(assignment));
  const settings = assignments.length === 0 ? await readSettings(client) : await changeSettings(client, changes);
  context.output.result(settings, () =>
    Object.entries(settings)
      .map(([name, value]) => `${name}=${String(value)}\n`)
      .join(""),
  );
}

function assignment(text: string): readonly [string, number] {
  const [, name, digits, unit] = /^([a-z_]+)=(\d{1,15})(|KiB|MiB|GiB)$/.exec(text) ?? [];
  const factor = bytesOfUnit[unit ?? ""];
  if (name !== undefined && factor !== undefined) return [name, Number(digits) * factor];
  throw new ProaError(
    "USAGE",
    `Cannot set ${JSON.stringify(text)}: expected NAME=NUMBER, such as history_bytes=64MiB`,
    {
      hint: "proa cluster set shows the names",
    },
  );
}
