/** Who belongs to a new cluster, as flags and files say it: the server list, and who of it only learns. */
import type { NodeValues } from "./config/node_settings.ts";
import { ProaError } from "../src/lib/errors.ts";
import type { ServerAddress } from "../src/local/server_list.ts";

/** Throws USAGE where they do not fit together. */
export function placesOf({ servers = [], members, observers = [] }: NodeValues): {
  readonly servers: readonly ServerAddress[];
  readonly observers: readonly number[];
} {
  const ids = servers.map(({ id }) => id);
  const voters = members ?? ids.filter((id) => !observers.includes(id));
  const refuse = (reason: string): ProaError =>
    new ProaError("USAGE", `Cannot use these --members and --observers: ${reason}`, {
      hint: "each node of --servers is one or the other: --members 1,2,3 --observers 4",
    });
  const unknown = [...voters, ...observers].find((id) => !ids.includes(id));
  if (unknown !== undefined) throw refuse(`the server list does not name ${String(unknown)}`);
  const both = voters.find((id) => observers.includes(id));
  if (both !== undefined) throw refuse(`${String(both)} is in both`);
  const neither = ids.find((id) => !voters.includes(id) && !observers.includes(id));
  if (neither !== undefined) throw refuse(`${String(neither)} is in neither`);
  if (ids.length > 0 && voters.length === 0) throw refuse("nobody votes");
  return { servers, observers };
}
