/**
 * Which life of a peer we listen to. A life becomes the current one only when it shows the token that we made for it
 * just now, so that no recording of an earlier life ever passes for it; what it sent is then taken once.
 */
import type { Assembly } from "./assembly.ts";
import { NumberWindow } from "./number_window.ts";

/** One life of a peer, as we hear it. */
export interface Session {
  /** The random number of that life. */
  readonly boot: number;
  /** By which we know it. */
  readonly token: number;
  readonly come: NumberWindow;
  readonly assembly: Assembly;
}

/** Lives that called and have not shown their token yet. A few, because old calls may be replayed. */
const candidatesMax = 4;

export class Sessions {
  current: Session | null = null;
  private readonly candidates: Session[] = [];

  constructor(
    private readonly options: {
      /** A random integer above 0 and below 2^53. */
      readonly randomNumber: () => number;
      readonly newAssembly: () => Assembly;
    },
  ) {}

  /** The session that a datagram belongs to; null if it shows no token of ours. A new life that does becomes the current one. */
  find(boot: number, token: number): Session | null {
    if (this.current !== null && this.current.boot === boot && this.current.token === token) return this.current;
    const candidate = this.candidates.find((session) => session.boot === boot && session.token === token);
    if (candidate === undefined) return null;
    this.candidates.length = 0; // what they were given is worth nothing any more
    this.current = candidate;
    return candidate;
  }

  /**
   * The token for a life that shows none: always a new session, because a life that has lost its token begins to count
   * anew. The same as long as it has not shown it.
   */
  offerTo(boot: number): number {
    const known = this.candidates.find((session) => session.boot === boot);
    if (known !== undefined) return known.token;
    const { randomNumber, newAssembly } = this.options;
    const candidate = { boot, token: randomNumber(), come: new NumberWindow(), assembly: newAssembly() };
    if (this.candidates.length === candidatesMax) this.candidates.shift();
    this.candidates.push(candidate);
    return candidate.token;
  }

  end(): void {
    this.current = null;
    this.candidates.length = 0;
  }
}
