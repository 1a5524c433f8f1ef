/** Everything that the commands of a log come to: what an image holds and the state hash covers. */
import { type Settings, defaultSettings, settingNames } from "../wire/mod.ts";
import { KeySpace } from "./key_space.ts";
import { Sessions } from "./sessions.ts";
import type { StateHash } from "./state_hash.ts";

export class StoreState {
  readonly keys: KeySpace;
  readonly sessions = new Sessions();
  settings: Settings = defaultSettings;

  /** `hashSeed` is for where keys lie in memory, and nothing else. */
  constructor(hashSeed: number) {
    this.keys = new KeySpace(hashSeed);
  }

  /** Equal wherever the state is: 16 hexadecimal digits. */
  hash(): string {
    return this.digest(this.keys.stateHash(), this.keys.leases.hashNumbers());
  }

  /** What {@link hash} must be, computed anew from all keys and values: slow, to check it. */
  recomputeHash(): string {
    return this.digest(this.keys.recomputeStateHash(), this.keys.leases.recomputeHashNumbers());
  }

  private digest(keys: StateHash, leases: readonly number[]): string {
    const settings = settingNames.map((name) => this.settings[name]);
    return keys.with([...settings, ...this.sessions.hashNumbers(), ...leases]).digest();
  }
}
