export type { Clock } from "./clock.ts";
export { Node, type NodeOptions, type NodePorts } from "./node.ts";
export { defaultLimits, type NodeLimits } from "./options.ts";
export type { ReadOutcome, Refusal, RefusalReason, TransferOutcome, WriteOutcome } from "./outcomes.ts";
export type { Consistency, GroupView, NodeService, OpenImage } from "./service.ts";
export type { MembershipOutcome, MembershipRequest } from "./membership.ts";
export type { NodeStatus, PeerStatus } from "./status.ts";
