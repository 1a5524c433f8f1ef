export * from "./transport.ts";
export * from "./tcp.ts";
export * from "./memory.ts";
