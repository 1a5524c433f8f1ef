/** The story of a run: a line for each event where somebody listens, and a hash by which two runs are told apart. */

export class Trace {
  /** Equal for two runs in which the same happened at the same times. */
  hash = 0;

  /** Without `write`, lines are never made: only the hash is kept. */
  constructor(
    private readonly now: () => number,
    private readonly write: ((line: string) => void) | null,
  ) {}

  /** Notes an event: `facts` tell it from similar ones, `line` says it in words. */
  note(facts: number, line: () => string): void {
    const time = this.now();
    this.hash = mix(mix(this.hash, (time * 1000) | 0), facts);
    if (this.write !== null) this.write(`${time.toFixed(3).padStart(10)} ${line()}`);
  }
}

function mix(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x9e3779b1);
  return product ^ (product >>> 15);
}
