/** What commands about leases do. None of them knows the time: a leader says in the log when it is over. */
import { unreachable } from "../lib/assert.ts";
import { type CommandResult, type LeaseCommand, grantedBody, keyBytes, missingBody } from "../wire/mod.ts";
import type { KeySpace } from "./key_space.ts";
import type { Lease } from "./leases.ts";
import { noRow } from "./rows.ts";

/** The part of a result that says more than the revision. */
export type LeaseOutcome = Pick<CommandResult, "status" | "changed" | "body">;

export function applyLease(keys: KeySpace, command: LeaseCommand): LeaseOutcome {
  const { leases } = keys;
  switch (command.kind) {
    case "grant": {
      const granted = leases.grant({ ...command, bound: false });
      if (typeof granted === "string") return { status: granted, changed: 0 };
      return { status: "ok", changed: 0, body: grantedBody(granted) };
    }
    case "renew": {
      const renewed = leases.renew(command.id);
      return renewed === null ? missing(command.id) : { status: "ok", changed: 0, body: grantedBody(renewed) };
    }
    case "revoke": {
      const lease = leases.get(command.id);
      return lease === null ? missing(command.id) : revoke(keys, lease);
    }
    case "expire": {
      // A renewal that stands before it in the log was acknowledged: it wins, however late it was.
      const lease = leases.at(command);
      return lease === null ? missing(command.id) : revoke(keys, lease);
    }
    case "checkpoint":
      for (const checkpoint of command.leases) leases.checkpoint(checkpoint);
      return { status: "ok", changed: 0 };
    default:
      return unreachable(command);
  }
}

/** Deletes the keys of a lease in one revision, in the order of their bytes, and the lease with them. */
function revoke(keys: KeySpace, lease: Lease): LeaseOutcome {
  const doomed = lease.keys.all();
  if (doomed.length > 0) keys.revision++;
  for (const key of doomed) {
    const row = keys.find(keyBytes(key));
    if (row !== noRow) keys.delete(row, keys.revision);
  }
  keys.leases.end(lease.id);
  return { status: "ok", changed: doomed.length };
}

function missing(id: number): LeaseOutcome {
  return { status: "leaseNotFound", changed: 0, body: missingBody(id) };
}
