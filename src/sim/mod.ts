/** The simulator: the real node in virtual time, with everything around it made up from a seed. */
export { type RunResult, runSeed } from "./simulation.ts";
export { type FaultName, faultNames, type Wishes } from "./plan.ts";
export type { Failure } from "./violation.ts";
