/** Identities for tests. */
import type { Identity } from "../../src/storage/mod.ts";

export const testIdentity: Identity = { clusterId: "0123456789abcdef0123456789abcdef", cluster: "test", nodeId: 1 };
