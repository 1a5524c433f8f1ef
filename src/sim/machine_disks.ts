/** The disks of one machine, one after the other: what was on those that are lost is remembered here, and by nobody in the run. */
import { assert } from "../lib/assert.ts";
import type { EntryId } from "../raft/mod.ts";
import type { SimDisk } from "./disk.ts";

export class MachineDisks {
  /** The last one is in use. */
  private readonly disks: SimDisk[] = [];

  /** `make` makes an empty disk; they are numbered from 1. */
  constructor(private readonly make: (number: number) => SimDisk) {
    this.replace();
  }

  get current(): SimDisk {
    const disk = this.disks.at(-1);
    assert(disk !== undefined, "a machine has a disk");
    return disk;
  }

  get lostOne(): boolean {
    return this.disks.length > 1;
  }

  /** Puts an empty disk in the place of the one in use. The machine must be down. */
  replace(): void {
    this.disks.push(this.make(this.disks.length + 1));
  }

  /** Whether `entry` is durable on any of them, lost or not: what was promised counts until somebody can know that it is lost. */
  everHeld({ index, term }: EntryId): boolean {
    return this.disks.some(({ durable }) => durable.terms[index - 1] === term);
  }
}
