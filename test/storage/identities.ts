/** Identities for tests. */
import type { Owner } from "../../src/storage/mod.ts";

export const testIdentity: Owner = { clusterId: "0123456789abcdef0123456789abcdef", cluster: "test", nodeId: 1 };
