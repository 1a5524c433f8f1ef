/**
 * Decides whether a history of calls and returns could have come from one object that does one thing at a time (I9): the
 * search of Wing and Gong with the memory of Lowe, which never looks twice at the same calls done with the same outcome.
 */
import { assert } from "../lib/assert.ts";

/** One call. Calls that never returned (`returned` is Infinity) may have taken effect at any time since, or never. */
export interface Operation<Input> {
  readonly call: number;
  /** Above `call`. No two moments of a history are equal. */
  readonly returned: number;
  readonly input: Input;
}

/** What the object does, one thing at a time. States must be values that `===` compares. */
export interface Model<State extends string | number, Input> {
  readonly initial: State;
  /** The state after `input` with the outcome that it reports; null if it cannot have that outcome in `state`. */
  step(state: State, input: Input): State | null;
}

/** `undecided`: the search was given up after the most steps that it may take. */
export type Verdict = "linearizable" | "violation" | "undecided";

/** A call or a return, in a list of both by their moments. */
interface Point {
  readonly operation: number;
  /** Null for a return. */
  readonly returnPoint: Point | null;
  readonly isCall: boolean;
  previous: Point | null;
  next: Point | null;
}

/** Takes at most `stepsMax` steps of the model. */
export function checkLinearizability<State extends string | number, Input>(
  model: Model<State, Input>,
  operations: readonly Operation<Input>[],
  stepsMax: number,
): Verdict {
  const head = listOf(operations);
  const done = new Uint32Array(Math.ceil(operations.length / 32));
  const seen = new Set<string>();
  const chosen: { readonly point: Point; readonly before: State }[] = [];
  let returnsLeft = operations.filter((operation) => operation.returned !== Infinity).length;
  let state = model.initial;
  let point = head.next;
  for (let steps = 0; returnsLeft > 0;) {
    if (point === null || !point.isCall) {
      // A call that has returned must have been chosen before this point: take back the latest choice and try another.
      const last = chosen.pop();
      if (last === undefined) return "violation";
      state = last.before;
      flip(done, last.point.operation);
      restore(last.point);
      if (last.point.returnPoint !== null) returnsLeft++;
      point = last.point.next;
      continue;
    }
    if (++steps > stepsMax) return "undecided";
    const operation = operations[point.operation];
    assert(operation !== undefined, "a point of an unknown operation");
    const after = model.step(state, operation.input);
    if (after !== null) {
      flip(done, point.operation);
      const name = nameOf(after, done);
      if (!seen.has(name)) {
        seen.add(name);
        chosen.push({ point, before: state });
        state = after;
        remove(point);
        if (point.returnPoint !== null) returnsLeft--;
        point = head.next;
        continue;
      }
      flip(done, point.operation);
    }
    point = point.next;
  }
  return "linearizable";
}

/** Tells which operations are done and what came of them. Those that are done lie almost all in front, so that few words say it. */
function nameOf(state: string | number, done: Uint32Array): string {
  let first = 0;
  while (first < done.length && done[first] === 0xffff_ffff) first++;
  let end = done.length;
  while (end > first && done[end - 1] === 0) end--;
  let name = `${state} ${first}`;
  for (let word = first; word < end; word++) name += ` ${done[word]}`;
  return name;
}

/** All calls and returns in the order of their moments, behind a head that is neither. */
function listOf(operations: readonly Operation<unknown>[]): Point {
  const points: { readonly moment: number; readonly point: Point }[] = [];
  operations.forEach(({ call, returned }, operation) => {
    assert(returned > call, "a call returns after it was made");
    const end: Point | null =
      returned === Infinity ? null : { operation, returnPoint: null, isCall: false, previous: null, next: null };
    points.push({ moment: call, point: { operation, returnPoint: end, isCall: true, previous: null, next: null } });
    if (end !== null) points.push({ moment: returned, point: end });
  });
  points.sort((a, b) => a.moment - b.moment);
  const head: Point = { operation: -1, returnPoint: null, isCall: false, previous: null, next: null };
  let last = head;
  for (const { point } of points) {
    last.next = point;
    point.previous = last;
    last = point;
  }
  return head;
}

/** Takes a call and its return out of the list. */
function remove(call: Point): void {
  unlink(call);
  if (call.returnPoint !== null) unlink(call.returnPoint);
}

/** Puts back what {@link remove} took out last. */
function restore(call: Point): void {
  if (call.returnPoint !== null) relink(call.returnPoint);
  relink(call);
}

function unlink(point: Point): void {
  if (point.previous !== null) point.previous.next = point.next;
  if (point.next !== null) point.next.previous = point.previous;
}

function relink(point: Point): void {
  if (point.previous !== null) point.previous.next = point;
  if (point.next !== null) point.next.previous = point;
}

function flip(bits: Uint32Array, position: number): void {
  const word = position >>> 5;
  bits[word] = (bits[word] ?? 0) ^ (1 << (position & 31));
}
