/**
 * A counter that many raise by compare-and-set, and each with a mark of his own: so that afterwards everybody can be told
 * how often what he did took effect.
 */
import { assert } from "../../src/lib/assert.ts";
import { NotAppliedError, UnknownOutcomeError } from "../../src/mod.ts";
import type { Client } from "../../src/mod.ts";

const counter = "counter";
const marks = "mark/";

export class CounterLoad {
  /** Names of increments, by what their callers were told. */
  readonly acknowledged = new Set<string>();
  readonly givenUp = new Set<string>();
  /** How often somebody else was faster. */
  conflicts = 0;
  /** Told after each acknowledged increment. */
  onAcknowledged: () => void = () => undefined;

  /** Raises the counter `count` times, one after the other. */
  async run(client: Client, options: { readonly name: string; readonly count: number }): Promise<void> {
    for (let i = 1; i <= options.count; i++) await this.increment(client, `${options.name}-${i}`);
  }

  private async increment(client: Client, name: string): Promise<void> {
    for (;;) {
      try {
        if (await tryIncrement(client, name)) break;
        this.conflicts++;
      } catch (error) {
        if (error instanceof UnknownOutcomeError) {
          this.givenUp.add(name);
          return;
        }
        if (!(error instanceof NotAppliedError)) throw error;
      }
    }
    this.acknowledged.add(name);
    this.onAcknowledged();
  }

  /** What is wrong with the counter; empty if everything took effect as often as its caller was told. */
  async problems(client: Client): Promise<readonly string[]> {
    const value = Number((await client.get(counter))?.text);
    const found = new Map<string, number>();
    for await (const { keyText, version } of client.scan({ prefix: marks }))
      found.set(keyText.slice(marks.length), version);
    const problems: string[] = [];
    if (value !== found.size) problems.push(`the counter is ${value}, and ${found.size} increments left a mark`);
    for (const [name, times] of found) {
      if (times !== 1) problems.push(`${name} took effect ${times} times`);
      if (!this.acknowledged.has(name) && !this.givenUp.has(name)) problems.push(`${name} is nobody's`);
    }
    for (const name of this.acknowledged) {
      if (!found.has(name)) problems.push(`${name} was acknowledged and did not take effect`);
    }
    assert(this.acknowledged.isDisjointFrom(this.givenUp), "an increment has one end");
    return problems;
  }
}

/** False when somebody else was faster. */
async function tryIncrement(client: Client, name: string): Promise<boolean> {
  const found = await client.get(counter);
  const unchanged = found === null ? { key: counter, exists: false } : { key: counter, modRevision: found.modRevision };
  const next = `${Number(found?.text ?? 0) + 1}`;
  const { succeeded } = await client.txn({
    if: [unchanged],
    then: [
      { put: counter, value: next },
      { put: marks + name, value: next },
    ],
  });
  return succeeded;
}
