/** What the thread of the node and the thread of its disk say to each other. */
import type { MessagePort } from "node:worker_threads";
import { CorruptError, ProaError, type ErrorCode } from "../../lib/errors.ts";
import type { Entry, GroupId, Index, Membership, Persist, Restored } from "../../raft/mod.ts";
import type { Identity, Owner } from "../identity.ts";

/** A question whose answer is waited for, with what answers it. */
export interface Questions {
  readonly open: {
    readonly ask: { readonly directory: string; readonly expected: Owner };
    readonly answer: Identity;
  };
  readonly load: {
    readonly ask: { readonly group: GroupId; readonly bootstrap: Membership };
    readonly answer: Restored;
  };
  readonly read: {
    readonly ask: {
      readonly group: GroupId;
      readonly range: { readonly from: Index; readonly to: Index; readonly bytesMax: number };
    };
    readonly answer: readonly Entry[];
  };
  /** Answered when every batch before it is durable. */
  readonly flush: { readonly ask: null; readonly answer: null };
  /** Answered when the directory is free. */
  readonly close: { readonly ask: null; readonly answer: null };
}

export type QuestionKind = keyof Questions;

export type Question = {
  [Kind in QuestionKind]: { readonly kind: Kind; readonly ask: Questions[Kind]["ask"] };
}[QuestionKind];

/** An entry whose payload lies in the shared memory, behind those of the entries before it. */
export type PackedEntry = Omit<Entry, "payload"> & { readonly bytes: number };

/** A write as it travels: without what only the node needs. */
export type PackedWrite = Omit<Persist, "entries" | "thenSend"> & { readonly entries: readonly PackedEntry[] };

/** Writes that make one transaction. */
export interface Batch {
  readonly kind: "persist";
  /** Counts from 1. */
  readonly number: number;
  readonly writes: readonly PackedWrite[];
  /** Where the payloads of all entries lie, one after the other, until the batch is confirmed; null: where those of the batch before lay. */
  readonly payloads: SharedArrayBuffer | null;
}

export type Request = Question | Batch;

/** The answer to a question. */
export type Answer =
  | { readonly ok: true; readonly value: Questions[QuestionKind]["answer"] }
  | { readonly ok: false; readonly error: PackedError };

/** What becomes of a batch. */
export type Report =
  { readonly kind: "durable"; readonly number: number } | { readonly kind: "failed"; readonly error: PackedError };

/** What the thread of the disk begins with. */
export interface Beginning {
  /** Where answers go. */
  readonly answers: MessagePort;
  /** One number: how many messages lie in `answers` or have lain there. The first says that the thread is up. */
  readonly bell: SharedArrayBuffer;
}

/** An error as it travels; what it was caused by stays behind as text. */
export interface PackedError {
  readonly type: "proa" | "corrupt" | "other";
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly stack: string | undefined;
}

export function packError(error: unknown): PackedError {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const isOurs = error instanceof ProaError;
  const type = isOurs ? "proa" : error instanceof CorruptError ? "corrupt" : "other";
  return { type, code: isOurs ? error.code : "INTERNAL", message, hint: isOurs ? error.hint : undefined, stack };
}

export function unpackError({ type, code, message, hint, stack }: PackedError): Error {
  switch (type) {
    case "proa":
      return new ProaError(code, message, hint === undefined ? {} : { hint });
    case "corrupt":
      return new CorruptError(message);
    default: {
      const error = new Error(message);
      if (stack !== undefined) error.stack = stack; // where it happened, not where it arrived
      return error;
    }
  }
}
