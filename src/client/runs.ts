/** Cuts operations into runs that may share a frame, so that whoever waits for each run keeps their order. */
import { frameBytesMax, frameCallsMax } from "./frame.ts";
import type { Operation } from "./frame.ts";

/** Takes operations and their companions, and hands them back in runs of one kind, each small enough for one frame. */
export function* runsOf<T extends { readonly operation: Operation<unknown> }>(
  items: Iterable<T>,
): Generator<readonly T[], void, void> {
  let run: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const { kind, bytes: more } = item.operation;
    const fits = run.length < frameCallsMax && bytes + more <= frameBytesMax && run[0]?.operation.kind === kind;
    if (run.length > 0 && !fits) {
      yield run;
      run = [];
      bytes = 0;
    }
    run.push(item);
    bytes += more;
  }
  if (run.length > 0) yield run;
}
