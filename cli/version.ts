/** Which proa this is. */
import packageJson from "../package.json" with { type: "json" };

/** Set by the build of the executable, with the revision it was built from. */
declare const PROA_VERSION: string | undefined;

/** The version as people and nodes are told it. */
export const productVersion: string = typeof PROA_VERSION === "string" ? PROA_VERSION : packageJson.version;
