/** All deliberate bugs, each of which the simulator must find. */
import { answersMutants } from "./answers.ts";
import { datagramsMutants } from "./datagrams.ts";
import { diskMutants } from "./disk.ts";
import { electionsMutants } from "./elections.ts";
import { historyMutants } from "./history.ts";
import { keyLeasesMutants } from "./key_leases.ts";
import { leaseMutants } from "./leases.ts";
import { membershipMutants } from "./membership.ts";
import type { Mutant } from "./mutant.ts";
import { replicationMutants } from "./replication.ts";
import { sessionsMutants } from "./sessions.ts";
import { snapshotsMutants } from "./snapshots.ts";
import { transactionsMutants } from "./transactions.ts";

export const mutants: readonly Mutant[] = [
  ...electionsMutants,
  ...replicationMutants,
  ...diskMutants,
  ...answersMutants,
  ...snapshotsMutants,
  ...leaseMutants,
  ...sessionsMutants,
  ...membershipMutants,
  ...datagramsMutants,
  ...transactionsMutants,
  ...historyMutants,
  ...keyLeasesMutants,
];
