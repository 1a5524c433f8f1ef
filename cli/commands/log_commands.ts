/** The commands of a log, as JSON and as a few words for people: what they do to which key or lease, and never a value. */
import { escapeBytes } from "../escape.ts";
import { jsonBytes } from "../../src/client/key_text.ts";
import { durationText } from "../../src/lib/duration.ts";
import type { Entry } from "../../src/raft/mod.ts";
import { CommandCursor, decodeLease, decodeOnce, keyBytes, payloadCursor, requestIdText } from "../../src/wire/mod.ts";
import type { LeaseCommand } from "../../src/wire/mod.ts";

export interface ShownCommand {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** The commands of an entry that holds some. Throws a `CorruptError`. */
export function commandsIn({ payload }: Pick<Entry, "payload">): readonly ShownCommand[] {
  return shownCommands(payloadCursor(payload));
}

function shownCommands(cursor: CommandCursor): readonly ShownCommand[] {
  const shown: ShownCommand[] = [];
  while (cursor.next()) shown.push(commandAt(cursor));
  return shown;
}

function commandAt(cursor: CommandCursor): ShownCommand {
  const { kind } = cursor;
  switch (kind) {
    case "put":
    case "delete":
      return keyCommand(cursor);
    case "deleteRange": {
      const [start, end] = [cursor.keyView(), keyBytes(cursor.endText() ?? "")];
      const facts = { command: kind, ...jsonBytes("start", start), ...(end.length === 0 ? {} : jsonBytes("end", end)) };
      return { facts, text: `delete ${escapeBytes(start)}..${escapeBytes(end)}` };
    }
    case "lease":
      return leaseCommand(decodeLease(cursor.body()));
    case "once": {
      const { commands, ...id } = decodeOnce(cursor.body());
      const nested = shownCommands(new CommandCursor(commands));
      const facts = { command: kind, request_id: requestIdText(id), commands: nested.map((command) => command.facts) };
      return { facts, text: `once ${nested.map(({ text }) => text).join(", ")}` };
    }
    default: {
      const bytes = cursor.body().length;
      return { facts: { command: kind, body_bytes: bytes }, text: `${kind} (${bytes} B)` };
    }
  }
}

function keyCommand(cursor: CommandCursor): ShownCommand {
  const { kind, ifRevision, restLength, lease, ttlMs } = cursor;
  const key = cursor.keyView();
  const isPut = kind === "put";
  const facts = {
    command: kind,
    ...jsonBytes("key", key),
    ...(isPut && { value_bytes: restLength }),
    ...(ifRevision !== null && { if_rev: ifRevision }),
    ...(lease > 0 && { lease }),
    ...(ttlMs > 0 && { ttl_ms: ttlMs }),
  };
  const condition = ifRevision === null ? "" : ifRevision === 0 ? " if absent" : ` if at ${ifRevision}`;
  const hanging = lease > 0 ? ` on lease ${lease}` : ttlMs > 0 ? ` for ${durationText(ttlMs)}` : "";
  return { facts, text: `${kind} ${escapeBytes(key)}${isPut ? ` (${restLength} B)` : ""}${condition}${hanging}` };
}

function leaseCommand(command: LeaseCommand): ShownCommand {
  switch (command.kind) {
    case "grant": {
      const { id, ttlMs } = command;
      const facts = { command: "lease grant", ...(id > 0 && { id }), ttl_ms: ttlMs };
      return { facts, text: `lease grant${id > 0 ? ` ${id}` : ""} for ${durationText(ttlMs)}` };
    }
    case "checkpoint": {
      const leases = command.leases.map(({ id, remainingMs }) => ({ id, remaining_ms: remainingMs }));
      return { facts: { command: "lease checkpoint", leases }, text: `lease checkpoint of ${leases.length}` };
    }
    default: {
      const { kind, id } = command;
      return { facts: { command: `lease ${kind}`, id }, text: `lease ${kind} ${id}` };
    }
  }
}
