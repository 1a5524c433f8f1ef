/** One request of a client to one machine: it ends once for the client, and what is told too late is told to nobody. */
import { unreachable } from "../lib/assert.ts";
import type { Node, ReadOutcome, Refusal, WriteOutcome } from "../node/mod.ts";
import type { Cluster } from "./cluster.ts";
import type { Host } from "./host.ts";

/** How a request went, for its client. */
export type Ending =
  { readonly kind: "done" } | { readonly kind: "refused"; readonly leader: Host | null } | { readonly kind: "lost" };

/** What a request shares with every other. */
export interface Question {
  /** The number of its client. */
  readonly client: number;
  readonly host: Host;
  readonly name: () => string;
  readonly onEnd: (ending: Ending) => void;
}

/** What is to be done with what the machine says of a write, also when its client has given up. */
export interface WriteQuestion extends Question {
  readonly request: { readonly commands: Uint8Array; readonly count: number };
  readonly onApplied: (outcome: WriteOutcome & { readonly kind: "applied" }) => void;
  /** It never took effect by this question. */
  readonly onRefused: () => void;
}

export interface ReadQuestion extends Question {
  readonly request: Parameters<Node["read"]>[1];
  readonly onAnswered: (outcome: ReadOutcome & { readonly kind: "answered" }) => void;
}

const done: Ending = { kind: "done" };
const lost: Ending = { kind: "lost" };

export function askToWrite(cluster: Cluster, question: WriteQuestion): void {
  const judge = (outcome: WriteOutcome): Ending => {
    switch (outcome.kind) {
      case "applied":
        question.onApplied(outcome);
        return done;
      case "notApplied":
        question.onRefused();
        return refusal(cluster, outcome);
      case "unknown":
        return lost;
      default:
        return unreachable(outcome);
    }
  };
  const wasSent = ask(cluster, question, (node, end) => {
    node.write(0, question.request, (outcome) => end(() => judge(outcome)));
  });
  if (!wasSent) question.onRefused();
}

export function askToRead(cluster: Cluster, question: ReadQuestion): void {
  ask(cluster, question, (node, end) => {
    node.read(0, question.request, (outcome) => {
      end(() => {
        if (outcome.kind === "notApplied") return refusal(cluster, outcome);
        question.onAnswered(outcome);
        return done;
      });
    });
  });
}

/** Asks; the question ends at the latest when the patience of its client does. False when nobody listened: then it has ended. */
function ask(
  { timeline, trace, plan }: Cluster,
  { client, host, name, onEnd }: Question,
  send: (node: Node, end: (judge: () => Ending) => void) => void,
): boolean {
  const note = (what: string): void => trace.note(client, () => `c${client} ${what} ${name()} at n${host.id}`);
  let waits = true;
  const end = (ending: Ending): void => {
    note(waits ? ending.kind : `${ending.kind} too late`);
    if (!waits) return;
    waits = false;
    patience.callOff();
    onEnd(ending);
  };
  note("asks");
  const patience = timeline.after(plan.patienceMs, () => end(lost));
  const wasSent = host.request(
    (node, answered) => {
      send(node, (judge) => {
        answered();
        end(judge());
      });
    },
    () => end(lost),
  );
  if (!wasSent) end({ kind: "refused", leader: null });
  return wasSent;
}

function refusal(cluster: Cluster, { leader }: Refusal): Ending {
  return { kind: "refused", leader: leader === null ? null : cluster.host(leader) };
}
