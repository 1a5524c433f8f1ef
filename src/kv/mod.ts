export type * from "./state_machine.ts";
export * from "./store.ts";
