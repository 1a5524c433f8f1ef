export type { LeaseClock } from "./lease_queries.ts";
export type { LeaseListener, LeaseTime } from "./leases.ts";
export type * from "./state_machine.ts";
export * from "./store.ts";
