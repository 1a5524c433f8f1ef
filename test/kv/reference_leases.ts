/** Leases that are too simple to be wrong: a list, which knows no keys; whoever asks says which keys there are. */
import { type CommandResult, type LeaseCommand, grantedBody, missingBody } from "../../src/wire/mod.ts";

export interface ReferenceLease {
  readonly id: number;
  readonly ttlMs: number;
  readonly remainingMs: number;
  readonly renewal: number;
  readonly granted: number;
  readonly bound: boolean;
}

/** What a command about a lease did; `ended` is the lease whose keys must go. */
export interface ReferenceOutcome extends Pick<CommandResult, "status" | "body"> {
  readonly ended?: number;
}

export class ReferenceLeases {
  list: readonly ReferenceLease[] = [];
  private counted = 0;

  has(id: number): boolean {
    return this.list.some((lease) => lease.id === id);
  }

  apply(command: LeaseCommand): ReferenceOutcome {
    switch (command.kind) {
      case "grant":
        return this.grant(command, false);
      case "renew": {
        const lease = this.list.find(({ id }) => id === command.id);
        if (lease === undefined) return missing(command.id);
        this.replace({ ...lease, renewal: ++this.counted, remainingMs: lease.ttlMs });
        return { status: "ok", body: grantedBody(lease) };
      }
      case "revoke":
        return this.has(command.id) ? { status: "ok", ended: command.id } : missing(command.id);
      case "expire": {
        const isSame = this.list.some(({ id, renewal }) => id === command.id && renewal === command.renewal);
        return isSame ? { status: "ok", ended: command.id } : missing(command.id);
      }
      case "checkpoint":
        for (const { id, renewal, remainingMs } of command.leases) {
          const lease = this.list.find((candidate) => candidate.id === id);
          if (lease?.renewal !== renewal) continue;
          this.replace({ ...lease, remainingMs: Math.min(remainingMs, lease.remainingMs) });
        }
        return { status: "ok" };
    }
  }

  grant({ id, ttlMs }: { readonly id: number; readonly ttlMs: number }, bound: boolean): ReferenceOutcome {
    if (this.has(id)) return { status: "leaseExists" };
    let granted = ++this.counted;
    while (id === 0 && this.has(granted)) granted = ++this.counted;
    const lease = { id: id || granted, ttlMs, remainingMs: ttlMs, renewal: granted, granted, bound };
    this.list = [...this.list, lease];
    return { status: "ok", body: grantedBody(lease) };
  }

  /** The id of the lease granted last. */
  get newest(): number {
    return this.list.at(-1)?.id ?? 0;
  }

  /** Keeps only what `isKept` says. */
  keep(isKept: (lease: ReferenceLease) => boolean): void {
    this.list = this.list.filter(isKept);
  }

  private replace(lease: ReferenceLease): void {
    this.list = this.list.map((old) => (old.id === lease.id ? lease : old));
  }
}

function missing(id: number): ReferenceOutcome {
  return { status: "leaseNotFound", body: missingBody(id) };
}
