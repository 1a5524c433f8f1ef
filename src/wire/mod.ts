export * from "./frame.ts";
export * from "./frame_reader.ts";
export * from "./command_codec.ts";
export * from "./key_text.ts";
export * from "./limits.ts";
export * from "./membership_codec.ts";
export * from "./query_codec.ts";
export * from "./rpc_codec.ts";
