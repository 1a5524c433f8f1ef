/** Bugs in the leases that keys hang on: when they end, and what goes with them. */
import { mutant, type Mutant } from "./mutant.ts";

export const keyLeasesMutants: readonly Mutant[] = [
  mutant("a lease of keys ends before its time", {
    file: "src/node/lease_keeper.ts",
    find: "this.count(lease, this.now() + lease.remainingMs);",
    replace: "this.count(lease, this.now() + lease.remainingMs / 2);",
  }),
  mutant("a lease of keys ends in spite of its renewal", {
    file: "src/kv/lease_commands.ts",
    find: "const lease = leases.at(command);",
    replace: "const lease = leases.get(command.id);",
  }),
  mutant("a lease of keys that came in an image is not counted", {
    file: "src/kv/store.ts",
    find: "        this.leaseListener?.onReplaced();\n",
    replace: "",
  }),
  mutant("a lease of one key outlives it", {
    file: "src/kv/leases.ts",
    find: "if (this.byId.get(id)?.keys.size === 0) this.end(id);",
    replace: "if (id < 0) this.end(id);",
  }),
  mutant("a lease of keys whose end was not proposed is forgotten", {
    file: "src/node/lease_keeper.ts",
    find: "      this.putBack(taken, now);\n",
    replace: "      if (now < 0) this.putBack(taken, now);\n",
  }),
];
