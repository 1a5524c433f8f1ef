export { defaultServiceLimits, type ServiceLimits } from "./limits.ts";
export { createService, type Service, type ServiceOptions } from "./server.ts";
