/** What `proa lease keepalive` does: renews a lease until it is told to end, or cannot. */
import type { Context } from "../context.ts";
import { libraryClient } from "../library.ts";
import { jsonLine, out } from "../output.ts";
import { RunEnd } from "../run_end.ts";
import type { KeptLease } from "../../src/client/leases.ts";
import { durationText } from "../../src/lib/duration.ts";
import type { GrantedLease } from "../../src/wire/mod.ts";

export async function keepalive(
  { id, once }: { readonly id: number; readonly once: boolean },
  context: Context,
): Promise<void> {
  using client = libraryClient(context);
  const onRenewed = (lease: GrantedLease): void => {
    tell(lease, context);
  };
  if (once) {
    onRenewed(await client.lease.renew(id));
    return;
  }
  const end = new RunEnd(context);
  const kept = await end.before(client.lease.keepAlive(id, { onRenewed }));
  if (kept !== null) {
    const reason = await end.before(lossOf(kept));
    kept.stop();
    if (reason !== null) throw reason;
  }
  end.exitIfSignalled();
}

function tell({ id, ttlMs }: GrantedLease, { output }: Context): void {
  if (output.mode !== "table") out(jsonLine({ id, ttl_ms: ttlMs }));
  else if (!output.quiet) out(`lease ${id} ttl=${durationText(ttlMs)}\n`);
}

/** Resolves with why the lease is lost, once it is. */
function lossOf({ lost }: KeptLease): Promise<Error> {
  return new Promise((resolve) => {
    const tell = (): void => {
      resolve(lost.reason as Error); // the handle aborts with an error
    };
    if (lost.aborted) tell();
    else lost.addEventListener("abort", tell);
  });
}
