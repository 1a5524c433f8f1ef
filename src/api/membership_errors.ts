/** Why the members of the cluster were not changed, as errors for users. */
import { ProaError } from "../lib/errors.ts";
import type { MembershipOutcome, NodeService } from "../node/mod.ts";
import { refusalError } from "./http_errors.ts";

/** The error for a change that did not end well. */
export function membershipError(
  outcome: Exclude<MembershipOutcome, { readonly kind: "changed" | "planned" }>,
  node: NodeService,
): ProaError {
  switch (outcome.kind) {
    case "notApplied":
      return refusalError("members", outcome, node);
    case "unknown":
      return new ProaError(
        "OUTCOME_UNKNOWN",
        "Cannot confirm the change of members: it was begun, and this node cannot see its end",
        {
          hint: "whoever leads now ends it or drops it: see proa cluster members",
        },
      );
    case "refused":
      return refusedError(outcome, node);
  }
}

function refusedError(
  { reason, nodes }: MembershipOutcome & { readonly kind: "refused" },
  node: NodeService,
): ProaError {
  const isOne = nodes.length === 1;
  const who = `node${isOne ? "" : "s"} ${nodes.join(", ")}`;
  const refuse = (code: ProaError["code"], why: string, hint: string): ProaError =>
    new ProaError(code, `Cannot change the members: ${why}`, { hint });
  switch (reason) {
    case "transferring":
      return refusalError("members", { reason, leader: node.id }, node);
    case "notReady":
      return refuse("NO_LEADER", "the leader has only just been elected", "nothing was changed: try again");
    case "changing":
      return refuse("MEMBERSHIP_BUSY", "another change is under way", "wait for its end: proa cluster members");
    case "unchanged":
      return refuse("MEMBERSHIP_REFUSED", "they are as they are to be", "see proa cluster members");
    case "noVoters":
      return refuse(
        "MEMBERSHIP_REFUSED",
        "nobody would vote",
        "add another voter first: proa cluster add ID HOST:PORT",
      );
    case "retired":
      return refuse(
        "MEMBERSHIP_REFUSED",
        `${who} ${isOne ? "has" : "have"} left for good`,
        "use an id that was never used, with an empty directory",
      );
    case "tooMany":
      return refuse("MEMBERSHIP_REFUSED", "there would be too many of them", "a cluster has at most 64 members");
    case "notCaughtUp":
      return refuse(
        "NOT_CAUGHT_UP",
        isOne
          ? `${who} must be a learner that is up and has caught up before it votes`
          : `${who} must be learners that are up and have caught up before they vote`,
        "start the node with proa node start --join, and wait: proa cluster status",
      );
    case "quorumLost":
      return refuse(
        "MEMBERSHIP_REFUSED",
        isOne
          ? `${who} does not answer, and without it there would be no majority`
          : `${who} do not answer, and without them there would be no majority`,
        "bring back who is missing first, or remove it: proa cluster status",
      );
    case "unknownNode":
      return refuse("NOT_FOUND", `there is no ${who}`, "proa cluster members shows who belongs to the cluster");
    case "alreadyMember":
      return refuse("MEMBERSHIP_REFUSED", `${who} belongs to the cluster already`, "see proa cluster members");
    case "addressTaken":
      return refuse("MEMBERSHIP_REFUSED", `${who} has that address already`, "every node has ports of its own");
  }
}
