/**
 * The simulator: real nodes in virtual time, with everything around them made up from a seed.
 *
 * A seed draws a {@link Plan}: how many machines and clients, which faults, how strong, which limits. {@link runSeed} builds
 * the machines (`host.ts`: a real `Node` on a simulated disk, clock and network), lets clients and faults go at them, then
 * heals a majority and asks it to work again. Along the way `safety.ts` compares the nodes with each other and with their
 * disks, `reference.ts` compares every answer with what the log says, and in the end `linearizability.ts` judges what
 * clients saw, from outside. Nothing enters a run but its seed and its {@link Wishes}, so every run can be repeated.
 */
export { type FaultName, faultNames, type Plan, type Wishes } from "./plan.ts";
export { type RunResult, runSeed } from "./simulation.ts";
export { shrink, type Shrunk } from "./shrink.ts";
export type { Failure } from "./violation.ts";
export { checkLinearizability, type Model, type Operation } from "./linearizability.ts";
