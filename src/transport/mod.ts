export * from "./transport.ts";
export * from "./tcp.ts";
export * from "./memory.ts";
export * from "./datagram_endpoint.ts";
export * from "./datagram_limits.ts";
export * from "./udp.ts";
