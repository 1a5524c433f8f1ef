/**
 * Which life of a peer we listen to. A life becomes the current one only when it shows the token that is on offer just
 * then, so that no recording of an earlier life ever passes for it; what it sent is then taken once. Whoever calls is
 * offered the same token, which costs nothing to remember: only who sees our answer learns it.
 */
import type { Assembly } from "./assembly.ts";
import { NumberWindow } from "./number_window.ts";

/** One life of a peer, as we hear it. */
export interface Session {
  /** The random number of that life. */
  readonly boot: number;
  /** By which we know it. */
  readonly token: number;
  /** What its datagrams begin with. */
  readonly prefix: Uint8Array;
  readonly come: NumberWindow;
  readonly assembly: Assembly;
}

export class Sessions {
  current: Session | null = null;
  /** The token for the next life that shows it; a new one as soon as one has, because a life that has lost its token counts anew. */
  offer: number;

  constructor(
    private readonly options: {
      /** A random integer above 0 and below 2^53. */
      readonly randomNumber: () => number;
      readonly newAssembly: () => Assembly;
      readonly prefixOf: (boot: number, token: number) => Uint8Array;
    },
  ) {
    this.offer = options.randomNumber();
  }

  /** The session that a datagram belongs to; null if it shows no token of ours. A life that shows the one on offer becomes the current one. */
  find(boot: number, token: number): Session | null {
    if (this.current !== null && this.current.boot === boot && this.current.token === token) return this.current;
    if (token !== this.offer) return null;
    const { newAssembly, prefixOf } = this.options;
    const prefix = prefixOf(boot, token);
    const session = { boot, token, prefix, come: new NumberWindow(), assembly: newAssembly() };
    this.end();
    this.current = session;
    return session;
  }

  end(): void {
    this.current = null;
    this.offer = this.options.randomNumber(); // what was offered before is worth nothing any more
  }
}
